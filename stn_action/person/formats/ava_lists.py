"""The files of AVA and AVA-Kinetics: boxes with actions, names of actions, excluded timestamps.

Convention: a line is `video_id,timestamp,x1,y1,x2,y2,action_id,person_id`, without a header. The
timestamp is in seconds of the full film (AVA: 902 to 1798, once a second), the corners are shares
of width and height, and a person has one line per action. A line that ends after the timestamp, or
whose other cells are empty, means that no person is present (AVA-Kinetics).

Detected boxes, as SlowFast and others publish them, are lines
`video_id,timestamp,x1,y1,x2,y2,action_id,score`: the action is empty or -1, or a box has one line
for each of several. The columns are those that SlowFast's `ava_helper.py` reads; no such file was
at hand.

Letters: M lines with a person, D lines of detections.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError
from stn_action.person.formats.box_collector import check_corners, parse_integer, parse_number
from stn_action.person.formats.text_files import csv_rows, read_text

MAX_LIST_BYTES = 2**18
"""Of a list of actions: AVA's has five thousand."""
OUTSIDE = 0.01
"""Corners may be outside the image by this share; more means a box in pixels."""
_ENTRY = re.compile(r"(\w+)\s*\{([^{}]*)\}\s*")
_FIELD = re.compile(r'(\w+)\s*:\s*("(?:[^"\\]|\\.)*"|\w+)\s*')


class AvaLine(NamedTuple):
    """A line of a list of boxes."""

    video: str
    """Id of the video."""
    seconds: float
    """The timestamp, in the full film."""
    box: tuple[float, float, float, float] | None
    """Corners (x1, y1, x2, y2), shares of width and height; None: no person is present, and the
    other fields are 0."""
    action: int
    person: int


@dataclass(frozen=True, eq=False)
class AvaColumns:
    """The lines with a person of a list of boxes, by column."""

    videos: list[str]
    """M ids of videos."""
    seconds: np.ndarray
    """(M,) float64, timestamps in the full film."""
    boxes: np.ndarray
    """(M, 4) float64, corners as in `AvaLine.box`."""
    actions: np.ndarray
    """(M,) int64."""
    persons: np.ndarray
    """(M,) int64."""


@dataclass(frozen=True, eq=False)
class AvaDetections:
    """The lines of a list of detected boxes, by column."""

    videos: list[str]
    """D ids of videos."""
    seconds: np.ndarray
    """(D,) float64, timestamps in the full film."""
    boxes: np.ndarray
    """(D, 4) float64, corners as in `AvaLine.box`."""
    scores: np.ndarray
    """(D,) float64, confidence of the detector, from 0 to 1."""


def read_ava_lines(path: str | Path) -> Iterator[tuple[str, AvaLine]]:
    """Yield `<file>, line <n>` and the content of every line of `ava_train_v2.2.csv` or alike.

    Raises:
        InputError: the file has no line, or one is malformed or its box not in shares of the image.
    """
    is_empty = True
    for where, cells in csv_rows(path):
        is_empty = False
        yield where, _parse_line(where, cells)
    if is_empty:
        raise InputError(f"{path}: the file has no lines; was it truncated?")


def read_ava_columns(path: str | Path) -> AvaColumns:
    """Read a list of boxes at once: AVA's has a million lines.

    Raises:
        InputError: as `read_ava_lines`.
    """
    text = read_text(path)
    lines = [line for line in text.splitlines() if line.strip()]
    videos = [line.partition(",")[0].strip() for line in lines]
    numbers = None
    if lines and '"' not in text and all(line.count(",") == 7 for line in lines):
        try:
            numbers = np.loadtxt(
                lines, delimiter=",", usecols=range(1, 8), comments=None, ndmin=2
            )  # fmt: skip
        except ValueError:  # a line without a person, or something else that is no number
            numbers = None
    if numbers is None or not all(videos) or not _is_valid(numbers):
        videos, numbers = _read_by_line(path)
    return AvaColumns(
        videos, numbers[:, 0], numbers[:, 1:5], *numbers[:, 5:].astype(np.int64).T
    )  # fmt: skip


def read_ava_detections(path: str | Path) -> AvaDetections:
    """Read `ava_detection_val_boxes_and_labels.csv` or alike; the actions in it are passed over.

    Raises:
        InputError: the file has no line, or one is malformed, its box not in shares of the image or
            its score not from 0 to 1.
    """
    videos, numbers = [], []
    for where, cells in csv_rows(path):
        if len(cells) != 8 or not cells[0]:
            raise InputError(
                f"{where}: eight cells video_id,timestamp,x1,y1,x2,y2,action_id,score expected, "
                f"got {len(cells)}"
            )
        score = parse_number(cells[7], where, "the score")
        if not 0 <= score <= 1:
            raise InputError(
                f"{where}: the score must be from 0 to 1, got {score:g}; is this the list of "
                "annotated persons, whose last column is the number of the person?"
            )
        videos.append(cells[0])
        second = parse_number(cells[1], where, "the timestamp")
        numbers.append((second, *_parse_shares(cells[2:6], where), score))
    if not videos:
        raise InputError(f"{path}: the file has no lines; was it truncated?")
    columns = np.array(numbers, dtype=np.float64)
    return AvaDetections(videos, columns[:, 0], columns[:, 1:5], columns[:, 5])


def read_ava_actions(path: str | Path) -> dict[int, str]:
    """Read `ava_action_list_v2.2.pbtxt` or its subset `..._for_activitynet_2019.pbtxt`.

    Returns:
        Names by id, in the order of the file. Ids of the subset have gaps.

    Raises:
        InputError: the file is malformed, or an id or a name is duplicated.
    """
    text = read_text_file(path, max_bytes=MAX_LIST_BYTES, what="list of actions")
    actions: dict[int, str] = {}
    place = len(text) - len(text.lstrip())
    while place < len(text):
        where = f"{path}, line {text.count(chr(10), 0, place) + 1}"
        entry = _ENTRY.match(text, place)
        if entry is None or entry[1] not in ("label", "item"):
            raise InputError(f"{where}: expected an entry label {{ name: ... label_id: ... }}")
        key, name = _parse_action(entry[2], where)
        if key in actions or name in actions.values():
            raise InputError(f"{where}: the action {key} or the name {name!r} is duplicated")
        actions[key] = name
        place = entry.end()
    if not actions:
        raise InputError(f"{path}: the file has no action")
    return actions


def read_ava_excluded(path: str | Path) -> set[tuple[str, float]]:
    """Read `ava_*_excluded_timestamps_v2.2.csv`: videos and seconds, without a header.

    Raises:
        InputError: the file is malformed. An empty file is valid: nothing is excluded.
    """
    excluded = set()
    for where, cells in csv_rows(path):
        if len(cells) != 2 or not cells[0]:
            raise InputError(f"{where}: two cells video_id,timestamp expected, got {len(cells)}")
        excluded.add((cells[0], parse_number(cells[1], where, "the timestamp")))
    return excluded


def timestamp_text(seconds: float) -> str:
    """Return a timestamp as AVA writes it.

    >>> timestamp_text(902)
    '0902'
    """
    return f"{seconds:.15g}".zfill(4)


def _parse_line(where: str, cells: list[str]) -> AvaLine:
    if len(cells) not in (2, 8) or not cells[0]:
        raise InputError(
            f"{where}: eight cells video_id,timestamp,x1,y1,x2,y2,action_id,person_id "
            f"expected, or two if no person is present, got {len(cells)}"
        )
    seconds = parse_number(cells[1], where, "the timestamp")
    if not any(cells[2:]):
        return AvaLine(cells[0], seconds, None, 0, 0)
    return AvaLine(
        cells[0], seconds, _parse_shares(cells[2:6], where),
        parse_integer(cells[6], where, "action_id", first=1),
        parse_integer(cells[7], where, "person_id"),
    )  # fmt: skip


def _parse_shares(cells: list[str], where: str) -> tuple[float, float, float, float]:
    corners = check_corners([parse_number(cell, where, "every corner") for cell in cells], where)
    if min(corners) < -OUTSIDE or max(corners) > 1 + OUTSIDE:
        raise InputError(
            f"{where}: corners must be shares of the image from 0 to 1, got "
            f"({', '.join(cells)}); boxes in pixels must be divided by its size"
        )
    return corners


def _is_valid(numbers: np.ndarray) -> bool:
    """Return whether `_parse_line` takes all lines (M, 7), which it would do one by one."""
    corners, ids = numbers[:, 1:5], numbers[:, 5:]
    return bool(
        np.isfinite(numbers).all()
        and (corners[:, :2] < corners[:, 2:]).all()
        and corners.min() >= -OUTSIDE
        and corners.max() <= 1 + OUTSIDE
        and (ids == ids.round()).all()
        and (ids >= (1, 0)).all()
        and ids.max() < 2**53
    )


def _read_by_line(path: str | Path) -> tuple[list[str], np.ndarray]:
    """Return the videos and the numbers (M, 7) of the lines with a person."""
    lines = [line for _, line in read_ava_lines(path) if line.box is not None]
    rows = [(line.seconds, *(line.box or ()), line.action, line.person) for line in lines]
    return [line.video for line in lines], np.array(rows, dtype=np.float64).reshape(-1, 7)


def _parse_action(body: str, where: str) -> tuple[int, str]:
    body = body.strip()
    fields = dict(_FIELD.findall(body))
    name, key = fields.get("name", ""), fields.get("label_id", fields.get("id"))
    if _FIELD.sub("", body) or len(name) < 3 or not name.startswith('"') or key is None:
        raise InputError(f"{where}: an entry needs a name in quotes and a label_id or id")
    return parse_integer(key, where, "label_id", first=1), name[1:-1].replace('\\"', '"')
