"""MOTChallenge: `gt/gt.txt`, `det/det.txt` and results of trackers, with `seqinfo.ini`.

Convention (motchallenge.net/instructions: "All frame numbers, target IDs and bounding boxes are
1-based"): a line is `frame,id,bb_left,bb_top,bb_width,bb_height,conf` and up to three more cells.
The left-most pixel has bb_left 1, so pixel edges are x0 = bb_left - 1 and x1 = x0 + bb_width. Nine
cells end in class and visibility (MOT16 and later), ten in world coordinates or -1.
"""

import configparser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detections
from stn_action.person.formats.box_collector import (
    BoxCollector,
    corners_from_xywh,
    parse_frame_index,
    parse_integer,
    parse_length,
    parse_number,
    parse_rate,
    parse_side,
)
from stn_action.person.formats.text_files import (
    csv_rows,
    format_float32,
    path_below,
    read_text,
    write_text,
)
from stn_action.person.video_people import VideoPeople

PERSON_CLASSES = (1, 2, 7)
"""Pedestrian, person on a vehicle, static person."""
T = TypeVar("T")
MAX_EMPTY_FRAMES = 100_000
"""After the last detection; as many are tracked in vain."""
NOT_GIVEN = -1
"""A confidence that was not given; it is read as 1."""


class _Row(NamedTuple):
    where: str
    frame: int
    person: int
    box: tuple[float, float, float, float]
    score: float


class _Sequence(NamedTuple):
    """The contents of `seqinfo.ini`."""

    size_hw: tuple[int, int] | None = None
    num_frames: int | None = None
    fps: float | None = None
    is_empty: bool = False


def read_mot(path: str | Path) -> Iterator[VideoPeople]:
    """Read the persons of one file or of every `<video>/gt/gt.txt` below a folder.

    A person is an id; tubes are in the order of their ids. Scores are the confidences, which
    ground truth uses as a flag: 0 is a person that the benchmark ignores. Of nine cells only
    the classes of persons are read. `seqinfo.ini` in the folder of the video is used.

    Args:
        path: `gt.txt`, results of a tracker (`<video>.txt`), or a folder of videos.

    Raises:
        InputError: a file is malformed, rows have no id, or there is nothing to read.
    """
    path = Path(path)
    if not path.is_dir():
        name = path.parent.parent.name if path.parent.name == "gt" else path.stem
        yield _read_video(path, name)
        return
    files = sorted(path.rglob("gt/gt.txt"))
    if not files:
        raise InputError(f"{path}: no <video>/gt/gt.txt below it")
    for file in files:
        name = file.parent.parent.relative_to(path).as_posix()
        yield _read_video(file, path.resolve().name if name == "." else name)


def read_mot_detections(path: str | Path) -> list[tuple[int, Detections]]:
    """Read detections without identity, as input of `track_people`, without images.

    Args:
        path: `det.txt`; ids are ignored.

    Returns:
        Frame, counted from 0, and its detections, best first: every frame from the first of the
        video to the last (without a `seqinfo.ini`: to the last that has a detection).

    Raises:
        InputError: the file is malformed, or ends long before the video.
    """
    sequence = _sequence(Path(path))
    found: dict[int, list[_Row]] = {}
    for row in _rows(Path(path), sequence):
        found.setdefault(row.frame, []).append(row)
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0))
    count = max(found, default=-1) + 1
    if (length := sequence.num_frames) is not None:
        if length > count + MAX_EMPTY_FRAMES:
            raise InputError(
                f"{path}: its last detection is in frame {count} of {length}, the seqLength in "
                "seqinfo.ini; is that of another video?"
            )
        count = length
    return [
        (frame, _detections(found[frame]) if frame in found else nothing) for frame in range(count)
    ]


def write_mot(path: str | Path, people: Iterable[VideoPeople]) -> None:
    """Write `<video>/gt/gt.txt` and `<video>/seqinfo.ini` of every video below a folder.

    Persons get the ids 1, 2, ... in their order; labels are not kept. For a video without a person
    `seqinfo.ini` has `people=0`.

    Raises:
        InputError: a video's name cannot be a folder.
    """
    for video in people:
        folder = path_below(path, video.name)
        lines = []
        for person, tube in enumerate(video.tubes, start=1):
            for frame, box, score in zip(
                tube.frame_indices.tolist(), tube.boxes.tolist(), tube.scores.tolist(), strict=True
            ):
                x0, y0, x1, y1 = box
                cells = map(format_float32, (x0 + 1, y0 + 1, x1 - x0, y1 - y0, score))
                lines.append((frame, person, f"{frame + 1},{person},{','.join(cells)},-1,-1,-1\n"))
        write_text(folder / "gt/gt.txt", "".join(line for _, _, line in sorted(lines)))
        write_text(folder / "seqinfo.ini", _sequence_text(video))


def _read_video(path: Path, name: str) -> VideoPeople:
    sequence = _sequence(path)
    gathered = BoxCollector(path)
    for row in _rows(path, sequence):
        if row.person < 0:
            raise InputError(
                f"{row.where}: the id is {row.person}, so this is a file of detections, not of "
                "persons; read it with `read_mot_detections` and track them"
            )
        gathered.add(row.person, row.frame, row.box, score=row.score, where=row.where)
    return gathered.people(
        name,
        size_hw=sequence.size_hw,
        num_frames=sequence.num_frames,
        fps=sequence.fps,
        sort_persons=True,
    )


def _rows(path: Path, sequence: _Sequence) -> Iterator[_Row]:
    """Yield the row of every person in the file."""
    is_empty = True
    for where, cells in csv_rows(path):
        is_empty = False
        if cells[-1] == "":
            cells.pop()
        if not 7 <= len(cells) <= 10:
            raise InputError(
                f"{where}: there must be 7 to 10 cells, frame,id,bb_left,bb_top,bb_width,"
                f"bb_height,conf[,class,visibility], got {len(cells)}"
            )
        frame = parse_frame_index(cells[0], where, first=1, num_frames=sequence.num_frames)
        person = parse_integer(cells[1], where, "id", first=-1)
        values = [parse_number(cell, where, "every cell") for cell in cells[2:]]
        x0, y0, x1, y1 = corners_from_xywh(values[:4], where)
        score = 1.0 if values[4] == NOT_GIVEN else values[4]
        if len(cells) != 9 or values[5] in PERSON_CLASSES:
            yield _Row(where, frame, person, (x0 - 1, y0 - 1, x1 - 1, y1 - 1), score)
    if is_empty and not sequence.is_empty:
        raise InputError(f"{path}: the file has no boxes; was it truncated?")


def _detections(rows: list[_Row]) -> Detections:
    rows = sorted(rows, key=lambda row: -row.score)
    boxes = torch.tensor([row.box for row in rows], dtype=torch.float64).float()
    return Detections(boxes, torch.tensor([row.score for row in rows]))


def _sequence(path: Path) -> _Sequence:
    folder = path.parent.parent if path.parent.name in ("gt", "det") else path.parent
    ini = folder / "seqinfo.ini"
    if not ini.is_file():
        return _Sequence()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(ini), source=str(ini))
        known = parser["Sequence"]
    except (configparser.Error, KeyError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{ini}: a section [Sequence] of key=value is expected: {what}") from error

    def known_by(parse: Callable[[object, str, str], T], key: str) -> T | None:
        return parse(known[key], f"{ini}, {key}", key) if key in known else None

    height, width = known_by(parse_side, "imHeight"), known_by(parse_side, "imWidth")
    return _Sequence(
        None if height is None or width is None else (height, width),
        known_by(parse_length, "seqLength"),
        known_by(parse_rate, "frameRate"),
        known.get("people") == "0",
    )


def _sequence_text(video: VideoPeople) -> str:
    known: dict[str, object] = {"name": video.name}
    if video.fps is not None:
        known["frameRate"] = f"{video.fps:.17g}"
    if video.num_frames is not None:
        known["seqLength"] = video.num_frames
    if video.size_hw is not None:
        known["imHeight"], known["imWidth"] = video.size_hw
    if not video.tubes:
        known["people"] = 0
    return "[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in known.items())
