"""Re-encode one video for fast access to any clip: small frames, dense keyframes.

Frame i of the copy is frame i of the source, a file or a slice of one, shrunk, or cropped to its
people and shrunk. A point (x, y) of the source is at
((x - x0) * w / (x1 - x0), (y - y0) * h / (y1 - y0)) in the copy, with (x0, y0, x1, y1) the part of
the frame that is kept and (h, w) the size it is shrunk to.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from stn_action.checksum import checksum
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.geometry.boxes import clip_boxes, pad_boxes, union_box
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.container import packet_index
from stn_action.video.content import video_state
from stn_action.video.reader import VideoError, VideoReader
from stn_action.video.writer import write_video

PixelBox = tuple[int, int, int, int]
"""x0, y0, x1, y1, whole pixels of the source, inside its frame."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a re-encoding."""

    short_side: int = 256
    """Of the copy, pixels; smaller frames keep their size."""
    margin: float | None = None
    """Crop to the people, plus this share of their common box on each side; None: no crop."""
    crf: int = 18
    """Constant rate factor of H.264, 0 to 51: lower is better and larger."""
    gop: int = 16
    """Greatest distance between keyframes, frames."""

    def __post_init__(self) -> None:
        if self.short_side < 16 or self.short_side % 2:
            raise InputError(f"--short-side must be even and at least 16, got {self.short_side}")
        if self.margin is not None and self.margin < 0:
            raise InputError(f"--margin must not be negative, got {self.margin}")


@dataclass(frozen=True)
class PeopleExtent:
    """The common box of all people of a video, small enough to be sent to another process."""

    box: tuple[float, float, float, float]
    """The union of all boxes, xyxy, pixels."""
    size_hw: tuple[int, int] | None
    """Size of the frames that the boxes were made for; None: of the source's."""
    checksum: str | None
    """Of the file that the boxes were made for; None: unknown."""


@dataclass(frozen=True)
class ReencodedVideo:
    """A source and its copy."""

    source_bytes: int
    source_modified: int
    """When the source was changed last, nanoseconds since 1970."""
    source_checksum: str
    """Of the file, and the slice of it."""
    source_hw: tuple[int, int]
    """Size of the source's frames, pixels."""
    kept_xyxy: PixelBox
    """The part of them that the copy shows."""
    shrunk_hw: tuple[int, int]
    """The size it was shrunk to; the copy's frames may have one more row or column at the end."""
    frames: int
    fps: float
    bytes: int
    """Size of the copy."""
    checksum: str
    """Of the copy."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Size of the copy's frames, pixels: even numbers."""
        height, width = self.shrunk_hw
        return height + height % 2, width + width % 2


def people_extent(people: VideoPeople | None) -> PeopleExtent | None:
    """Return the common box of the people of a video; None if no person is known."""
    if people is None or not people.tubes:
        return None
    box = union_box(torch.cat([tube.boxes for tube in people.tubes]))
    x0, y0, x1, y1 = box.tolist()
    return PeopleExtent((x0, y0, x1, y1), people.size_hw, people.checksum)


def reencode_video(
    video: Video, target: Path, recipe: Recipe, people: PeopleExtent | None, *, scratch: Path
) -> ReencodedVideo:
    """Re-encode a video frame by frame; the copy appears under its name when it is complete.

    Args:
        video: the source.
        target: the file to write, `.mp4`.
        recipe: size, crop and quality.
        people: the box of its people; None: not known, or not needed.
        scratch: folder for the unfinished file, on the disk of `target`.

    Raises:
        InputError: the source cannot be read or encoded, or the boxes do not belong to it.
        WriteError: the copy cannot be written.
    """
    digest = _source_checksum(video, people)
    state = video_state(video.path)
    unfinished = scratch / f"{os.getpid()}.mp4"
    try:
        with video.open() as reader:
            kept = kept_box(video, reader.size_hw, recipe, people)
            shrunk_hw = shrunk_size(kept, recipe.short_side)
            frames = _Counted(_kept_frames(reader, kept, shrunk_hw))
            write_video(
                unfinished, frames, fps=reader.fps, crf=recipe.crf, gop=recipe.gop,
                fast_decode=True,
            )  # fmt: skip
            _require_complete(unfinished, frames.number)
            copy = ReencodedVideo(
                state.bytes, state.modified, digest, reader.size_hw, kept, shrunk_hw,
                frames.number, reader.fps, unfinished.stat().st_size, checksum(unfinished),
            )  # fmt: skip
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(target)
    except VideoError as error:  # that of the encoder names the copy
        raise VideoError(str(error).replace(str(unfinished), str(video.path))) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return copy


def kept_box(
    video: Video, size_hw: tuple[int, int], recipe: Recipe, people: PeopleExtent | None
) -> PixelBox:
    """Return the part of the frame that is kept: the people and a margin, sides of even length.

    Raises:
        InputError: the boxes do not fit the frame.
    """
    height, width = size_hw
    if recipe.margin is None or people is None:
        return 0, 0, width, height
    tube = Tube(torch.zeros(1).long(), torch.tensor([people.box]).float(), torch.ones(1))
    (tube,) = VideoPeople(video.name, (tube,), people.size_hw).tubes_in(size_hw)
    x0, y0, x1, y1 = clip_boxes(pad_boxes(tube.boxes, recipe.margin), size_hw)[0].tolist()
    left, right = _even_interval(x0, x1, width)
    upper, lower = _even_interval(y0, y1, height)
    return left, upper, right, lower


def shrunk_size(kept: PixelBox, short_side: int) -> tuple[int, int]:
    """Return height and width of a box after its shorter side is shrunk to `short_side`.

    >>> shrunk_size((0, 0, 1920, 1080), 256)
    (256, 456)
    >>> shrunk_size((0, 0, 301, 200), 256)
    (200, 301)
    """
    width, height = kept[2] - kept[0], kept[3] - kept[1]
    scale = short_side / min(height, width)
    if scale >= 1:
        return height, width
    return 2 * round(height * scale / 2), 2 * round(width * scale / 2)


def people_in_copy(people: VideoPeople, copy: ReencodedVideo) -> VideoPeople:
    """Return the boxes of a video in the pixels of its copy.

    Raises:
        InputError: the boxes do not fit the source's frames.
    """
    x0, y0, x1, y1 = copy.kept_xyxy
    height, width = copy.shrunk_hw
    scale = torch.tensor([width / (x1 - x0), height / (y1 - y0)]).repeat(2)
    corner = torch.tensor([x0, y0, x0, y0])
    tubes = [
        Tube(
            tube.frame_indices,
            clip_boxes((tube.boxes - corner) * scale, copy.shrunk_hw),
            tube.scores,
        )
        for tube in people.tubes_in(copy.source_hw)
    ]
    return VideoPeople(
        people.name, tuple(tubes), copy.size_hw, copy.frames, copy.fps, copy.checksum,
        people.labels,
    )  # fmt: skip


class _Counted:
    """An iterable that counts the items it yields."""

    def __init__(self, frames: Iterator[np.ndarray]) -> None:
        self.number = 0
        self._frames = frames

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self._frames:
            self.number += 1
            yield frame


def _kept_frames(
    reader: VideoReader, kept: PixelBox, shrunk_hw: tuple[int, int]
) -> Iterator[np.ndarray]:
    x0, y0, x1, y1 = kept
    for _, frame, _ in reader.stream():
        part = np.ascontiguousarray(frame[y0:y1, x0:x1])
        if part.shape[:2] != shrunk_hw:
            part = cv2.resize(part, shrunk_hw[::-1], interpolation=cv2.INTER_AREA)
        yield part


def _source_checksum(video: Video, people: PeopleExtent | None) -> str:
    try:
        digest = video.checksum()
    except OSError as error:
        raise InputError(f"{video.path}: cannot be read ({error.strerror})") from error
    if people is not None and people.checksum not in (None, digest):
        raise InputError(
            f"{video.path}: the file has changed since people were detected in it; run "
            "`python tools/detect_people.py` again"
        )
    return digest


def _require_complete(path: Path, frames: int) -> None:
    """Check that a file lacks no frames, which a full disk may cause without an error."""
    index = packet_index(path)
    found = 0 if index is None else len(index.display_pts)
    if found != frames:
        raise OSError(None, f"holds {found} of {frames} frames after it was written", str(path))


def _even_interval(low: float, high: float, limit: int) -> tuple[int, int]:
    """Return whole numbers an even distance apart that cover low to high, within 0 and `limit`.

    The distance is odd if only all of 0 to an odd `limit` covers them.
    """
    start, end = math.floor(low), math.ceil(high)
    if (end - start) % 2 and end < limit:
        end += 1
    elif (end - start) % 2 and start > 0:
        start -= 1
    return start, end
