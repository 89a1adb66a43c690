"""The families with rotation, shear, perspective and bending. Conventions as in `family`."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.family import Transform, diagonal, isotropic
from stn_action.geometry.splines import NUM_CONTROL_POINTS, control_points
from stn_action.geometry.theta import (
    PROJECTIVE,
    SPLINE,
    VOLUMETRIC,
    theta_from_boxes,
    transform_points,
    window_theta,
)


@dataclass(frozen=True)
class Similarity(Transform):
    """Scale, rotation and translation.

    Bounded (s, angle, x, y): s by a sigmoid, the angle within +-max_angle by tanh; a window that
    would reach beyond the map when turned is shrunk to it. Raw (a, b, x, y): [[a, -b], [b, a]].
    """

    max_angle: float = math.pi
    """Bounded: the largest rotation to each side, radians."""

    name = "similarity"
    has_floor = True
    num_parameters = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.max_angle > 0:
            raise InputError(f"max_angle must be above 0, got {self.max_angle}")

    @property
    def floor(self) -> float:
        """Return the smallest possible scale; a window turned by 45 degrees fits at sqrt(1/2)."""
        return min(super().floor, math.sqrt(0.5))

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the smallest isotropic windows around the boxes, not rotated."""
        return isotropic(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        angle = self.max_angle * torch.tanh(raw[..., 1] / self.max_angle)
        cos, sin = self._scale_of(raw[..., 0]) * torch.stack([angle.cos(), angle.sin()])
        linear = torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))
        linear, reach = _shrunk_to_map(linear)
        center = self._center_of(raw[..., 2:], reach)
        return torch.cat([linear, center.unsqueeze(-1)], dim=-1)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, center = self._start(raw)
        a, b = scale[:, 0] + raw[..., 0], raw[..., 1]
        linear = torch.stack([a, -b, b, a], dim=-1).unflatten(-1, (2, 2))
        return torch.cat([linear, (center + raw[..., 2:]).unsqueeze(-1)], dim=-1)


@dataclass(frozen=True)
class Affine(Transform):
    """All six numbers of an affine map, row by row (Jaderberg et al. 2015, eq. 1).

    Bounded: the diagonal by a sigmoid as scales, the rest of the linear part within +-scale by
    tanh (rotation and shear, no flip), rows shrunk to the map, the center as of `Attention`.
    """

    name = "affine"
    num_parameters = 6

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the boxes themselves."""
        return theta_from_boxes(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        raw = raw.unflatten(-1, (2, 3))
        scale = self._scale_of(diagonal(raw))
        linear, reach = _sheared(scale, raw[..., :2])
        center = self._center_of(raw[..., 2], reach)
        return torch.cat([linear, center.unsqueeze(-1)], dim=-1)

    def _raw(self, raw: Tensor) -> Tensor:
        return window_theta(*self._start(raw)) + raw.unflatten(-1, (2, 3))


@dataclass(frozen=True)
class Projective(Transform):
    """A homography: `Affine` behind a perspective (p, q), eight numbers.

    theta = [A t; 0 1] S [I; p q 1]. Bounded: |p| + |q| < max_perspective < 1, so that the horizon
    stays outside; S shrinks by 1 - |p| - |q|, which keeps the window inside. Raw: base + raw.
    """

    max_perspective: float = 0.5
    """Bounded: the largest |p| + |q|."""

    name = "projective"
    num_parameters = 8
    theta_shape = PROJECTIVE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.max_perspective < 1:
            raise InputError(f"max_perspective must be in (0, 1), got {self.max_perspective}")

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the boxes themselves, without perspective."""
        return _homogeneous(theta_from_boxes(boxes))

    def _bounded(self, raw: Tensor) -> Tensor:
        affine = Affine(self.num_heads, self.scale, self.min_scale, self.max_scale)
        before = _homogeneous(affine.build(raw[..., :6]))
        perspective = torch.tanh(raw[..., 6:]) * (self.max_perspective / 2)
        shrink = 1 - perspective.abs().sum(-1, keepdim=True)
        rows = window_theta(shrink.expand_as(perspective), torch.zeros_like(perspective))
        ones = torch.ones_like(shrink)
        return before @ torch.cat([rows, torch.cat([perspective, ones], -1).unsqueeze(-2)], dim=-2)

    def _raw(self, raw: Tensor) -> Tensor:
        base = _homogeneous(window_theta(*self._start(raw)))
        return base + torch.nn.functional.pad(raw, (0, 1)).unflatten(-1, (3, 3))


@dataclass(frozen=True)
class ThinPlateSpline(Transform):
    """The places of 4 x 4 control points (x, y of each, row by row); see `splines`.

    Bounded: place = tanh(raw + start), so that every control point stays inside the map (between
    them the spline may bulge out a little, and it may fold). Raw: place = start + raw.
    """

    name = "tps"
    num_parameters = 2 * NUM_CONTROL_POINTS
    theta_shape = SPLINE
    has_scale = False

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the boxes themselves, not bent."""
        return transform_points(theta_from_boxes(boxes), control_points(boxes))

    def _bounded(self, raw: Tensor) -> Tensor:
        return torch.tanh(raw.unflatten(-1, (-1, 2)) + self._places(raw).atanh())

    def _raw(self, raw: Tensor) -> Tensor:
        return self._places(raw) + raw.unflatten(-1, (-1, 2))

    def _places(self, raw: Tensor) -> Tensor:
        """Return the control points' start (K, 16, 2)."""
        return transform_points(window_theta(*self._start(raw)), control_points(raw))


@dataclass(frozen=True)
class VolumetricAffine(Transform):
    """All twelve numbers of an affine map of (x, y, t), row by row (Jaderberg et al. 2015, 3.2).

    In time it starts with the entire clip (raw) or with `start_time` of it (bounded); bounded as
    `Affine` is. It may be slanted in time, so that the window moves.
    """

    start_time: float = 0.9
    """Bounded: share of the clip's time that a window covers at the start."""

    name = "volumetric"
    num_parameters = 12
    theta_shape = VOLUMETRIC

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bounded and not self.min_scale < self.start_time < self.max_scale:
            raise InputError(
                "bounded volumetric windows need min_scale < start_time < max_scale, got "
                f"{self.min_scale}, {self.start_time}, {self.max_scale}"
            )

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Return theta of the boxes over all of the time."""
        theta = theta_from_boxes(boxes)
        scale = diagonal(theta)
        return window_theta(
            torch.cat([scale, torch.ones_like(scale[..., :1])], -1),
            torch.cat([theta[..., 2], torch.zeros_like(scale[..., :1])], -1),
        )

    def _bounded(self, raw: Tensor) -> Tensor:
        raw = raw.unflatten(-1, (3, 4))
        space, time = diagonal(raw).split([2, 1], dim=-1)
        scale = torch.cat([self._scale_of(space), self._scale_of(time, self.start_time)], dim=-1)
        linear, reach = _sheared(scale, raw[..., :3])
        center = self._center_of(raw[..., :2, 3], reach[..., :2])
        time = torch.tanh(raw[..., 2:, 3]) * (1 - reach[..., 2:])
        return torch.cat([linear, torch.cat([center, time], dim=-1).unsqueeze(-1)], dim=-1)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, center = self._start(raw)
        scale = torch.cat([scale, torch.ones_like(scale[:, :1])], dim=-1)
        center = torch.cat([center, torch.zeros_like(center[:, :1])], dim=-1)
        return window_theta(scale, center) + raw.unflatten(-1, (3, 4))


def _sheared(scale: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return the linear part (..., D, D) with `scale` (..., D) on its diagonal, and its reach."""
    D = scale.shape[-1]
    off_diagonal = 1 - torch.eye(D, dtype=scale.dtype, device=scale.device)
    # together never more than the diagonal, so that nothing flips
    shear = torch.tanh(raw) * off_diagonal * scale.unsqueeze(-1) / (D - 1)
    return _shrunk_to_map(torch.diag_embed(scale) + shear)


def _shrunk_to_map(linear: Tensor) -> tuple[Tensor, Tensor]:
    """Shrink rows until the window is no larger than the map; return its reach (..., D), too."""
    reach = linear.abs().sum(-1)
    return linear / reach.clamp(min=1).unsqueeze(-1), reach.clamp(max=1)


def _homogeneous(theta: Tensor) -> Tensor:
    """Extend affine maps (..., 2, 3) to (..., 3, 3)."""
    last = theta.new_tensor([[0, 0, 1]]).expand(*theta.shape[:-2], 1, 3)
    return torch.cat([theta, last], dim=-2)
