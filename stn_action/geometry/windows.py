"""The axis-aligned families: windows without rotation or shear. Conventions as in `family`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.geometry.family import Transform, isotropic
from stn_action.geometry.theta import theta_from_boxes, window_theta


@dataclass(frozen=True)
class Translation(Transform):
    """Translation of a window of fixed scale (x, y): the paper's CUB heads.

    Bounded: center = tanh(raw) * (1 - scale). Raw: center = start + raw.
    """

    name = "translation"
    num_parameters = 2
    axis_aligned = True
    has_scale = False

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of windows of the fixed scale, centered on the boxes."""
        theta = theta_from_boxes(boxes)
        return window_theta(torch.full_like(theta[..., 2], self.scale), theta[..., 2])

    def _bounded(self, raw: Tensor) -> Tensor:
        return window_theta(torch.full_like(raw, self.scale), self._center_of(raw, self.scale))

    def _raw(self, raw: Tensor) -> Tensor:
        return window_theta(torch.full_like(raw, self.scale), self._start(raw)[1] + raw)


@dataclass(frozen=True)
class Attention(Transform):
    """Isotropic scale and translation (s, x, y; Jaderberg et al. 2015, eq. 2).

    Bounded: s = min + (max - min) * sigmoid(raw_0), center = tanh(raw_1, raw_2) * (1 - s).
    Raw: all three = start + raw.
    """

    name = "attention"
    has_floor = True
    num_parameters = 3
    axis_aligned = True

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the smallest isotropic windows around the boxes."""
        return isotropic(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        scale = self._scale_of(raw[..., :1])
        center = self._center_of(raw[..., 1:], scale)
        return window_theta(scale.expand_as(center), center)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, center = self._start(raw)
        return window_theta(scale + raw[..., :1], center + raw[..., 1:])


@dataclass(frozen=True)
class AnisotropicAttention(Transform):
    """A scale for each axis, and translation (sx, sy, x, y); each as of `Attention`."""

    name = "anisotropic"
    has_floor = True
    num_parameters = 4
    axis_aligned = True

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the boxes themselves."""
        return theta_from_boxes(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        scale = self._scale_of(raw[..., :2])
        return window_theta(scale, self._center_of(raw[..., 2:], scale))

    def _raw(self, raw: Tensor) -> Tensor:
        scale, center = self._start(raw)
        return window_theta(scale + raw[..., :2], center + raw[..., 2:])
