"""Re-encode one video so that any clip of it is reached quickly: small, with dense keyframes.

Frame i of the result is frame i of the source, shrunk, or cut to its people and shrunk. A point
(x, y) of the source lies at ((x - x0) * w / (x1 - x0), (y - y0) * h / (y1 - y0)) in the result,
(x0, y0, x1, y1) being the region that was kept and (h, w) the size that it was shrunk to.
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
from stn_action.data.listing import Video
from stn_action.errors import InputError
from stn_action.geometry.boxes import clip_boxes, pad_boxes, union_box
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.backend_table import open_video
from stn_action.video.container import packet_index
from stn_action.video.reader import VideoReader
from stn_action.video.writer import write_video

Region = tuple[int, int, int, int]
"""x0, y0, x1, y1, whole pixels of the source, inside its picture."""


@dataclass(frozen=True)
class Recipe:
    """How videos are prepared."""

    short_side: int = 256
    """Of the result, pixels; a picture that is smaller stays as it is."""
    margin: float | None = None
    """Cut out the people, and this share of their common box on each side; None: all is kept."""
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
class Whereabouts:
    """Where all people of a video are, small enough to be sent to another process."""

    box: tuple[float, float, float, float]
    """The union of all boxes, xyxy, pixels."""
    size_hw: tuple[int, int] | None
    """Of the picture that the box lies in; None: of the source."""
    checksum: str | None
    """Of the file that was looked at; None: unknown."""


@dataclass(frozen=True)
class Prepared:
    """A video that has been re-encoded."""

    source_bytes: int
    source_modified: int
    """When the source was changed last, nanoseconds since 1970."""
    source_checksum: str
    source_hw: tuple[int, int]
    """Size of the source's picture, pixels."""
    region: Region
    """The part of it that was kept."""
    shrunk_hw: tuple[int, int]
    """The size it was shrunk to; the file's pictures may have one more row or column at the end."""
    frames: int
    fps: float
    bytes: int
    """Size of the new file."""
    checksum: str
    """Of the new file."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Size of the new file's pictures, pixels: even numbers."""
        height, width = self.shrunk_hw
        return height + height % 2, width + width % 2


def whereabouts(people: VideoPeople | None) -> Whereabouts | None:
    """Where the people of a video are; None where nobody is known."""
    if people is None or not people.tubes:
        return None
    box = union_box(torch.cat([tube.boxes for tube in people.tubes]))
    x0, y0, x1, y1 = box.tolist()
    return Whereabouts((x0, y0, x1, y1), people.size_hw, people.checksum)


def prepare_video(
    video: Video, target: Path, recipe: Recipe, people: Whereabouts | None, *, scratch: Path
) -> Prepared:
    """Re-encode a video, one frame at a time; the result appears under its name when it is whole.

    Args:
        video: the source.
        target: the file to write, `.mp4`.
        recipe: how.
        people: where its people are; None: nobody is known, or it does not matter.
        scratch: folder for the unfinished file, on the disk of `target`.

    Raises:
        InputError: the source cannot be read, or the boxes do not belong to it.
        OSError: the result cannot be written.
    """
    digest = _source_checksum(video, people)
    status = video.path.stat()
    unfinished = scratch / f"{os.getpid()}.mp4"
    try:
        with open_video(video.path) as reader:
            region = kept_region(video, reader.size_hw, recipe, people)
            shrunk_hw = shrunk_size(region, recipe.short_side)
            pictures = _Counted(_pictures(reader, region, shrunk_hw))
            write_video(
                unfinished, pictures, fps=reader.fps, crf=recipe.crf, gop=recipe.gop,
                fast_decode=True,
            )  # fmt: skip
            _require_whole(unfinished, pictures.number)
            prepared = Prepared(
                status.st_size, status.st_mtime_ns, digest, reader.size_hw, region, shrunk_hw,
                pictures.number, reader.fps, unfinished.stat().st_size, checksum(unfinished),
            )  # fmt: skip
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return prepared


def kept_region(
    video: Video, size_hw: tuple[int, int], recipe: Recipe, people: Whereabouts | None
) -> Region:
    """The part of the picture that is kept: the people and a margin, in even numbers of pixels.

    Raises:
        InputError: the boxes do not fit the picture.
    """
    height, width = size_hw
    if recipe.margin is None or people is None:
        return 0, 0, width, height
    tube = Tube(torch.zeros(1).long(), torch.tensor([people.box]).float(), torch.ones(1))
    (tube,) = VideoPeople(video.name, (tube,), people.size_hw).tubes_in(size_hw)
    x0, y0, x1, y1 = clip_boxes(pad_boxes(tube.boxes, recipe.margin), size_hw)[0].tolist()
    left, right = _even_stretch(x0, x1, width)
    upper, lower = _even_stretch(y0, y1, height)
    return left, upper, right, lower


def shrunk_size(region: Region, short_side: int) -> tuple[int, int]:
    """Height and width that a region is shrunk to, its shorter side to `short_side`.

    >>> shrunk_size((0, 0, 1920, 1080), 256)
    (256, 456)
    >>> shrunk_size((0, 0, 301, 200), 256)
    (200, 301)
    """
    width, height = region[2] - region[0], region[3] - region[1]
    scale = short_side / min(height, width)
    if scale >= 1:
        return height, width
    return 2 * round(height * scale / 2), 2 * round(width * scale / 2)


def fitted_people(people: VideoPeople, prepared: Prepared) -> VideoPeople:
    """The boxes of a video in the pixels of its prepared pictures.

    Raises:
        InputError: the boxes do not fit the source's picture.
    """
    x0, y0, x1, y1 = prepared.region
    height, width = prepared.shrunk_hw
    scale = torch.tensor([width / (x1 - x0), height / (y1 - y0)]).repeat(2)
    corner = torch.tensor([x0, y0, x0, y0])
    tubes = [
        Tube(
            tube.frame_indices,
            clip_boxes((tube.boxes - corner) * scale, prepared.shrunk_hw),
            tube.scores,
        )
        for tube in people.tubes_in(prepared.source_hw)
    ]
    return VideoPeople(
        people.name, tuple(tubes), prepared.size_hw, prepared.frames, prepared.fps,
        prepared.checksum, people.labels,
    )  # fmt: skip


class _Counted:
    """An iterable that counts what it gives."""

    def __init__(self, pictures: Iterator[np.ndarray]) -> None:
        self.number = 0
        self._pictures = pictures

    def __iter__(self) -> Iterator[np.ndarray]:
        for picture in self._pictures:
            self.number += 1
            yield picture


def _pictures(
    reader: VideoReader, region: Region, shrunk_hw: tuple[int, int]
) -> Iterator[np.ndarray]:
    x0, y0, x1, y1 = region
    for _, picture, _ in reader.stream():
        kept = np.ascontiguousarray(picture[y0:y1, x0:x1])
        if kept.shape[:2] != shrunk_hw:
            kept = cv2.resize(kept, shrunk_hw[::-1], interpolation=cv2.INTER_AREA)
        yield kept


def _source_checksum(video: Video, people: Whereabouts | None) -> str:
    try:
        digest = checksum(video.path)
    except OSError as error:
        raise InputError(f"{video.path}: cannot be read ({error.strerror})") from error
    if people is not None and people.checksum not in (None, digest):
        raise InputError(
            f"{video.path}: the file has changed since people were detected in it; run "
            "`python tools/detect_people.py` again"
        )
    return digest


def _require_whole(path: Path, frames: int) -> None:
    """Refuse a file that lacks frames, as one on a full disk may do without an error."""
    index = packet_index(path)
    found = 0 if index is None else len(index.display_pts)
    if found != frames:
        raise OSError(None, f"holds {found} of {frames} frames after it was written", str(path))


def _even_stretch(low: float, high: float, limit: int) -> tuple[int, int]:
    """The whole even stretch that covers low to high, inside 0 to `limit` (odd if `limit` is)."""
    start, end = math.floor(low), math.ceil(high)
    if (end - start) % 2 and end < limit:
        end += 1
    elif (end - start) % 2 and start > 0:
        start -= 1
    return start, end
