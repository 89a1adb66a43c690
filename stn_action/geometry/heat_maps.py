"""Weight maps of heads on the source frames: which cells weigh how much, and where these are.

Convention:
    - heads without windows weigh the cells of a stage's map; a step of weights covers the clip
      frames nearest to it, as a step of theta does
    - source coordinates are pixels: 0 and W are the outer edges of the image

Letters: S steps of a clip, T frames, K heads, H, W the map; `...` are any leading sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.outlines import clip_to_source, frame_steps, map_edges


@dataclass(frozen=True, eq=False)
class HeatMaps:
    """The weight maps of one placement of heads on source frames."""

    weights: Tensor
    """(..., K, H, W)."""
    edges: Tensor
    """(..., 4) xyxy, the map's outer edges in source pixels; x0 > x1 if the clip is mirrored."""

    def __post_init__(self) -> None:
        if self.edges.shape != (*self.weights.shape[:-3], 4) or self.weights.dim() < 3:
            raise ValueError(
                "weights must be (..., K, H, W) and edges (..., 4), got "
                f"{tuple(self.weights.shape)} and {tuple(self.edges.shape)}"
            )

    def __getitem__(self, index: int | Tensor | Sequence[int]) -> "HeatMaps":
        """Return the maps of one frame, or of several in the order of `index`."""
        return HeatMaps(self.weights[index], self.edges[index])

    @property
    def num_heads(self) -> int:
        """K."""
        return self.weights.shape[-3]

    def scaled(self, factor: float) -> "HeatMaps":
        """Return the maps on frames that are `factor` times as large."""
        return HeatMaps(self.weights, self.edges * factor)

    def flattened(self) -> "HeatMaps":
        """Return the maps with all leading sizes as one: views one after the other."""
        return HeatMaps(self.weights.flatten(0, -4), self.edges.flatten(0, -2))


def stack_maps(maps: Sequence[HeatMaps]) -> HeatMaps:
    """Return maps of equal sizes along a new first axis."""
    return HeatMaps(
        torch.stack([one.weights for one in maps]), torch.stack([one.edges for one in maps])
    )


def focus_heat(weights: Tensor, cells: Cells, boxes: Tensor) -> HeatMaps:
    """Return the weight maps of one clip's heads in each of its source frames.

    Args:
        weights: (K, S, H, W) of one clip.
        cells: positions of the stage's cells in the clip.
        boxes: (T, 4), the clip's edges in source pixels, xyxy; x0 > x1 in a mirrored clip.

    Returns:
        Maps of (T, K, H, W).

    Raises:
        ValueError: the shapes do not agree.
    """
    maps = frame_weights(weights, cells)
    if boxes.shape != (len(maps), 4):
        raise ValueError(f"boxes must be ({len(maps)}, 4), got {tuple(boxes.shape)}")
    edges = map_edges(cells).reshape(2, 2).to(boxes)
    return HeatMaps(maps, clip_to_source(edges, boxes[:, None]).flatten(-2))


def frame_weights(weights: Tensor, cells: Cells) -> Tensor:
    """Return the weights of each clip frame: those of the nearest step.

    Args:
        weights: (..., K, S, H, W), S = 1 or the map's time steps.
        cells: positions of the stage's cells in the clip.

    Returns:
        (..., T, K, H, W).

    Raises:
        ValueError: the weights are of another map.
    """
    T, H, W = cells.size_thw
    num_steps = weights.shape[-3] if weights.dim() >= 4 else 0
    if num_steps not in {1, T} or weights.shape[-2:] != (H, W):
        raise ValueError(
            f"weights must be (..., K, S, {H}, {W}) with S = "
            f"{' or '.join(str(size) for size in sorted({1, T}))}, got {tuple(weights.shape)}"
        )
    steps = frame_steps(cells, num_steps).to(weights.device)
    return weights.movedim(-3, -4).index_select(-4, steps)


def cell_areas(cells: Cells) -> Tensor:
    """Return the share of the clip (H, W) that each cell covers, float64; 0 beyond its edges."""
    x0, y0, x1, y1 = map_edges(cells).tolist()
    H, W = cells.size_thw[1:]
    rows = torch.linspace(y0, y1, H + 1, dtype=torch.float64).clamp(-1, 1).diff()
    columns = torch.linspace(x0, x1, W + 1, dtype=torch.float64).clamp(-1, 1).diff()
    return rows[:, None] * columns / 4


def cells_at(points: Tensor, cells: Cells) -> tuple[Tensor, Tensor]:
    """Return the row and column of the cell at each point of the clip.

    Args:
        points: (..., 2) in (x, y), normalized on the clip.
        cells: positions of the stage's cells in the clip.

    Returns:
        (...) int64 each; rows and columns that the map does not have are those of points beyond
        its edges, -1 of points that are not finite.
    """
    start, end = map_edges(cells).to(points).split(2)
    size = points.new_tensor([cells.size_thw[2], cells.size_thw[1]])
    places = ((points - start) / (end - start) * size).floor().nan_to_num(-1, -1, -1).long()
    return places[..., 1], places[..., 0]
