"""Convert person boxes between formats, and check them against the videos if these are given."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.key_frame_people import key_frame_people
from stn_action.person.formats.ava import AvaVideo
from stn_action.person.formats.format_table import FORMATS, find_format
from stn_action.person.formats.motchallenge import read_mot_detections
from stn_action.person.names import NameIndex
from stn_action.person.person_choices import AVA_SAMPLES, PEOPLE_FILE
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tracker import DetectedFrame, track_people
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError


def read_people(
    path: Path,
    kind: str,
    *,
    videos: Sequence[Video] | None = None,
    fps: float | None = None,
    tracker: str = "bytetrack",
    ava: dict[str, Any] | None = None,
) -> Iterator[VideoPeople]:
    """Read the boxes of a file or folder.

    Args:
        path: the file or folder.
        kind: one of `person_choices.READABLE`, but for that of samples.
        videos: their videos; None: not available.
        fps: frames per second of the videos, if the format needs it and `videos` is None.
        tracker: for detections without identity, a key of `person.tracker.TRACKERS`.
        ava: further arguments of `read_ava`: `size_hw`, `start_seconds`, `actions`, `excluded`.

    Raises:
        InputError: the format is unknown, the file is malformed, or the format needs to know more
            of the videos than is given.
    """
    match kind:
        case "sqlite":
            people: Iterable[VideoPeople] = PeopleFile(path)
        case "mot_det":
            people = [_tracked(path, fps, videos, tracker)]
        case "ava":
            given = dict(ava or {})
            size_hw, start = given.pop("size_hw", None), given.pop("start_seconds", 0.0)
            about = _about_video(videos, size_hw, fps, start)
            people = FORMATS["ava"].read(path, about, **given)
        case _:
            people = find_format(kind).read(path)
    return iter(people)


def read_boxes(
    path: Path,
    kind: str,
    videos: Sequence[Video] | None,
    failures: dict[str, str],
    **settings: Any,
) -> Iterator[VideoPeople]:
    """Read the boxes of a file or folder; where videos are given, only theirs: see `match_videos`.

    Args:
        path: see `read_people`.
        kind: see `read_people`.
        videos: their videos; None: not available.
        failures: see `match_videos`.
        settings: further arguments of `read_people`.

    Raises:
        InputError: as `read_people`, `match_videos` and `key_frame_people`.
    """
    if kind == AVA_SAMPLES:
        if videos is None:
            raise InputError(
                f"{path}: boxes in pixels need the films; give the data set with --videos CONFIG"
            )
        return key_frame_people(path, videos, failures)
    people = read_people(path, kind, videos=videos, **settings)
    return people if videos is None else match_videos(people, videos, path, failures)


def write_people(path: Path, kind: str, people: Iterable[VideoPeople], *, made_by: str) -> int:
    """Write boxes; they are added to an existing people file.

    Args:
        path: file or folder to write.
        kind: one of `person_choices.WRITABLE`.
        people: the boxes.
        made_by: their source, for a people file.

    Returns:
        The number of videos written.

    Raises:
        InputError: the format cannot be written, or not to this path.
    """
    people = iter(people)
    first = next(people, None)  # a mistake shows before a file is begun
    if first is None:
        raise InputError(f"{made_by}: it holds no video")
    people = chain([first], people)
    if kind == PEOPLE_FILE:
        return PeopleFile.create(path, made_by).add_all(people)
    counted = _Counted(people)
    write = find_format(kind, to_write=True).write
    assert write is not None
    write(path, counted)
    return counted.number


def match_videos(
    people: Iterable[VideoPeople],
    videos: Sequence[Video],
    source: object,
    failures: dict[str, str] | None = None,
) -> Iterator[VideoPeople]:
    """Yield the boxes of these videos, under the videos' names and with their lengths.

    A video that cannot be read, or is shorter than its boxes, is yielded without boxes.

    Args:
        people: the boxes.
        videos: the videos.
        source: of the boxes, for messages.
        failures: filled with the name of each such video, and the reason.

    Raises:
        InputError: no name matches, or there is such a reason for every video.
    """
    failures = {} if failures is None else failures
    index = NameIndex([video.name for video in videos], "the videos")
    by_name = {video.name: video for video in videos}
    number = matched = 0
    first = ""
    for one in people:
        number, first = number + 1, first or one.name
        name = index.find(one.name)
        if name is None:
            continue
        matched += 1
        try:
            yield _with_length(one, by_name[name])
        except VideoError as error:
            failures[name] = str(error)
            yield VideoPeople(name, (), source=one.source)
    if matched and len(failures) == matched:
        raise InputError(
            f"{source}: its boxes fit none of the {matched} videos; the first: "
            f"{next(iter(failures.values()))}"
        )
    if not matched:
        raise InputError(
            f"{source}: none of its {number} videos is among the {len(videos)} given; its first is "
            f"called {first!r}, theirs {videos[0].name!r}"
        )


class _Counted:
    """An iterable that counts the videos it yields."""

    def __init__(self, people: Iterable[VideoPeople]) -> None:
        self.people = people
        self.number = 0

    def __iter__(self) -> Iterator[VideoPeople]:
        for one in self.people:
            self.number += 1
            yield one


def _with_length(one: VideoPeople, video: Video) -> VideoPeople:
    with video.open() as reader:
        num_frames = len(reader)
        size_hw, fps = one.size_hw or reader.size_hw, reader.fps
    last = max((int(tube.frame_indices[-1]) for tube in one.tubes), default=0)
    if last >= num_frames:
        raise VideoError(
            f"{one.source or one.name}: its boxes reach to frame {last}, but {video.path} has "
            f"{num_frames} frames, numbered from 0"
        )
    return replace(one, name=video.name, num_frames=num_frames, size_hw=size_hw, fps=fps)


def _tracked(
    path: Path, fps: float | None, videos: Sequence[Video] | None, tracker: str
) -> VideoPeople:
    if fps is None and videos is not None and len(videos) == 1:
        with videos[0].open() as reader:
            fps = reader.fps
    if fps is None:
        raise InputError(f"{path}: tracking detections needs the frame rate; give it with --fps")
    found = read_mot_detections(path)
    steps = [later - frame for (frame, _), (later, _) in pairwise(found)]
    frames = (DetectedFrame(*one) for one in found)
    rate = fps / min(steps, default=1)
    tubes = track_people(frames, detections_per_second=rate, kind=tracker)
    name = path.parent.parent.name if path.parent.name == "det" else path.stem
    return VideoPeople(name, tubes, fps=fps, source=str(path))


def _about_video(
    videos: Sequence[Video] | None,
    size_hw: tuple[int, int] | None,
    fps: float | None,
    start_seconds: float,
) -> Callable[[str], AvaVideo]:
    """Return what AVA's csv lacks, from the videos themselves, or the same for all."""
    index = NameIndex([video.name for video in videos or ()], "the videos")
    by_name = {video.name: video for video in videos or ()}

    def about(name: str) -> AvaVideo:
        found = index.find(name)
        if found is not None:
            video = by_name[found]
            start = start_seconds + (video.start_seconds or 0)
            try:
                with video.open() as reader:
                    return AvaVideo(reader.size_hw, reader.fps, start, len(reader))
            except VideoError as error:
                if size_hw is None or fps is None:
                    raise InputError(
                        f"{error}; repair it, or give --size WIDTHxHEIGHT and --fps"
                    ) from error
        if size_hw is None or fps is None:
            raise InputError(
                f"{name}: AVA's csv has neither size nor frame rate of its videos; give the "
                "videos with --videos, or --size WIDTHxHEIGHT and --fps"
            )
        return AvaVideo(size_hw, fps, start_seconds)

    return about
