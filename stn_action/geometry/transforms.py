"""The families of transforms: how many raw numbers each has, where it starts, how theta is built.

Convention:
    - raw is what a localization network puts out; raw = 0 always builds the family's base
    - the base of one window of scale 1 is the identity; K windows tile the map
    - *bounded*: the window cannot leave the map, whatever raw is, and its scale stays in
      [min_scale, max_scale]; *raw* (bounded=False): theta = base + raw, as the paper has it
    - theta as in `theta`: output to input, normalized; a box is xyxy, normalized

Letters: K heads, P raw parameters, D dimensions.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.splines import NUM_CONTROL_POINTS, control_points
from stn_action.geometry.theta import (
    AFFINE,
    PROJECTIVE,
    SPLINE,
    VOLUMETRIC,
    at_least_float32,
    theta_from_boxes,
    transform_points,
    window_theta,
)
from stn_action.geometry.tiles import tile_centres


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
        """Side of a window at the start, as a share of the map's."""
        if self.start_scale is not None:
            return self.start_scale
        return 1.0 if self.num_heads == 1 and not self.bounded else 0.5

    @property
    def floor(self) -> float:
        """The scale below which no window can go; 0: there is none."""
        return self.min_scale if self.bounded and self.has_scale else 0.0

    @property
    def base(self) -> Tensor:
        """Theta (K, *theta_shape) at raw = 0."""
        return self.build(torch.zeros(self.num_heads, self.num_parameters))

    def build(self, raw: Tensor) -> Tensor:
        """Theta for raw.

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
        """The family's theta (..., *theta_shape) that looks at boxes (..., 4) as well as it can.

        What the family cannot do (another aspect ratio, another size) it leaves: isotropic
        windows cover the box, translated ones are centred on it.
        """

    @abstractmethod
    def _bounded(self, raw: Tensor) -> Tensor: ...

    @abstractmethod
    def _raw(self, raw: Tensor) -> Tensor: ...

    def _start(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and centres (K, 2) of the tiles that the windows start on."""
        share = _BORDER_SHARE if self.bounded else 1.0
        centre = tile_centres(self.num_heads).to(raw) * share * (1 - self.scale)
        return torch.full_like(centre, self.scale), centre

    def _scale_of(self, raw: Tensor, start: float | None = None) -> Tensor:
        """min_scale to max_scale, by a sigmoid that is `start` at 0."""
        span = self.max_scale - self.min_scale
        share = ((self.scale if start is None else start) - self.min_scale) / span
        return self.min_scale + span * torch.sigmoid(raw + math.log(share / (1 - share)))

    def _centre_of(self, raw: Tensor, reach: Tensor | float) -> Tensor:
        """The centre (..., K, 2) of windows that reach so far to each side: inside the map."""
        start = (tile_centres(self.num_heads).to(raw) * _BORDER_SHARE).atanh()
        return torch.tanh(raw + start) * (1 - reach)


@dataclass(frozen=True)
class Translation(Transform):
    """Translation of a window of fixed scale (x, y): the paper's CUB heads.

    Bounded: centre = tanh(raw) * (1 - scale). Raw: centre = start + raw.
    """

    name = "translation"
    num_parameters = 2
    axis_aligned = True
    has_scale = False

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """Windows of the fixed scale, centred on the boxes."""
        theta = theta_from_boxes(boxes)
        return window_theta(torch.full_like(theta[..., 2], self.scale), theta[..., 2])

    def _bounded(self, raw: Tensor) -> Tensor:
        return window_theta(torch.full_like(raw, self.scale), self._centre_of(raw, self.scale))

    def _raw(self, raw: Tensor) -> Tensor:
        return window_theta(torch.full_like(raw, self.scale), self._start(raw)[1] + raw)


@dataclass(frozen=True)
class Attention(Transform):
    """Isotropic scale and translation (s, x, y; Jaderberg et al. 2015, eq. 2).

    Bounded: s = min + (max - min) * sigmoid(raw_0), centre = tanh(raw_1, raw_2) * (1 - s).
    Raw: all three = start + raw.
    """

    name = "attention"
    num_parameters = 3
    axis_aligned = True

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """The smallest isotropic windows around the boxes."""
        return _isotropic(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        scale = self._scale_of(raw[..., :1])
        centre = self._centre_of(raw[..., 1:], scale)
        return window_theta(scale.expand_as(centre), centre)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, centre = self._start(raw)
        return window_theta(scale + raw[..., :1], centre + raw[..., 1:])


@dataclass(frozen=True)
class AnisotropicAttention(Transform):
    """A scale for each axis, and translation (sx, sy, x, y); each as of `Attention`."""

    name = "anisotropic"
    num_parameters = 4
    axis_aligned = True

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """The boxes themselves."""
        return theta_from_boxes(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        scale = self._scale_of(raw[..., :2])
        return window_theta(scale, self._centre_of(raw[..., 2:], scale))

    def _raw(self, raw: Tensor) -> Tensor:
        scale, centre = self._start(raw)
        return window_theta(scale + raw[..., :2], centre + raw[..., 2:])


@dataclass(frozen=True)
class Similarity(Transform):
    """Scale, rotation and translation.

    Bounded (s, angle, x, y): s by a sigmoid, the angle within +-max_angle by tanh; a window that
    would reach beyond the map when turned is shrunk to it. Raw (a, b, x, y): [[a, -b], [b, a]].
    """

    max_angle: float = math.pi
    """Bounded: the largest rotation to each side, radians."""

    name = "similarity"
    num_parameters = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.max_angle > 0:
            raise InputError(f"max_angle must be above 0, got {self.max_angle}")

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """The smallest isotropic windows around the boxes, not rotated."""
        return _isotropic(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        angle = self.max_angle * torch.tanh(raw[..., 1] / self.max_angle)
        cos, sin = self._scale_of(raw[..., 0]) * torch.stack([angle.cos(), angle.sin()])
        linear = torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))
        linear, reach = _shrunk_to_map(linear)
        centre = self._centre_of(raw[..., 2:], reach)
        return torch.cat([linear, centre.unsqueeze(-1)], dim=-1)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, centre = self._start(raw)
        a, b = scale[:, 0] + raw[..., 0], raw[..., 1]
        linear = torch.stack([a, -b, b, a], dim=-1).unflatten(-1, (2, 2))
        return torch.cat([linear, (centre + raw[..., 2:]).unsqueeze(-1)], dim=-1)


@dataclass(frozen=True)
class Affine(Transform):
    """All six numbers of an affine map, row by row (Jaderberg et al. 2015, eq. 1).

    Bounded: the diagonal by a sigmoid as scales, the rest of the linear part within +-scale by
    tanh (rotation and shear, no flip), rows shrunk to the map, the centre as of `Attention`.
    """

    name = "affine"
    num_parameters = 6

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """The boxes themselves."""
        return theta_from_boxes(boxes)

    def _bounded(self, raw: Tensor) -> Tensor:
        raw = raw.unflatten(-1, (2, 3))
        scale = self._scale_of(_diagonal(raw))
        linear, reach = _sheared(scale, raw[..., :2])
        centre = self._centre_of(raw[..., 2], reach)
        return torch.cat([linear, centre.unsqueeze(-1)], dim=-1)

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
        """The boxes themselves, without perspective."""
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
    """Where each of 4 x 4 control points comes from (x, y of each, row by row); see `splines`.

    Bounded: place = tanh(raw + start), so that every control point stays inside the map (between
    them the spline may bulge out a little, and it may fold). Raw: place = start + raw.
    """

    name = "tps"
    num_parameters = 2 * NUM_CONTROL_POINTS
    theta_shape = SPLINE
    has_scale = False

    def from_boxes(self, boxes: Tensor) -> Tensor:
        """The boxes themselves, not bent."""
        return transform_points(theta_from_boxes(boxes), control_points(boxes))

    def _bounded(self, raw: Tensor) -> Tensor:
        return torch.tanh(raw.unflatten(-1, (-1, 2)) + self._places(raw).atanh())

    def _raw(self, raw: Tensor) -> Tensor:
        return self._places(raw) + raw.unflatten(-1, (-1, 2))

    def _places(self, raw: Tensor) -> Tensor:
        """(K, 16, 2)."""
        return transform_points(window_theta(*self._start(raw)), control_points(raw))


@dataclass(frozen=True)
class VolumetricAffine(Transform):
    """All twelve numbers of an affine map of (x, y, t), row by row (Jaderberg et al. 2015, 3.2).

    In time it starts with the whole clip (raw) or with `start_time` of it (bounded); bounded as
    `Affine` is. It may lean: look at another place at another time.
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
        """The boxes, over the whole time."""
        theta = theta_from_boxes(boxes)
        scale = _diagonal(theta)
        return window_theta(
            torch.cat([scale, torch.ones_like(scale[..., :1])], -1),
            torch.cat([theta[..., 2], torch.zeros_like(scale[..., :1])], -1),
        )

    def _bounded(self, raw: Tensor) -> Tensor:
        raw = raw.unflatten(-1, (3, 4))
        diagonal = _diagonal(raw)
        scale = torch.cat(
            [self._scale_of(diagonal[..., :2]), self._scale_of(diagonal[..., 2:], self.start_time)],
            dim=-1,
        )
        linear, reach = _sheared(scale, raw[..., :3])
        centre = self._centre_of(raw[..., :2, 3], reach[..., :2])
        time = torch.tanh(raw[..., 2:, 3]) * (1 - reach[..., 2:])
        return torch.cat([linear, torch.cat([centre, time], dim=-1).unsqueeze(-1)], dim=-1)

    def _raw(self, raw: Tensor) -> Tensor:
        scale, centre = self._start(raw)
        scale = torch.cat([scale, torch.ones_like(scale[:, :1])], dim=-1)
        centre = torch.cat([centre, torch.zeros_like(centre[:, :1])], dim=-1)
        return window_theta(scale, centre) + raw.unflatten(-1, (3, 4))


TRANSFORMS: dict[str, type[Transform]] = {
    family.name: family
    for family in (
        Translation, Attention, AnisotropicAttention, Similarity, Affine, Projective,
        ThinPlateSpline, VolumetricAffine,
    )
}  # fmt: skip


def build_transform(name: str, num_heads: int, **settings: float | bool | None) -> Transform:
    """The family called `name` for `num_heads` windows.

    Args:
        name: translation, attention, anisotropic, similarity, affine, projective, tps, volumetric.
        num_heads: K.
        **settings: of the family: start_scale, min_scale, max_scale, bounded, ...

    Raises:
        InputError: there is no such family, or it has no such setting.
    """
    if name not in TRANSFORMS:
        raise InputError(f"transform must be one of {sorted(TRANSFORMS)}, got {name!r}")
    family = TRANSFORMS[name]
    known = {field.name for field in fields(family)} - {"num_heads"}
    if unknown := set(settings) - known:
        raise InputError(
            f"{name} has no setting {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    return family(num_heads, **settings)  # type: ignore[arg-type]


def _diagonal(matrices: Tensor) -> Tensor:
    """(..., D) of (..., D, D + 1); by hand, since compilers stumble over `Tensor.diagonal`."""
    D = matrices.shape[-2]
    return torch.stack([matrices[..., axis, axis] for axis in range(D)], dim=-1)


def _isotropic(boxes: Tensor) -> Tensor:
    theta = theta_from_boxes(boxes)
    scale = _diagonal(theta).amax(-1, keepdim=True)
    return window_theta(scale.expand_as(theta[..., 2]), theta[..., 2])


def _sheared(scale: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """The linear part (..., D, D) with `scale` (..., D) on its diagonal, and its reach."""
    D = scale.shape[-1]
    off_diagonal = 1 - torch.eye(D, dtype=scale.dtype, device=scale.device)
    # together never more than the diagonal, so that nothing flips
    shear = torch.tanh(raw) * off_diagonal * scale.unsqueeze(-1) / (D - 1)
    return _shrunk_to_map(torch.diag_embed(scale) + shear)


def _shrunk_to_map(linear: Tensor) -> tuple[Tensor, Tensor]:
    """Rows shrunk until the window is no larger than the map, and how far it reaches (..., D)."""
    reach = linear.abs().sum(-1)
    return linear / reach.clamp(min=1).unsqueeze(-1), reach.clamp(max=1)


def _homogeneous(theta: Tensor) -> Tensor:
    """(..., 2, 3) to (..., 3, 3)."""
    last = theta.new_tensor([[0, 0, 1]]).expand(*theta.shape[:-2], 1, 3)
    return torch.cat([theta, last], dim=-2)


_BORDER_SHARE = 0.8
"""Bounded windows start so far on the way to the border, where tanh still has a gradient."""
