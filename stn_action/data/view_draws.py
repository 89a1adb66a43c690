"""Random views of a region that differ from it in shape: the crops of torchvision and of TSN."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch

from stn_action.data.data_choices import FixedCrops
from stn_action.person.crop import View

TRIES = 10
"""Of an area and a ratio, as in torchvision; then the largest view in the middle is taken."""
PLACES = (
    (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5), (0.0, 0.5), (1.0, 0.5), (0.5, 1.0),
    (0.5, 0.0), (0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75),
)  # fmt: skip
"""Where views of TSN are: five corners and middle, then the middle of sides and of quarters."""


@dataclass(frozen=True)
class RandomResizedCrop:
    """A view of random area and shape (Szegedy et al. 2015), as torchvision draws it."""

    scale: tuple[float, float] = (0.08, 1.0)
    """Range of the area of the view, as a share of the region's."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of width over height, drawn evenly in its logarithm."""

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale must be a range in (0, 1], got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio must be a range above 0, got {self.ratio}")

    def draw(self, region_wh: Sequence[float], generator: torch.Generator) -> View:
        """Draw a view, not mirrored, of a region of some width and height."""
        width, height = region_wh
        low, high = (math.log(ratio) for ratio in self.ratio)
        for _ in range(TRIES):
            area, ratio, x, y = torch.rand(4, generator=generator).tolist()
            area = (self.scale[0] + area * (self.scale[1] - self.scale[0])) * width * height
            ratio = math.exp(low + ratio * (high - low))
            if area * ratio <= width**2 and area / ratio <= height**2:
                return View(math.sqrt(area) / min(region_wh), (x, y), ratio=ratio)
        ratio = min(max(width / height, self.ratio[0]), self.ratio[1])
        side = min(width / math.sqrt(ratio), height * math.sqrt(ratio))
        return View(side / min(region_wh), ratio=ratio)


@dataclass(frozen=True)
class MultiScaleCrop:
    """A view whose sides are two of some sizes, at one of some places (TSN, Wang et al. 2016).

    The places are those of TSN's code, shares of the margin in place of whole pixels.
    """

    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    """Sizes of a side, as shares of the region's shorter side, the largest first."""
    max_wh_scale_gap: int = 1
    """How many places in `scales` the two sides are apart at most."""
    num_fixed_crops: FixedCrops = 13
    """5: corners and middle; 13: also the middle of each side and of each quarter."""

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(f"scales must be in (0, 1], got {self.scales}")
        if self.num_fixed_crops not in get_args(FixedCrops):
            raise ValueError(f"num_fixed_crops must be 5 or 13, got {self.num_fixed_crops}")

    def draw(self, region_wh: Sequence[float], generator: torch.Generator) -> View:
        """Draw a view, not mirrored; the size of the region is of no account."""
        pairs = [
            (width, height)
            for row, height in enumerate(self.scales)
            for column, width in enumerate(self.scales)
            if abs(row - column) <= self.max_wh_scale_gap
        ]
        width, height = pairs[int(torch.randint(len(pairs), (), generator=generator))]
        place = PLACES[int(torch.randint(self.num_fixed_crops, (), generator=generator))]
        return View(math.sqrt(width * height), place, ratio=width / height)
