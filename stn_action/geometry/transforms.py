"""theta of every family: how many numbers it has, where it starts, how it is built.

Convention:
    - theta (..., 2, 3) maps output coordinates to input coordinates, both normalized
      (Jaderberg et al. 2015, eq. 1), as `torch.nn.functional.affine_grid` takes it
    - coordinates are (x, y); -1 and 1 are the outer edges of the map (`align_corners=False`)
    - raw is what a localization network puts out; raw = 0 always builds the family's base

Letters: K heads, P raw parameters of a family.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from stn_action.errors import InputError


class Transform(Protocol):
    """A family of transforms: raw numbers of a localization network to theta."""

    axis_aligned: bool
    """Whether theta has no rotation or shear, so that the separable samplers apply."""

    @property
    def num_parameters(self) -> int:
        """P, the length of raw."""
        ...

    def build(self, raw: Tensor) -> Tensor:
        """Theta (..., K, 2, 3) for raw (..., K, P), in float32 or wider."""
        ...


@dataclass(frozen=True)
class Attention:
    """Isotropic scale and translation (Jaderberg et al. 2015, eq. 2) that cannot leave the map.

    scale = min_scale + (max_scale - min_scale) * sigmoid(raw_0 + start), and
    centre = tanh(raw_1, raw_2 + start) * (1 - scale); the starts put raw = 0 on a tile each.
    """

    num_heads: int = 1
    start_scale: float = 0.5
    min_scale: float = 0.2
    max_scale: float = 0.95
    axis_aligned = True
    num_parameters = 3

    def __post_init__(self) -> None:
        if not 0 < self.min_scale < self.start_scale < self.max_scale <= 1:
            raise InputError(
                "an attention window needs 0 < min_scale < start_scale < max_scale <= 1, got "
                f"{self.min_scale}, {self.start_scale}, {self.max_scale}"
            )

    def build(self, raw: Tensor) -> Tensor:
        """Theta for raw; the window lies inside the map whatever raw is.

        Args:
            raw: (..., K, 3): scale, x and y of each head, unbounded.

        Returns:
            (..., K, 2, 3), float32 or wider.
        """
        raw = at_least_float32(raw)
        share = (self.start_scale - self.min_scale) / (self.max_scale - self.min_scale)
        scale = self.min_scale + (self.max_scale - self.min_scale) * torch.sigmoid(
            raw[..., :1] + math.log(share / (1 - share))
        )
        start = _bounded_tiles(self.num_heads).to(raw).atanh()
        centre = torch.tanh(raw[..., 1:] + start) * (1 - scale)
        return window_theta(scale.expand_as(centre), centre)


@dataclass(frozen=True)
class Translation:
    """Translation of a window of fixed scale that cannot leave the map: the paper's CUB heads."""

    num_heads: int = 1
    start_scale: float = 0.5
    axis_aligned = True
    num_parameters = 2

    def __post_init__(self) -> None:
        if not 0 < self.start_scale < 1:
            raise InputError(f"a translated window needs 0 < scale < 1, got {self.start_scale}")

    def build(self, raw: Tensor) -> Tensor:
        """Theta (..., K, 2, 3) for raw (..., K, 2): x and y of each head, unbounded."""
        raw = at_least_float32(raw)
        start = _bounded_tiles(self.num_heads).to(raw).atanh()
        centre = torch.tanh(raw + start) * (1 - self.start_scale)
        return window_theta(torch.full_like(centre, self.start_scale), centre)


@dataclass(frozen=True)
class Affine:
    """All six numbers of an affine map, unbounded as in the paper: theta = base + raw.

    The base is the identity for one transformer and a tile each for several.
    """

    num_heads: int = 1
    start_scale: float = 0.5
    axis_aligned = False
    num_parameters = 6

    def build(self, raw: Tensor) -> Tensor:
        """Theta (..., K, 2, 3) for raw (..., K, 6), row by row."""
        raw = at_least_float32(raw)
        return self._base().to(raw) + raw.unflatten(-1, (2, 3))

    def _base(self) -> Tensor:
        if self.num_heads == 1:
            return window_theta(torch.ones(1, 2), torch.zeros(1, 2))
        centre = tile_centres(self.num_heads) * (1 - self.start_scale)
        return window_theta(torch.full_like(centre, self.start_scale), centre)


TRANSFORMS = {"attention": Attention, "translation": Translation, "affine": Affine}


def window_theta(scale: Tensor, centre: Tensor) -> Tensor:
    """Theta that looks at an axis-aligned window.

    Args:
        scale: (..., 2), the window's width and height as shares of the map's.
        centre: (..., 2), x and y of the window's centre, normalized.

    Returns:
        (..., 2, 3).
    """
    return torch.cat([torch.diag_embed(scale), centre.unsqueeze(-1)], dim=-1)


def tile_centres(num_heads: int) -> Tensor:
    """Places that spread `num_heads` windows over the map, in [-1, 1] units of the free room.

    One head sits in the centre; two side by side; more on the fullest grid of rows.

    Returns:
        (num_heads, 2), x and y; windows of scale s have their centres at (1 - s) times these.

    Example:
        >>> tile_centres(4).tolist()
        [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    num_rows = math.floor(math.sqrt(num_heads))
    centres = []
    for row in range(num_rows):
        in_row = num_heads // num_rows + (row < num_heads % num_rows)
        y = 2 * row / (num_rows - 1) - 1 if num_rows > 1 else 0.0
        for column in range(in_row):
            x = 2 * column / (in_row - 1) - 1 if in_row > 1 else 0.0
            centres.append((x, y))
    return torch.tensor(centres)


def window_corners(theta: Tensor) -> Tensor:
    """The corners of the region that theta looks at.

    Args:
        theta: (..., 2, 3).

    Returns:
        (..., 4, 2), normalized x and y: where the output's top left, top right, bottom right and
        bottom left corners come from.
    """
    corners = theta.new_tensor([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]])
    return (theta @ corners.T).transpose(-1, -2)


def at_least_float32(x: Tensor) -> Tensor:
    """Coordinates in half precision cost whole pixels of accuracy: widen them."""
    return x if x.dtype == torch.float64 else x.float()


def _bounded_tiles(num_heads: int) -> Tensor:
    """Tile centres kept away from the border, where tanh would have no gradient left."""
    return tile_centres(num_heads) * _BORDER_SHARE


_BORDER_SHARE = 0.8
