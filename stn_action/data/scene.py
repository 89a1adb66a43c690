"""Scenes: another clip of the data set around the frames of a clip, where a crop reaches beyond.

Convention:
    - the other clip is scaled to the height of the frames and placed in their pixels: its first
      column is at x = `left`, its first row at y = 0
    - its people stand beside the frames: their left edge at the frames' right one, or their right
      edge at the frames' left one; where no people are known, the other clip begins there
    - beyond its own edges it is mirrored, again and again, so that it fills every crop
    - time is relative: the first frames coincide, and the last ones

Which clip surrounds which depends on the seed and the names alone, see `Scenes`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.person.image_crop import resize_by_area
from stn_action.person.select import select_boxes
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError, VideoReader


class OpenVideos(Protocol):
    """Videos that can be opened, with their people: a `ClipSource`."""

    videos: VideoTable

    def open(self, index: int) -> VideoReader:
        """Open a video."""
        ...

    def people_in(self, index: int) -> VideoPeople | None:
        """Return the people in a video; None: they are not known."""
        ...


@dataclass(frozen=True, eq=False)
class Backdrop:
    """The images of another clip, placed in the pixels of some frames."""

    images: Sequence[np.ndarray]
    """One (H, w, 3) uint8 for each frame, as high as the frames."""
    left: int
    """x of the first column, in pixels of the frames."""

    def part(self, number: int, box: Sequence[int]) -> np.ndarray:
        """Return what is in a box (x0, y0, x1, y1) at one of the frames: (y1 - y0, x1 - x0, 3)."""
        image = self.images[number]
        x0, y0, x1, y1 = box
        rows = mirrored_indices(y0, y1, image.shape[0])
        columns = mirrored_indices(x0 - self.left, x1 - self.left, image.shape[1])
        return image[rows][:, columns]


@dataclass(frozen=True, eq=False)
class Scene:
    """Another clip that surrounds the frames of a clip."""

    name: str
    """Of the other clip."""
    open: Callable[[], VideoReader]
    """Opens it."""
    people: VideoPeople | None
    """The people in it; None: unknown."""
    on_right: bool
    """Whether its people stand on the right of the frames, else on the left."""

    def backdrop(
        self, frames: Sequence[int], num_frames: int, size_hw: tuple[int, int]
    ) -> Backdrop:
        """Read the images that surround some frames.

        Args:
            frames: numbers of the frames that are surrounded.
            num_frames: of their video.
            size_hw: height and width of their images, pixels.

        Raises:
            VideoError: the other clip cannot be read.
        """
        try:
            with self.open() as reader:
                numbers = [relative_frame(frame, num_frames, len(reader)) for frame in frames]
                images = _read_at_height(reader, numbers, size_hw[0])
                left = self._left(reader, size_hw, images[0].shape[1])
        except VideoError as error:
            raise VideoError(f"its scene (data.crop.beyond) is another clip: {error}") from error
        return Backdrop(images, left)

    def _left(self, reader: VideoReader, size_hw: tuple[int, int], scaled_width: int) -> int:
        tubes = self.people.tubes_in(reader.size_hw) if self.people is not None else ()
        first, last = 0.0, float(scaled_width)
        if tubes:
            boxes = select_boxes(tubes, torch.arange(len(reader)), "union")
            scale = size_hw[0] / reader.size_hw[0]
            first, last = (boxes[:, [0, 2]].median(dim=0).values * scale).tolist()
        return size_hw[1] - round(first) if self.on_right else -round(last)


class Scenes:
    """For each video of a data set, another one whose clip surrounds it.

    It is one of the video's own pool, drawn by seed and name: the same in training and in tests,
    whatever the order, the epoch or the worker.
    """

    def __init__(self, source: OpenVideos, pools: Sequence[str], *, seed: int = 0) -> None:
        """Draw the other videos; none is opened yet.

        Args:
            source: the videos and their people.
            pools: of each video; videos of one pool surround each other.
            seed: of the draws.

        Raises:
            InputError: a video is alone in its pool.
        """
        self.source = source
        self.partners, self._on_right = _draw(source.videos.names(), pools, seed)
        """(N,) int64: the row of the video that surrounds each one."""

    def rows_of(self, videos: VideoTable) -> Tensor:
        """Return the rows (N,) int64 of some videos in this table.

        Raises:
            InputError: one of them is not in it.
        """
        row_of = {name: row for row, name in enumerate(self.source.videos.names())}
        unknown = [name for name in videos.names() if name not in row_of]
        if unknown:
            raise InputError(
                f"data.crop.beyond=scene: {unknown[0]} is in no part of the data set, so there are "
                "no other clips to surround it; use pad or shift"
            )
        return torch.tensor([row_of[name] for name in videos.names()], dtype=torch.int64)

    def of(self, row: int) -> Scene:
        """Return what surrounds the video at a row.

        Raises:
            VideoError: the people of the other video are damaged.
        """
        partner = int(self.partners[row])
        source = self.source
        return Scene(
            source.videos[partner].name,
            lambda: source.open(partner),
            source.people_in(partner),
            bool(self._on_right[row]),
        )


def relative_frame(frame: int, num_frames: int, other_num_frames: int) -> int:
    """Return the frame of another video at the same relative time, rounded.

    >>> [relative_frame(frame, 5, 9) for frame in range(5)]
    [0, 2, 4, 6, 8]
    """
    last = max(num_frames - 1, 1)
    return min((2 * frame * (other_num_frames - 1) + last) // (2 * last), other_num_frames - 1)


def mirrored_indices(start: int, end: int, size: int) -> np.ndarray:
    """Return the indices of `size` elements that are mirrored at both ends, from `start` to `end`.

    >>> mirrored_indices(-2, 5, 3).tolist()
    [1, 0, 0, 1, 2, 2, 1]
    """
    numbers = np.arange(start, end) % (2 * size)
    return np.minimum(numbers, 2 * size - 1 - numbers)


def _read_at_height(reader: VideoReader, numbers: Sequence[int], height: int) -> list[np.ndarray]:
    """Read frames in any order, scaled to a height; only scaled ones are kept."""
    needed = sorted(set(numbers))
    width = max(1, round(reader.size_hw[1] * height / reader.size_hw[0]))
    scaled: dict[int, np.ndarray] = {}

    def keep(place: int, image: np.ndarray) -> None:
        scaled[place] = resize_by_area(image, (height, width)).copy()

    reader.visit_images(needed, keep)
    place_of = {number: place for place, number in enumerate(needed)}
    return [scaled[place_of[number]] for number in numbers]


def _draw(names: Sequence[str], pools: Sequence[str], seed: int) -> tuple[Tensor, Tensor]:
    """Return the row of each video's partner (N,) int64, and whether it is on the right (N,)."""
    members: dict[str, list[int]] = {}
    for row in sorted(range(len(names)), key=names.__getitem__):
        members.setdefault(pools[row], []).append(row)
    partners = torch.zeros(len(names), dtype=torch.int64)
    on_right = torch.zeros(len(names), dtype=torch.bool)
    for row, partner, right in _pairs(names, members, seed):
        partners[row], on_right[row] = partner, right
    return partners, on_right


def _pairs(
    names: Sequence[str], members: Mapping[str, Sequence[int]], seed: int
) -> Iterator[tuple[int, int, bool]]:
    """Yield each row, its partner's, and whether it is on the right."""
    for pool, rows in members.items():
        if len(rows) == 1:
            raise InputError(
                f"data.crop.beyond=scene: {names[rows[0]]} is the only video of {pool}, expected "
                "two at least: another clip of the same part surrounds it; use pad or shift"
            )
        for place, row in enumerate(rows):
            digest = hashlib.blake2b(f"{seed} {names[row]}".encode(), digest_size=8).digest()
            number = int.from_bytes(digest, "little")
            other = number // 2 % (len(rows) - 1)
            yield row, rows[other + (other >= place)], bool(number % 2)
