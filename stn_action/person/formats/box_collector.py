"""Checks of all readers of box files: frame indices, boxes, one box per person and frame.

`where` is the start of an error message: the file and its line or key.
"""

import math
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from stn_action.errors import InputError
from stn_action.geometry.boxes import box_sizes
from stn_action.person.tube import MAX_FRAMES, Tube
from stn_action.person.video_people import MAX_SIDE, VideoPeople

MAX_RATE = 10**6
Number = TypeVar("Number", int, float)


class BoxCollector:
    """The boxes of one video while its file is read, person by person."""

    def __init__(self, source: str | Path):
        self._source = source
        self._boxes: dict[Hashable, dict[int, tuple[float, ...]]] = {}
        self._labels: dict[Hashable, str | None] = {}

    def add(
        self,
        person: Hashable,
        frame: int,
        box: Sequence[float],
        *,
        score: float = 1.0,
        label: str | None = None,
        where: str,
    ) -> None:
        """Add one box.

        Args:
            person: id of the person, unique in the video.
            frame: counted from 0.
            box: xyxy, pixel edges.
            score: confidence.
            label: action of the person in the video; the same for all boxes of a person.
            where: start of a message.

        Raises:
            InputError: the person already has a box in this frame, or another label.
        """
        boxes = self._boxes.setdefault(person, {})
        if frame in boxes:
            raise InputError(
                f"{where}: person {person} has a second box in frame {frame} (counted from 0); "
                "one person has one box per frame"
            )
        if boxes and label != self._labels[person]:
            raise InputError(
                f"{where}: person {person} is labeled {label!r} here and "
                f"{self._labels[person]!r} before; give persons of two labels two numbers"
            )
        self._labels[person] = label
        boxes[frame] = (*box, score)

    def people(
        self,
        name: str,
        *,
        size_hw: tuple[int, int] | None = None,
        num_frames: int | None = None,
        fps: float | None = None,
        sort_persons: bool = False,
    ) -> VideoPeople:
        """Build the people of the video, in order of appearance in the file or of their ids.

        Raises:
            InputError: a box is too large or too thin for float32.
        """
        persons = list(self._boxes)
        if sort_persons:
            persons.sort()  # pyright: ignore[reportCallIssue]
        labels = tuple(self._labels[person] for person in persons)
        return VideoPeople(
            name,
            tuple(self._tube(person) for person in persons),
            size_hw=size_hw,
            num_frames=num_frames,
            fps=fps,
            labels=labels if any(label is not None for label in labels) else (),
        )

    def _tube(self, person: Hashable) -> Tube:
        frames, rows = zip(*sorted(self._boxes[person].items()), strict=True)
        table = torch.tensor(rows, dtype=torch.float64).float()
        boxes = table[:, :4].contiguous()
        wrong = (box_sizes(boxes) <= 0).any(dim=1) | ~table.isfinite().all(dim=1)
        if wrong.any():
            worst = int(wrong.nonzero()[0])
            raise InputError(
                f"{self._source}: the box {rows[worst][:4]} of person {person} in frame "
                f"{frames[worst]} is too large or too thin for a box in pixels"
            )
        return Tube(torch.tensor(frames), boxes, table[:, 4].contiguous())


def parse_number(value: object, where: str, what: str) -> float:
    """Parse a finite number from the text of a cell or a value of a JSON file.

    Raises:
        InputError: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"{where}: {what} must be a number, got {_shown(value)}")
    try:
        result = float(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {what} must be a number, got {_shown(value)}") from error
    if not math.isfinite(result):
        raise InputError(f"{where}: {what} must be finite, got {_shown(value)}")
    return result


def parse_integer(value: object, where: str, what: str, *, first: int = 0) -> int:
    """Parse an integer of at least `first`.

    Raises:
        InputError: it is not one.
    """
    result = parse_number(value, where, what)
    if result != int(result) or not first <= result < 2**53:
        raise InputError(f"{where}: {what} must be an integer from {first}, got {_shown(value)}")
    return int(result)


def parse_frame_index(
    value: object, where: str, *, first: int, num_frames: int | None = None
) -> int:
    """Parse a frame number and convert it to an index from 0.

    Args:
        value: the number in the file.
        where: start of a message.
        first: number of the first frame in this format, 0 or 1.
        num_frames: frames of the video; None: unknown.

    Raises:
        InputError: it is not a frame number, or is beyond the video.
    """
    index = parse_integer(value, where, "frame", first=first) - first
    if num_frames is not None and index >= num_frames:
        raise InputError(
            f"{where}: frame {index + first} is beyond the video, whose {num_frames} frames are "
            f"{first} to {num_frames - 1 + first}; are these boxes of another video?"
        )
    if index >= MAX_FRAMES:
        raise InputError(f"{where}: frame {index + first} is beyond all videos ({MAX_FRAMES})")
    return index


def parse_length(value: object, where: str, what: str) -> int:
    """Parse the number of frames of a video.

    Raises:
        InputError: it is not one, or more than any video has.
    """
    return _at_most(MAX_FRAMES, parse_integer(value, where, what, first=1), where, what, "frames")


def parse_side(value: object, where: str, what: str) -> int:
    """Parse the height or width of a frame in pixels.

    Raises:
        InputError: it is not one, or more than any frame has.
    """
    return _at_most(MAX_SIDE, parse_integer(value, where, what, first=1), where, what, "pixels")


def parse_rate(value: object, where: str, what: str) -> float:
    """Parse frames per second.

    Raises:
        InputError: it is not above 0, or more than any camera has.
    """
    rate = parse_number(value, where, what)
    if rate <= 0:
        raise InputError(f"{where}: it must be above 0, got {rate:g}")
    return _at_most(MAX_RATE, rate, where, what, "frames per second")


def check_corners(corners: Sequence[float], where: str) -> tuple[float, float, float, float]:
    """Return (x0, y0, x1, y1) if they are in order.

    Raises:
        InputError: x0 < x1 and y0 < y1 does not hold.
    """
    x0, y0, x1, y1 = corners
    if x1 <= x0 or y1 <= y0:
        raise InputError(
            f"{where}: x0 < x1 and y0 < y1 must hold, got ({x0:g}, {y0:g}, {x1:g}, {y1:g}); "
            "corners are top left and bottom right, not center or width and height"
        )
    return x0, y0, x1, y1


def corners_from_xywh(xywh: Sequence[float], where: str) -> tuple[float, float, float, float]:
    """Convert left, top, width and height to corners.

    Raises:
        InputError: width or height is not above 0.
    """
    x, y, width, height = xywh
    if width <= 0 or height <= 0:
        raise InputError(f"{where}: width and height must be above 0, got {width:g} and {height:g}")
    return x, y, x + width, y + height


def _at_most(limit: int, value: Number, where: str, what: str, unit: str) -> Number:
    if value > limit:
        raise InputError(f"{where}: {what} must be at most {limit} {unit}, got {value:g}")
    return value


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, (list, dict)) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
