"""Where heads look, in a form that can be scored: windows, or weights of a map's cells.

Of weights, the *place* is the set of cells that holds half the mass (see
`geometry.attention_mass`).

Letters: N videos with one clip each, T frames of a clip, K heads, S steps of weights, H, W the map.
"""

from collections.abc import Sequence
from typing import Protocol, Self

import torch
from torch import Tensor

from stn_action.evaluation.window_outlines import window_outlines
from stn_action.geometry.attention_mass import effective_area, half_mass
from stn_action.geometry.cells import Cells
from stn_action.geometry.heat_maps import cell_areas, cells_at
from stn_action.geometry.outlines import frame_steps, join_heads
from stn_action.geometry.polygons import contains_points, polygon_area, union_area, window_area
from stn_action.models.prediction import Focus

_VIDEOS_AT_ONCE = 64
"""Sorting cells takes several times the memory of the weights."""


class Places(Protocol):
    """What the scores ask about places."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, T, K."""
        ...

    def hold(self, points: Tensor) -> Tensor:
        """Return whether places (N, T, K) hold points (N, T, 2), normalized on the clip."""
        ...

    def areas(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean area and effective area, (K + 1,) each, in the frames `known` (N, T).

        They are shares of the clip; the last is of all heads together.
        """
        ...

    def of_videos(self, order: Tensor) -> Self:
        """Return the places of the videos `order` (N,)."""
        ...

    def anywhere(self, generator: torch.Generator | None) -> Self:
        """Return places of the same size elsewhere in the clip, drawn per video and head."""
        ...


def places_of(focus: Sequence[Focus], rows: Tensor) -> Places:
    """Return the places of some clips' heads.

    Args:
        focus: of each placement.
        rows: (N,) int64, of the clips.

    Raises:
        ValueError: several placements, not all with windows.
    """
    if focus and all(one.theta is not None for one in focus):
        return WindowPlaces(join_heads(window_outlines(focus, rows)))
    if len(focus) != 1:
        raise ValueError(f"{len(focus)} placements must all have windows to be scored together")
    return WeightPlaces(focus[0].places[rows], focus[0].cells)


class WindowPlaces:
    """Windows: a window holds what is inside, and all of its area inside the clip is effective.

    Args:
        outlines: (N, T, K, P, 2), normalized on the clip; one without area, as of a volumetric
            head in frames outside its window, holds nothing.

    Raises:
        ValueError: the outlines have another shape.
    """

    def __init__(self, outlines: Tensor) -> None:
        if outlines.dim() != 5 or outlines.shape[-1] != 2 or min(outlines.shape[2:]) < 1:
            raise ValueError(f"outlines must be (N, T, K, P, 2), got {tuple(outlines.shape)}")
        self.outlines = outlines.double()

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, T, K."""
        return self.outlines.shape[0], self.outlines.shape[1], self.outlines.shape[2]

    def hold(self, points: Tensor) -> Tensor:
        """Return whether windows (N, T, K) hold points (N, T, 2)."""
        return contains_points(self.outlines, points[:, :, None])

    def areas(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return area and effective area: the windows' and their union's, (K + 1,) each."""
        outlines = self.outlines[known]
        area = torch.cat(
            [window_area(outlines).mean(0), union_area(outlines).mean(0, keepdim=True)]
        )
        return area, area

    def of_videos(self, order: Tensor) -> Self:
        """Return the windows of other videos."""
        return type(self)(self.outlines[order])

    def anywhere(self, generator: torch.Generator | None) -> Self:
        """Return windows moved to a random place in the clip, one place per video and head.

        A window that overlaps the clip's edge is first shrunk to its area inside.
        """
        outlines = self.outlines
        center = outlines.mean(-2, keepdim=True)
        shrink = (window_area(outlines) / (polygon_area(outlines) / 4)).nan_to_num(0).sqrt()
        offsets = (outlines - center) * shrink[..., None, None]
        low, high = offsets.amin(-2, keepdim=True), offsets.amax(-2, keepdim=True)
        room = (2 - (high - low)).clamp(min=0)
        N, _, K = self.shape
        share = torch.rand(N, 1, K, 1, 2, generator=generator, dtype=outlines.dtype)
        share = share.to(outlines.device)
        return type(self)(offsets - (low + high) / 2 + (share - 0.5) * room)


class WeightPlaces:
    """Weights of cells: the cells that hold half the mass hold a point.

    Args:
        weights: (N, K, S, H, W), S = 1 or the map's time steps.
        cells: positions of the map's cells in the clip.
    """

    def __init__(self, weights: Tensor, cells: Cells) -> None:
        self.weights = weights
        self.cells = cells
        self.sets = torch.cat([half_mass(part) for part in weights.split(_VIDEOS_AT_ONCE)])
        self._steps = frame_steps(cells, weights.shape[2])  # (T,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, T, K."""
        return len(self.weights), self.cells.clip_thw[0], self.weights.shape[1]

    def hold(self, points: Tensor) -> Tensor:
        """Return whether sets (N, T, K) hold the cells of points (N, T, 2)."""
        H, W = self.sets.shape[-2:]
        rows, columns = cells_at(points, self.cells)
        on_map = (rows >= 0) & (rows < H) & (columns >= 0) & (columns < W)  # (N, T)
        videos = torch.arange(len(rows))[:, None]
        held = self.sets[videos, :, self._steps, rows.clamp(0, H - 1), columns.clamp(0, W - 1)]
        return held & on_map[..., None]

    def areas(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the areas of the sets and their union, and effective areas, (K + 1,) each.

        The effective area of all heads is that of their mean weights.
        """
        of_cells = cell_areas(self.cells)  # (H, W)
        sets = torch.cat([self.sets, self.sets.any(1, keepdim=True)], dim=1)
        area = (sets * of_cells).sum((-2, -1))  # (N, K + 1, S)
        weights = torch.cat([self.weights, self.weights.mean(1, keepdim=True)], dim=1)
        effective = effective_area(weights).double() * of_cells.sum()
        return self._mean(area, known), self._mean(effective, known)

    def of_videos(self, order: Tensor) -> Self:
        """Return the weights of other videos."""
        return self._with(self.weights[order], self.sets[order])

    def anywhere(self, generator: torch.Generator | None) -> Self:
        """Return weights shifted by a random number of cells, one shift per video and head.

        What leaves the map on one side comes back on the other, so that the area stays the same.
        """
        N, _, K = self.shape
        H, W = self.sets.shape[-2:]
        shift = torch.rand(2, N, K, 1, 1, 1, generator=generator)
        rows = (torch.arange(H)[:, None] + (shift[0] * H).long()) % H  # (N, K, 1, H, 1)
        columns = (torch.arange(W) + (shift[1] * W).long()) % W  # (N, K, 1, 1, W)
        shifted = (
            x.take_along_dim(rows, dim=-2).take_along_dim(columns, dim=-1)
            for x in (self.weights, self.sets)
        )
        return self._with(*shifted)

    def _with(self, weights: Tensor, sets: Tensor) -> Self:
        other = type(self).__new__(type(self))
        other.weights, other.sets = weights, sets
        other.cells, other._steps = self.cells, self._steps
        return other

    def _mean(self, of_steps: Tensor, known: Tensor) -> Tensor:
        """Return the mean (K,) of (N, K, S) over the frames `known` (N, T)."""
        return of_steps.transpose(1, 2)[:, self._steps][known].mean(0)
