"""theta of every kind: points through it, composition, inversion, boxes and outlines.

Convention:
    - theta maps output to input coordinates, both normalized; -1 and 1 are the outer edges of the
      map (`align_corners=False`); coordinates are (x, y), in volumes (x, y, t)
    - the last two sizes are the kind: (2, 3) an affine map, (3, 3) a homography with a last
      element of 1, (16, 2) a thin-plate spline (see `splines`), (3, 4) an affine map of a volume
    - a box is xyxy, normalized on the map

Letters: M points, D dimensions (2, or 3 of a volume).
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor

from stn_action.geometry.splines import (
    NUM_CONTROL_POINTS,
    control_points,
    spline_basis,
    spline_basis_slopes,
)

AFFINE, PROJECTIVE, SPLINE, VOLUMETRIC = (2, 3), (3, 3), (NUM_CONTROL_POINTS, 2), (3, 4)
KINDS = {
    AFFINE: "affine",
    PROJECTIVE: "projective",
    SPLINE: "thin-plate spline",
    VOLUMETRIC: "volumetric",
}


def kind_of(theta: Tensor) -> tuple[int, int]:
    """Return the last two sizes of theta.

    Raises:
        ValueError: there is no such kind of theta.
    """
    kind = (theta.shape[-2], theta.shape[-1]) if theta.dim() >= 2 else (0, 0)
    if kind not in KINDS:
        known = ", ".join(f"{shape} {name}" for shape, name in KINDS.items())
        raise ValueError(f"theta must end in one of {known}; got shape {tuple(theta.shape)}")
    return kind


def at_least_float32(x: Tensor) -> Tensor:
    """Return coordinates in float32 or wider: half precision costs entire pixels of accuracy."""
    return x if x.dtype == torch.float64 else x.float()


def without_autocast(values: Tensor) -> AbstractContextManager[object]:
    """Return a context in which operations on values of this device keep their precision."""
    if values.is_meta:  # has no autocast
        return nullcontext()
    return torch.autocast(values.device.type, enabled=False)


def is_readable(values: Tensor) -> bool:
    """Return whether there are values that can be read at once.

    A GPU would have to wait; a compiler and `torch.func.vmap` have none.
    """
    if torch.compiler.is_compiling() or values.device.type != "cpu":
        return False
    return values.numel() > 0 and not is_batchedtensor(values)


def transform_points(theta: Tensor, points: Tensor) -> Tensor:
    """Map points of the output to the input.

    Args:
        theta: (..., *kind).
        points: (..., M, D) or (M, D), normalized, D = 3 for volumetric theta.

    Returns:
        (..., M, D). A homography sends points on its horizon to infinity.

    Raises:
        ValueError: theta or the points have another shape.
    """
    kind = kind_of(theta)
    D = 3 if kind == VOLUMETRIC else 2
    if points.shape[-1] != D or points.dim() < 2:
        raise ValueError(f"points must be (..., M, {D}), got {tuple(points.shape)}")
    if kind == SPLINE:
        return spline_basis(points) @ theta
    linear = theta[..., :, :D].transpose(-1, -2)
    mapped = points @ linear + theta[..., None, :, D]
    return mapped[..., :D] / mapped[..., D:] if kind == PROJECTIVE else mapped


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Return the theta of sampling with `first` and then with `second`.

    As maps of coordinates: first(second(.)). Affine maps and homographies are closed under this;
    so are attention, anisotropic attention and similarity. Two translations of scale s give a
    window of scale s * s.

    Args:
        first: (..., *kind), used to sample the input.
        second: (..., *kind) of the same kind, used to sample the result.

    Returns:
        (..., *kind).

    Raises:
        ValueError: the kinds differ, or are thin-plate splines, which are not closed.
    """
    kind = kind_of(first)
    if kind != kind_of(second):
        raise ValueError(
            f"both theta must be of one kind, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    _refuse_spline(kind, "has no composition of its kind: transform points by both")
    return _trimmed(_square(first, kind) @ _square(second, kind), kind)


def invert(theta: Tensor) -> Tensor:
    """Return the inverse of theta: input to output coordinates.

    Args:
        theta: (..., *kind).

    Returns:
        (..., *kind).

    Raises:
        ValueError: it maps everything onto a line or a point, or is a thin-plate spline, whose
            inverse is not a spline (see `invert_points`).
    """
    kind = kind_of(theta)
    _refuse_spline(kind, "has no inverse of its kind: use invert_points")
    square = _square(theta, kind)
    if _is_singular(square).any():
        raise ValueError("theta has no inverse: it maps the output onto a line or a point")
    return _trimmed(torch.linalg.inv(square), kind)


def invert_points(theta: Tensor, points: Tensor, *, num_steps: int = 20) -> Tensor:
    """Map points of the input to the output: the inverse of `transform_points`.

    In closed form, except for thin-plate splines, where Newton's method starts from the inverse
    of the affine map that fits the control points best. It converges where the spline does not
    fold.

    Args:
        theta: (..., *kind).
        points: (..., M, D), normalized.
        num_steps: of Newton's method.

    Returns:
        (..., M, D); NaN where Newton's method did not come within 1e-3 of the point.

    Raises:
        ValueError: as `transform_points` and `invert`.
    """
    if kind_of(theta) != SPLINE:
        return transform_points(invert(theta), points)
    start = torch.linalg.inv_ex(_square(_fitted_affine(theta), AFFINE)).inverse
    places = transform_points(start.nan_to_num(0, 0, 0)[..., :2, :], points).clamp(-2, 2)
    for _ in range(num_steps):
        missing = points - transform_points(theta, places)
        # (..., M, 16, 2) and (..., 16, 2) to the Jacobian (..., M, input axis, output axis)
        slopes = spline_basis_slopes(places)
        jacobian = theta.transpose(-1, -2)[..., None, :, :] @ slopes
        step = torch.linalg.solve_ex(jacobian, missing[..., None]).result[..., 0]
        places = places + step.nan_to_num(0).clamp(-0.5, 0.5)
    error = (points - transform_points(theta, places)).abs().amax(-1, keepdim=True)
    return torch.where(error < 1e-3, places, torch.nan)


def window_theta(scale: Tensor, center: Tensor) -> Tensor:
    """Return theta of axis-aligned windows.

    Args:
        scale: (..., D), the window's extents as shares of the map's, x first.
        center: (..., D), the window's center, normalized.

    Returns:
        (..., D, D + 1).
    """
    return torch.cat([torch.diag_embed(scale), center.unsqueeze(-1)], dim=-1)


def theta_from_boxes(boxes: Tensor) -> Tensor:
    """Return theta (..., 2, 3) whose windows are boxes (..., 4), xyxy, normalized."""
    if boxes.shape[-1] != 4:
        raise ValueError(f"boxes must be (..., 4) xyxy, got {tuple(boxes.shape)}")
    start, end = boxes.split(2, dim=-1)
    return window_theta((end - start) / 2, (start + end) / 2)


def outline(theta: Tensor, *, points_per_side: int | None = None) -> Tensor:
    """Return the border of the window of theta, a curve if theta bends lines.

    Args:
        theta: (..., *kind); a volumetric one is evaluated at the middle of the output's time.
        points_per_side: number of pieces of a side; None: 1, of thin-plate splines 8.

    Returns:
        (..., 4 * points_per_side, 2), normalized: the output's border from its top left corner
        over the top right, bottom right and bottom left one. Where the horizon of a raw homography
        crosses the output, the border has no connected image, and the result is not an outline.
    """
    kind = kind_of(theta)
    pieces = points_per_side or (8 if kind == SPLINE else 1)
    border = _square_border(pieces, theta)
    if kind == VOLUMETRIC:
        theta, kind = theta[..., :2, [0, 1, 3]], AFFINE
    return transform_points(theta, border)


def enclosing_boxes(theta: Tensor) -> Tensor:
    """Return the smallest boxes (..., 4), xyxy, around the windows of theta (see `outline`)."""
    if kind_of(theta) == AFFINE:
        reach = theta[..., :2].abs().sum(-1)
        return torch.cat([theta[..., 2] - reach, theta[..., 2] + reach], dim=-1)
    points = outline(theta)
    return torch.cat([points.amin(-2), points.amax(-2)], dim=-1)


def window_centers(theta: Tensor) -> Tensor:
    """Return the image of the output's center: (..., 2), normalized."""
    kind = kind_of(theta)
    if kind == SPLINE:
        return transform_points(theta, theta.new_zeros(1, 2)).squeeze(-2)
    return theta[..., :2, -1]


def window_scales(theta: Tensor) -> Tensor:
    """Return the side (...) of a square with the window's area, as a share of the map's side."""
    points = outline(theta)
    points = points - points[..., :1, :]
    following = points.roll(-1, dims=-2)
    cross = points[..., 0] * following[..., 1] - points[..., 1] * following[..., 0]
    share = cross.sum(-1).abs() / 8  # half the sum is the area, the map's area is 4
    return share.clamp_min(torch.finfo(share.dtype).tiny).sqrt()  # a gradient even at no area


def _square(theta: Tensor, kind: tuple[int, int]) -> Tensor:
    """Append the row (0, ..., 0, 1) that affine maps leave out."""
    if kind == PROJECTIVE:
        return theta
    last = theta.new_tensor([0] * kind[0] + [1]).expand(*theta.shape[:-2], 1, kind[1])
    return torch.cat([theta, last], dim=-2)


def _trimmed(square: Tensor, kind: tuple[int, int]) -> Tensor:
    return square / square[..., 2:, 2:] if kind == PROJECTIVE else square[..., :-1, :]


def _is_singular(square: Tensor) -> Tensor:
    """Return whether matrices (..., D, D) are numerically singular at any scale: (...)."""
    scaled = square.detach()
    scaled = scaled / scaled.abs().amax(-2, keepdim=True)
    scaled = scaled / scaled.abs().amax(-1, keepdim=True)
    return ~(torch.linalg.det(scaled).abs() > 8 * torch.finfo(square.dtype).eps)


def _refuse_spline(kind: tuple[int, int], what: str) -> None:
    if kind == SPLINE:
        raise ValueError(f"a thin-plate spline {what}")


def _fitted_affine(theta: Tensor) -> Tensor:
    """Return the affine map (..., 2, 3) that fits a spline's control points best."""
    places = control_points(theta)
    places = torch.cat([places, torch.ones_like(places[:, :1])], dim=-1)
    return (torch.linalg.pinv(places) @ theta).transpose(-1, -2)


def _square_border(pieces: int, like: Tensor) -> Tensor:
    """Return the output's border (4 * pieces, 2), clockwise from its top left corner."""
    line = torch.arange(pieces, dtype=like.dtype, device=like.device) * 2 / pieces - 1
    end = torch.ones_like(line)
    sides = [(line, -end), (end, line), (-line, end), (-end, -line)]
    return torch.cat([torch.stack(side, dim=-1) for side in sides])
