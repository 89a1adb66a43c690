"""The axis-aligned families: windows without rotation or shear. Conventions as in `family`."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.geometry.family import Transform, diagonal, isotropic
from stn_action.geometry.theta import enclosing_boxes, theta_from_boxes, window_theta

_START_LIMIT = 0.95
"""Share of the bounds within which windows start."""


@dataclass(frozen=True)
class AxisAligned(Transform):
    """The base of the axis-aligned families: their windows can be turned back into raw numbers."""

    axis_aligned = True

    @abstractmethod
    def fitted_scale(self, scale: Tensor) -> Tensor:
        """Return the scale (..., 2) of the family that is nearest to a window's (..., 2)."""

    def raw_of(self, scale: Tensor, center: Tensor, *, limit: float = 0.98) -> Tensor:
        """Return the raw numbers of windows: the inverse of `build`.

        Args:
            scale: (..., K, 2), of `fitted_scale`.
            center: (..., K, 2).
            limit: bounded windows beyond this share of what tanh and sigmoid can reach are
                brought back to it.

        Returns:
            (..., K, P).
        """
        if not self.bounded:
            start_scale, start_center = self._start(center)
            return self._joined(scale - start_scale, center - start_center)
        raw_scale, reach = torch.zeros_like(scale), scale
        if self.has_scale:
            raw_scale = self._raw_scale_of(scale, limit)
            reach = self._scale_of(raw_scale)
        return self._joined(raw_scale, self._raw_center_of(center, reach, limit))

    def raw_within(self, boxes: Tensor) -> Tensor:
        """Return the raw numbers of windows that are in boxes as the base is on the map.

        Bounded windows keep away from their bounds by a little, where tanh and sigmoid still have
        a gradient: no smaller than `min_scale` and a bit, nor quite at the border.

        Args:
            boxes: (B, 4) xyxy, normalized.

        Returns:
            (B, K, P).
        """
        start, end = boxes[:, None].split(2, dim=-1)  # (B, 1, 2)
        shares = (enclosing_boxes(self.base).to(boxes) + 1) / 2  # (K, 4)
        tiles = torch.cat([start, start], -1) + shares * torch.cat([end - start, end - start], -1)
        theta = self.from_boxes(tiles)
        return self.raw_of(diagonal(theta), theta[..., 2], limit=_START_LIMIT)

    @abstractmethod
    def _joined(self, raw_scale: Tensor, raw_center: Tensor) -> Tensor:
        """Return (..., K, P) of both (..., K, 2)."""


@dataclass(frozen=True)
class Translation(AxisAligned):
    """Translation of a window of fixed scale (x, y): the paper's CUB heads.

    Bounded: center = tanh(raw) * (1 - scale). Raw: center = start + raw.
    """

    name = "translation"
    num_parameters = 2
    has_scale = False

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of windows of the fixed scale, centered on the boxes."""
        theta = theta_from_boxes(boxes)
        return window_theta(torch.full_like(theta[..., 2], self.scale), theta[..., 2])

    def fitted_scale(self, scale: Tensor) -> Tensor:
        """Return the fixed scale."""
        return torch.full_like(scale, self.scale)

    def _bounded(self, raw: Tensor) -> Tensor:
        return window_theta(torch.full_like(raw, self.scale), self._center_of(raw, self.scale))

    def _raw(self, raw: Tensor) -> Tensor:
        return window_theta(torch.full_like(raw, self.scale), self._start(raw)[1] + raw)

    def _joined(self, raw_scale: Tensor, raw_center: Tensor) -> Tensor:
        return raw_center


@dataclass(frozen=True)
class Attention(AxisAligned):
    """Isotropic scale and translation (s, x, y; Jaderberg et al. 2015, eq. 2).

    Bounded: s = min + (max - min) * sigmoid(raw_0), center = tanh(raw_1, raw_2) * (1 - s).
    Raw: all three = start + raw.
    """

    name = "attention"
    has_floor = True
    num_parameters = 3

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the smallest isotropic windows around the boxes."""
        return isotropic(boxes)

    def fitted_scale(self, scale: Tensor) -> Tensor:
        """Return the root mean square over both axes."""
        return scale.square().mean(-1, keepdim=True).sqrt().expand_as(scale)

    def _bounded(self, raw: Tensor) -> Tensor:
        scale = self._scale_of(raw[..., :1])
        center = self._center_of(raw[..., 1:], scale)
        return window_theta(scale.expand_as(center), center)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, center = self._start(raw)
        return window_theta(scale + raw[..., :1], center + raw[..., 1:])

    def _joined(self, raw_scale: Tensor, raw_center: Tensor) -> Tensor:
        return torch.cat([raw_scale[..., :1], raw_center], dim=-1)


@dataclass(frozen=True)
class AnisotropicAttention(AxisAligned):
    """A scale for each axis, and translation (sx, sy, x, y); each as of `Attention`."""

    name = "anisotropic"
    has_floor = True
    num_parameters = 4

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the boxes themselves."""
        return theta_from_boxes(boxes)

    def fitted_scale(self, scale: Tensor) -> Tensor:
        """Return the scale itself."""
        return scale

    def _bounded(self, raw: Tensor) -> Tensor:
        scale = self._scale_of(raw[..., :2])
        return window_theta(scale, self._center_of(raw[..., 2:], scale))

    def _raw(self, raw: Tensor) -> Tensor:
        scale, center = self._start(raw)
        return window_theta(scale + raw[..., :2], center + raw[..., 2:])

    def _joined(self, raw_scale: Tensor, raw_center: Tensor) -> Tensor:
        return torch.cat([raw_scale, raw_center], dim=-1)
