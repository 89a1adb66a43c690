"""Errors of person boxes, as inaccurate detectors make them: one draw for each video.

Convention:
    - an error is the four sides of the wrong box (x0, y0, x1, y1), in units of the true one:
      (0, 0, 1, 1) is no error, (-0.5, 0, 1, 0.8) is a box with half its width added on the left and
      a fifth of its height cut off below
    - applied to a tube it is the same in all frames, so that smoothing and interpolation in time
      give the same before and after
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.geometry.boxes import box_sizes
from stn_action.person.tube import Tube

MAX_CUT = 0.5
"""Largest share of the person that a cut takes away."""
LEAST_INSIDE = 0.25
"""Share of the person's width, and of the height, that stays inside the box at least."""
LEAST_PIXELS = 4.0
"""Smallest side of a box that has an error, pixels."""


@dataclass(frozen=True)
class BoxErrors:
    """The distribution of the errors; each video has its own draw, in training and in tests."""

    looseness: tuple[float, float] = (0.0, 0.0)
    """Range of the share of the person's box that is added on each side, the same on all four;
    negative: taken away."""
    shift: float = 0.0
    """The box moves by up to this share of the person's width and height."""
    cut: float = 0.0
    """Probability that a side is cut off: it is inside the person's box by up to half of it."""
    seed: int = 0
    """Of the draws, besides the name of the video; nothing else changes them."""

    def __post_init__(self) -> None:
        low, high = self.looseness
        if not -0.5 < low <= high:
            raise ValueError(
                f"looseness must be [smallest, largest], above -0.5, got {self.looseness}"
            )
        if self.shift < 0:
            raise ValueError(f"shift must not be negative, got {self.shift}")
        if not 0 <= self.cut <= 1:
            raise ValueError(f"cut must be a probability, got {self.cut}")

    def of_video(self, name: str) -> Tensor:
        """Return the error (4,) of a video: it depends on `seed` and the name alone."""
        digest = hashlib.blake2b(f"{self.seed} {name}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
        return self.draw(generator)

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw an error (4,), always with six numbers: milder settings give milder errors.

        The person stays partly inside: of both sides at least `LEAST_INSIDE`.
        """
        loose, x, y, is_cut, side, depth = torch.rand(6, generator=generator).tolist()
        low, high = self.looseness
        margin = low + loose * (high - low)
        shift = torch.tensor([x, y]).mul(2).sub(1).mul(self.shift).repeat(2)
        sides = torch.tensor([-margin, -margin, 1 + margin, 1 + margin]) + shift
        if is_cut < self.cut:
            number = int(side * 4)
            share = depth * MAX_CUT
            sides[number] = share if number < 2 else 1 - share
        first = sides[:2].clamp(max=1 - LEAST_INSIDE)
        last = sides[2:].clamp(min=LEAST_INSIDE)
        return torch.cat([first, last.maximum(first.clamp(min=0) + LEAST_INSIDE)])


def boxes_with_error(boxes: Tensor, error: Tensor) -> Tensor:
    """Return the wrong boxes in place of the true ones.

    Args:
        boxes: (..., 4) xyxy, pixels.
        error: (4,), see the convention of this file.

    Returns:
        (..., 4) xyxy; they may extend beyond the image, and are at least `LEAST_PIXELS` large.
    """
    corner, sizes = boxes[..., :2], box_sizes(boxes)
    first, last = corner + error[:2] * sizes, corner + error[2:] * sizes
    missing = (LEAST_PIXELS - (last - first)).clamp(min=0) / 2
    return torch.cat([first - missing, last + missing], dim=-1)


def tubes_with_error(
    tubes: Sequence[Tube], spec: BoxErrors | None, video_name: str
) -> tuple[Tube, ...]:
    """Return the tubes of a video as a system knows them that does not see its errors.

    All people of a video have the same error, each in units of their own boxes.

    Args:
        tubes: of the video.
        spec: None: no errors.
        video_name: as in the list of the data set.
    """
    if spec is None or not tubes:
        return tuple(tubes)
    error = spec.of_video(video_name)
    return tuple(
        Tube(tube.frame_indices, boxes_with_error(tube.boxes, error), tube.scores) for tube in tubes
    )
