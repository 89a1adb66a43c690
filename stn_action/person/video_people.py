"""All people of one video: the type that detectors, importers and people files exchange."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from stn_action.geometry.boxes import box_sizes, clip_boxes
from stn_action.person.tube import Tube
from stn_action.video.reader import VideoError

MAX_SIDE = 2**16
"""Pixels of a frame's side; a larger one is an error in a file."""
MAX_ASPECT_CHANGE = 0.03
"""Maximum difference in aspect ratio of two sizes of one video: 340x256 is 320x240."""


@dataclass(frozen=True, eq=False)
class VideoPeople:
    """The tubes of one video, and what is known about the video.

    A video without a person has no tubes. A video that was never processed has no `VideoPeople`.
    """

    name: str
    """The video's name in its list, with folders, without suffix: `Archery/v_Archery_g01_c01`."""
    tubes: tuple[Tube, ...]
    """One per person."""
    size_hw: tuple[int, int] | None = None
    """Height and width of the images of the boxes, pixels; None: unknown."""
    num_frames: int | None = None
    """Frames of the video; None: unknown."""
    fps: float | None = None
    """Frames per second on average; None: unknown."""
    checksum: str | None = None
    """`video_checksum` of the file, and of the slice of it; None: unknown."""
    labels: tuple[str | None, ...] = field(default=())
    """Action of each tube's person, from annotations; empty: unknown."""
    source: str = ""
    """File, and position in it, of the boxes; for messages."""

    def __post_init__(self) -> None:
        if self.labels and len(self.labels) != len(self.tubes):
            raise ValueError(f"labels must be {len(self.tubes)}, one per tube, got {self.labels}")

    @property
    def longest_span(self) -> int:
        """Frames from the first box to the last of the longest tube; 0 if no person was found."""
        return max((tube.span for tube in self.tubes), default=0)

    def tubes_in(self, size_hw: tuple[int, int]) -> tuple[Tube, ...]:
        """Return the tubes in the pixels of images of this size, clipped to them.

        Args:
            size_hw: height and width of the video's frames, pixels. Boxes made for another size
                (of a re-encoded copy of the video) are scaled.

        Raises:
            VideoError: the sizes do not belong to one video, or a box is entirely outside.
        """
        scale = None
        if self.size_hw is not None and self.size_hw != size_hw:
            (height, width), (new_height, new_width) = self.size_hw, size_hw
            x, y = new_width / width, new_height / height
            if abs(x / y - 1) > MAX_ASPECT_CHANGE:
                raise VideoError(
                    f"{self.source}: the boxes of {self.name} are for {width}x{height} pixels, the "
                    f"video has {new_width}x{new_height}; are they of another video?"
                )
            scale = torch.tensor([x, y, x, y])
        tubes = []
        for tube in self.tubes:
            if scale is not None:
                tube = Tube(tube.frame_indices, tube.boxes * scale, tube.scores)
            tubes.append(fit_to_image(tube, size_hw, self.source or self.name))
        return tuple(tubes)


class People(Protocol):
    """Person boxes of a data set, found by the names of its videos."""

    @property
    def source(self) -> Path:
        """File or folder, for messages."""
        ...

    def find(self, video_name: str) -> VideoPeople | None:
        """Return all tubes of a video; None if it was never processed.

        Raises:
            VideoError: the boxes are malformed.
            InputError: several entries fit the name, or the file of boxes cannot be read.
        """
        ...

    def longest_spans(self, video_names: Sequence[str]) -> list[int | None]:
        """Return the frames from first to last box of each video's longest tube.

        0 if no person was found, None if the video was never processed.

        Raises:
            InputError: two videos share an entry, or one is malformed.
        """
        ...


def fit_to_image(tube: Tube, size_hw: tuple[int, int], source: str | Path) -> Tube:
    """Clip the boxes of a tube to the image.

    A detector's boxes may reach beyond the image, but not entirely, nor by more than its own width
    or height: these are of another image.

    Args:
        tube: boxes in source pixels.
        size_hw: height and width of the image, pixels.
        source: of the tube, for the message.

    Raises:
        VideoError: a box is entirely outside the image, or reaches far beyond it.
    """
    clipped = clip_boxes(tube.boxes, size_hw)
    outside = (box_sizes(clipped) <= 0).any(dim=1)
    size_xyxy = tube.boxes.new_tensor([size_hw[1], size_hw[0]] * 2)
    wrong = outside | ((tube.boxes - clipped).abs() > size_xyxy).any(dim=1)
    if wrong.any():
        worst = int(wrong.nonzero()[0])
        where = "entirely outside" if outside[worst] else "far larger than"
        corners = ", ".join(f"{value:g}" for value in tube.boxes[worst].tolist())
        raise VideoError(
            f"{source}: the box ({corners}) of frame {int(tube.frame_indices[worst])} is {where} "
            f"the image, which is {size_hw[1]} wide and {size_hw[0]} high "
            f"({int(wrong.sum())} such boxes); are these boxes of another video, or in another "
            "resolution?"
        )
    return Tube(tube.frame_indices, clipped, tube.scores)
