"""The mass of attention over a map's cells: where half of it is, and on how much area it rests.

A window and a weight map are made comparable here: a window weighs its area inside the map equally
and everything else with 0.

Convention:
    - weights are (..., H, W), not negative; only their shares of the map's sum matter
    - areas are shares of the map's area, in [0, 1]

Letters: K heads, S steps of a clip; `...` are any leading sizes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from stn_action.geometry.polygons import window_area
from stn_action.geometry.theta import outline

_ROUNDING = 1e-6
"""Share of the mass that counts as none: sums of float32 are that exact."""
_EQUAL = 1e-4
"""Weights that differ by less than this share of them are equal."""


class AttendedAreas(NamedTuple):
    """Areas of windows or of weight maps, shares of the map in [0, 1]."""

    area: Tensor
    """(...): of the window inside the map; of weights that of the cells that hold half of them."""
    effective: Tensor
    """(...): of the window the same; of weights `effective_area`."""


def top_mass(weights: Tensor, share: float) -> Tensor:
    """Return the heaviest cells that hold a share of the mass: as few as hold it.

    Equal cells are in the set together or not at all, so that no order of the cells decides: of
    equal weights on a part of the map, the set is that part.

    Args:
        weights: (..., H, W).
        share: of the mass, in [0, 1]; 0 selects no cell.

    Returns:
        (..., H, W) bool; no cell where all weights are 0.

    Raises:
        ValueError: the share is not in [0, 1].

    Example:
        >>> top_mass(torch.tensor([[0.2, 0.1], [0.4, 0.3]]), 0.5)
        tensor([[False, False],
                [ True,  True]])
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    flat = weights.flatten(-2).double()
    ordered = flat.sort(dim=-1, descending=True).values
    wanted = share * ordered.sum(-1, keepdim=True) * (1 - _ROUNDING)
    needed = (ordered.cumsum(-1) - ordered < wanted) & (ordered > 0)
    lightest = ordered.where(needed, torch.inf).amin(-1, keepdim=True)
    return (flat >= lightest * (1 - _EQUAL)).unflatten(-1, weights.shape[-2:])


def half_mass(weights: Tensor) -> Tensor:
    """Return the heaviest cells (..., H, W), bool, that hold half the mass: see `top_mass`."""
    return top_mass(weights, 0.5)


def effective_area(weights: Tensor) -> Tensor:
    """Return the area that a uniform map of the same entropy covers: exp(entropy) / (H * W).

    1 for equal weights, 1 / (H * W) for all mass in one cell.

    Args:
        weights: (..., H, W).

    Returns:
        (...), a share of the map; 0 where all weights are 0.
    """
    flat = weights.flatten(-2).double()
    total = flat.sum(-1, keepdim=True)
    shares = flat / total.where(total > 0, 1)
    cells = torch.special.entr(shares).sum(-1).exp() / flat.shape[-1]
    return cells.where(total[..., 0] > 0, 0).to(weights.dtype)


def attended_areas(theta: Tensor | None, weights: Tensor | None) -> AttendedAreas:
    """Return the areas of a placement's windows or weights, whichever it has.

    Args:
        theta: (..., *kind), or None.
        weights: (..., H, W), or None.

    Returns:
        (...) each, on the stage's map.

    Raises:
        ValueError: not exactly one of both is given.
    """
    if (theta is None) == (weights is None):
        both = "both" if theta is not None else "neither"
        raise ValueError(f"exactly one of theta and weights must be given, got {both}")
    if theta is not None:
        area = window_area(outline(theta))
        return AttendedAreas(area, area)
    assert weights is not None
    area = half_mass(weights).flatten(-2).to(weights.dtype).mean(-1)
    return AttendedAreas(area, effective_area(weights))
