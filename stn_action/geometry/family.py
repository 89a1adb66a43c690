"""The base of all families of transforms: windows, their start and their bounds.

Convention:
    - raw is the output of a localization network; raw = 0 always builds the family's base
    - the base of one window of scale 1 is the identity; K windows tile the map
    - *bounded*: the window cannot leave the map, whatever raw is, and its scale is in
      [min_scale, max_scale] (shear, slant and fitting it to the map can only shrink it)
    - *raw* (bounded=False): theta = base + raw, as the paper has it
    - theta as in `theta`: output to input, normalized; a box is xyxy, normalized

Letters: K heads, P raw parameters, D dimensions.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.theta import AFFINE, at_least_float32, theta_from_boxes, window_theta
from stn_action.geometry.tiles import tile_centers


@dataclass(frozen=True)
class Transform(ABC):
    """A family of transforms for K windows: raw numbers of a localization network to theta."""

    num_heads: int = 1
    """K."""
    start_scale: float | None = None
    """Side of a window at the start, as a share of the map's; None: 0.5, but 1 (the identity) for
    one raw window."""
    min_scale: float = 0.2
    """Bounded: the smallest side of a window."""
    max_scale: float = 0.95
    """Bounded: the largest side of a window."""
    bounded: bool = True
    """Whether windows are kept inside the map."""

    name: ClassVar[str]
    num_parameters: ClassVar[int]
    theta_shape: ClassVar[tuple[int, int]] = AFFINE
    axis_aligned: ClassVar[bool] = False
    """Whether theta has no rotation or shear, so that the separable samplers apply."""
    has_scale: ClassVar[bool] = True
    """Whether raw changes the scale, so that min_scale and max_scale mean something."""
    has_floor: ClassVar[bool] = False
    """Whether a bounded window is never smaller than min_scale; shear and slant shrink it."""

    def __post_init__(self) -> None:
        if self.num_heads < 1:
            raise InputError(f"{self.name} needs at least one window, got {self.num_heads}")
        if not self.bounded:
            if not self.scale > 0:
                raise InputError(f"{self.name} needs a start_scale above 0, got {self.scale}")
        elif self.has_scale and not 0 < self.min_scale < self.scale < self.max_scale <= 1:
            raise InputError(
                f"bounded {self.name} windows need 0 < min_scale < start_scale < max_scale <= 1, "
                f"got {self.min_scale}, {self.scale}, {self.max_scale}"
            )
        elif not 0 < self.scale < 1:
            raise InputError(
                f"bounded {self.name} windows need 0 < start_scale < 1, got {self.scale}"
            )

    @property
    def scale(self) -> float:
        """Return the side of a window at the start, as a share of the map's."""
        if self.start_scale is not None:
            return self.start_scale
        return 1.0 if self.num_heads == 1 and not self.bounded else 0.5

    @property
    def floor(self) -> float:
        """Return the scale below which no window can go; 0 if there is none."""
        return self.min_scale if self.bounded and self.has_floor else 0.0

    @property
    def base(self) -> Tensor:
        """Return theta (K, *theta_shape) at raw = 0."""
        return self.build(torch.zeros(self.num_heads, self.num_parameters))

    def build(self, raw: Tensor) -> Tensor:
        """Build theta of raw.

        Args:
            raw: (..., K, P), unbounded.

        Returns:
            (..., K, *theta_shape), float32 or wider.

        Raises:
            ValueError: raw has another shape.
        """
        if raw.shape[-2:] != (self.num_heads, self.num_parameters):
            raise ValueError(
                f"raw must be (..., {self.num_heads}, {self.num_parameters}) for {self.name}, "
                f"got {tuple(raw.shape)}"
            )
        raw = at_least_float32(raw)
        return self._bounded(raw) if self.bounded else self._raw(raw)

    @abstractmethod
    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return the family's theta (..., *theta_shape) that fits boxes (..., 4) best.

        Isotropic windows cover a box of another aspect ratio; windows of fixed size are centered
        on it.
        """

    @abstractmethod
    def _bounded(self, raw: Tensor) -> Tensor: ...

    @abstractmethod
    def _raw(self, raw: Tensor) -> Tensor: ...

    def _start(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return scales and centers (K, 2) of the tiles that the windows start on."""
        share = _BORDER_SHARE if self.bounded else 1.0
        center = tile_centers(self.num_heads).to(raw) * share * (1 - self.scale)
        return torch.full_like(center, self.scale), center

    def _scale_of(self, raw: Tensor, start: float | None = None) -> Tensor:
        """Compute scales in [min_scale, max_scale] by a sigmoid that is `start` at 0."""
        span = self.max_scale - self.min_scale
        return self.min_scale + span * torch.sigmoid(raw + self._start_logit(start))

    def _raw_scale_of(self, scale: Tensor, limit: float) -> Tensor:
        """Invert `_scale_of` for scales brought within `limit` of the range about its middle."""
        share = (scale - self.min_scale) / (self.max_scale - self.min_scale)
        return torch.logit(share.clamp((1 - limit) / 2, (1 + limit) / 2)) - self._start_logit()

    def _start_logit(self, start: float | None = None) -> float:
        start = self.scale if start is None else start
        share = (start - self.min_scale) / (self.max_scale - self.min_scale)
        return math.log(share / (1 - share))

    def _center_of(self, raw: Tensor, reach: Tensor | float) -> Tensor:
        """Compute centers (..., K, 2) of windows of half-width `reach`, inside the map."""
        return torch.tanh(raw + self._start_tanh(raw)) * (1 - reach)

    def _raw_center_of(self, center: Tensor, reach: Tensor, limit: float) -> Tensor:
        """Invert `_center_of` for centers brought within `limit` of the free space."""
        share = (center / (1 - reach)).clamp(-limit, limit)
        return torch.atanh(share) - self._start_tanh(center)

    def _start_tanh(self, like: Tensor) -> Tensor:
        return (tile_centers(self.num_heads).to(like) * _BORDER_SHARE).atanh()


def diagonal(matrices: Tensor) -> Tensor:
    """Return the diagonal (..., D) of (..., D, D + 1); compilers fail on `Tensor.diagonal`."""
    D = matrices.shape[-2]
    return torch.stack([matrices[..., axis, axis] for axis in range(D)], dim=-1)


def isotropic(boxes: Tensor) -> Tensor:
    """Return theta (..., 2, 3) of the smallest isotropic windows around boxes (..., 4), xyxy."""
    theta = theta_from_boxes(boxes)
    scale = diagonal(theta).amax(-1, keepdim=True)
    return window_theta(scale.expand_as(theta[..., 2]), theta[..., 2])


_BORDER_SHARE = 0.8
"""Bounded windows start at this share of the distance to the border, where tanh has a gradient."""
