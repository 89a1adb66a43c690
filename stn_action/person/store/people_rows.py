"""Rows of a people file: packed, and checked when they are read, of whatever origin.

SQLite stores any type in any column, so nothing about a row is taken for granted.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stn_action.person.tube import MAX_FRAMES, Tube
from stn_action.person.video_people import MAX_SIDE, VideoPeople

MAX_COORDINATE = 1e7
"""Pixels; the boxes of a frame are near it."""


def pack_tube(tube: Tube) -> tuple[bytes, bytes, bytes]:
    """Pack frames, boxes and scores as bytes: little-endian int32 and float32."""
    return (
        tube.frame_indices.numpy().astype("<i4").tobytes(),
        tube.boxes.numpy().astype("<f4").tobytes(),
        tube.scores.numpy().astype("<f4").tobytes(),
    )


def unpack_tube(frames: Any, boxes: Any, scores: Any) -> Tube:
    """Unpack a tube: the inverse of `pack_tube`.

    Raises:
        ValueError: a column is of another type or length, frames do not increase from 0 or are
            beyond all videos, or a number is not finite.
    """
    frame_indices = torch.from_numpy(_unpacked(frames, "<i4", "frames").astype(np.int64))
    corners = _unpacked(boxes, "<f4", "boxes")
    if len(corners) % 4:
        raise ValueError(f"boxes must have four corners each, got {len(corners)} numbers")
    tube = Tube(
        frame_indices,
        torch.from_numpy(corners.astype(np.float32).reshape(-1, 4)),
        torch.from_numpy(_unpacked(scores, "<f4", "scores").astype(np.float32)),
    )
    if not 0 <= int(frame_indices[0]) <= int(frame_indices[-1]) < MAX_FRAMES:
        raise ValueError(f"frames must be from 0 to {MAX_FRAMES}")
    if not bool((tube.boxes.abs() <= MAX_COORDINATE).all() and _finite(tube.scores)):
        raise ValueError("boxes and scores must be finite numbers, corners in pixels")
    return tube


def video_of_rows(
    name: str, about: Sequence[Any], tubes: Sequence[Sequence[Any]], source: str
) -> VideoPeople:
    """Build the people of a video from its rows.

    Args:
        name: of the video.
        about: height, width, number of frames, frames per second, checksum.
        tubes: label, frames, boxes and scores of each person.
        source: file and position in it, for messages.

    Raises:
        ValueError: a column holds something else.
    """
    height, width, num_frames, fps, digest = about
    size_hw: tuple[int, int] | None = None
    if (height, width) != (None, None):
        _require(_is_whole(height, 1, MAX_SIDE), "height", height)
        _require(_is_whole(width, 1, MAX_SIDE), "width", width)
        size_hw = (height, width)
    _require(num_frames is None or _is_whole(num_frames, 0, MAX_FRAMES), "num_frames", num_frames)
    _require(fps is None or _is_rate(fps), "fps", fps)
    _require(digest is None or isinstance(digest, str), "checksum", digest)
    labels = tuple(row[0] for row in tubes)
    for label in labels:
        _require(label is None or isinstance(label, str), "label", label)
    known = labels if any(label is not None for label in labels) else ()
    return VideoPeople(
        name, tuple(unpack_tube(*row[1:]) for row in tubes),
        size_hw, num_frames, fps, digest, known, source,
    )  # fmt: skip


def _unpacked(content: Any, kind: str, what: str) -> np.ndarray:
    if not isinstance(content, bytes):
        raise ValueError(f"{what} must be bytes, got {type(content).__name__}")
    size = np.dtype(kind).itemsize
    if len(content) % size:
        raise ValueError(f"{what} must be numbers of {size} bytes, got {len(content)} bytes")
    return np.frombuffer(content, kind)


def _require(holds: bool, column: str, value: Any) -> None:
    if not holds:
        shown = value if isinstance(value, int | float) else type(value).__name__
        raise ValueError(f"the column {column} holds {shown}")


def _is_whole(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def _finite(values: Tensor) -> bool:
    return bool(values.isfinite().all())
