"""AVA and AVA-Kinetics: actions of persons at single timestamps, as tubes of boxes and back.

The files and their convention: `ava_lists.py`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from stn_action.errors import InputError
from stn_action.person.formats.ava_lists import (
    AvaLine,
    read_ava_actions,
    read_ava_excluded,
    read_ava_lines,
    timestamp_text,
)
from stn_action.person.formats.box_collector import (
    BoxCollector,
    parse_frame_index,
    parse_integer,
)
from stn_action.person.formats.text_files import format_float32, write_text
from stn_action.person.video_people import VideoPeople

SEPARATOR = "; "
"""Between the actions of one person; no action's name contains it."""


class AvaVideo(NamedTuple):
    """Properties of a video that AVA's csv does not contain."""

    size_hw: tuple[int, int]
    """Height and width of the frames, pixels."""
    fps: float
    """Frames per second."""
    start_seconds: float = 0.0
    """Time of the file's first frame in the full film: 900 if the file is AVA's quarter of an hour
    from 900 to 1800."""
    num_frames: int | None = None
    """Frames of the file; None: unknown."""


class _Person:
    """The boxes of one person by frame, and all their actions."""

    def __init__(self) -> None:
        self.boxes: dict[int, tuple[tuple[float, ...], str]] = {}
        self.actions: set[int] = set()
        self.occurrences: set[tuple[int, int]] = set()


def read_ava(
    path: str | Path,
    video: AvaVideo | Callable[[str], AvaVideo],
    *,
    actions: str | Path | None = None,
    excluded: str | Path | None = None,
) -> list[VideoPeople]:
    """Read persons and their actions.

    A person is one tube with a box at each timestamp; the label lists all actions of the person
    in the video, in the order of their ids, joined by `; `. The time of each action is not kept.

    Args:
        path: `ava_train_v2.2.csv` or alike.
        video: size, frame rate and start of all videos, or a function of the video id.
        actions: `ava_action_list_v2.2.pbtxt`; None: labels are ids.
        excluded: csv of timestamps to ignore.

    Returns:
        Videos in order of appearance; persons in the order of their ids.

    Raises:
        InputError: the file is malformed, a box is not in shares of the image, a timestamp is
            outside the video, a person has two boxes at a timestamp, or an action has no name.
    """
    names = None if actions is None else read_ava_actions(actions)
    skipped = set() if excluded is None else read_ava_excluded(excluded)
    videos: dict[str, tuple[AvaVideo, dict[int, _Person]]] = {}
    for where, line in read_ava_lines(path):
        if line.video not in videos:
            videos[line.video] = (video if isinstance(video, AvaVideo) else video(line.video), {})
        about, persons = videos[line.video]
        if (line.video, line.seconds) not in skipped and line.box is not None:
            _add(persons, line, _frame(line.seconds, about, where), about, where)
    return [_people(path, name, *rest, names) for name, rest in videos.items()]


def write_ava(
    path: str | Path,
    people: Iterable[VideoPeople],
    *,
    start_seconds: float = 0.0,
    actions: str | Path | None = None,
) -> None:
    """Write a line per box and action; scores are not kept.

    Args:
        path: the csv file.
        people: with size, frame rate and a label for every person, as `read_ava` returns them.
        start_seconds: time of the first frame in the full film.
        actions: list of the names in the labels; None: labels are ids.

    Raises:
        InputError: one of these is missing, or an action is not in the list.
    """
    names = None if actions is None else read_ava_actions(actions)
    ids = None if names is None else {name: str(key) for key, name in names.items()}
    lines = []
    for video in people:
        where = f"{path}, video {video.name}"
        if video.size_hw is None or video.fps is None:
            raise InputError(f"{where}: AVA needs the size of the image and the frame rate")
        if "," in video.name or not video.name.strip() or not video.name.isprintable():
            raise InputError(f"{where}: this name cannot be a cell of AVA's csv")
        if not video.tubes:
            lines.append(f"{video.name},{_seconds(0, video.fps, start_seconds)},,,,,,")
        for person, tube in enumerate(video.tubes):
            label = video.labels[person] if video.labels else None
            keys = _action_ids(label, ids, f"{where}, person {person}")
            sides = video.size_hw[::-1] * 2
            for frame, box in zip(tube.frame_indices.tolist(), tube.boxes.tolist(), strict=True):
                corners = [
                    format_float32(edge / side) for edge, side in zip(box, sides, strict=True)
                ]
                start = [video.name, _seconds(frame, video.fps, start_seconds), *corners]
                lines += [",".join([*start, key, str(person)]) for key in keys]
    write_text(path, "".join(f"{line}\n" for line in lines))


def _frame(seconds: float, video: AvaVideo, where: str) -> int:
    index = round(min((seconds - video.start_seconds) * video.fps, 1e15))  # may be infinite
    if index < 0:
        raise InputError(
            f"{where}: {seconds:g} s is before the start of the video, {video.start_seconds:g} s"
        )
    return parse_frame_index(index, where, first=0, num_frames=video.num_frames)


def _add(
    persons: dict[int, _Person], line: AvaLine, frame: int, video: AvaVideo, where: str
) -> None:
    assert line.box is not None
    person = persons.setdefault(line.person, _Person())
    if (frame, line.action) in person.occurrences:
        raise InputError(
            f"{where}: person {line.person} does action {line.action} twice at "
            f"{timestamp_text(line.seconds)} s"
        )
    height, width = video.size_hw
    box = tuple(share * side for share, side in zip(line.box, (width, height) * 2, strict=True))
    if person.boxes.setdefault(frame, (box, where))[0] != box:
        raise InputError(
            f"{where}: person {line.person} has a second, different box at "
            f"{timestamp_text(line.seconds)} s"
        )
    person.occurrences.add((frame, line.action))
    person.actions.add(line.action)


def _people(
    path: str | Path,
    name: str,
    video: AvaVideo,
    persons: dict[int, _Person],
    names: dict[int, str] | None,
) -> VideoPeople:
    gathered = BoxCollector(path)
    for key, person in sorted(persons.items()):
        label = SEPARATOR.join(
            _action_name(action, names, path) for action in sorted(person.actions)
        )
        for frame, (box, where) in person.boxes.items():
            gathered.add(key, frame, box, label=label, where=where)
    return gathered.people(
        name, size_hw=video.size_hw, fps=video.fps, num_frames=video.num_frames, sort_persons=True
    )


def _action_name(action: int, names: dict[int, str] | None, path: str | Path) -> str:
    if names is None:
        return str(action)
    if action not in names:
        raise InputError(f"{path}: action {action} is not in the list, whose ids are {list(names)}")
    return names[action]


def _action_ids(label: str | None, ids: dict[str, str] | None, where: str) -> list[str]:
    """Return the ids, as text, of the actions in a label."""
    if not label:
        raise InputError(f"{where}: AVA needs a label, the actions of the person")
    actions = label.split(SEPARATOR)
    if ids is None:
        return [
            str(parse_integer(action, where, "a label without a list", first=1))
            for action in actions
        ]
    missing = [action for action in actions if action not in ids]
    if missing:
        raise InputError(f"{where}: {missing} are not in the list of actions, {list(ids)}")
    return [ids[action] for action in actions]


def _seconds(frame: int, fps: float, start_seconds: float) -> str:
    return f"{start_seconds + frame / fps:.6f}".rstrip("0").rstrip(".").zfill(4)
