"""Order of a clip's pixels by what heads or maps weigh, for masks of any area.

An order is a number for each pixel, highest first: the mask of n pixels is that of the n highest.
So masks of windows, of weights and of any map have exactly the same area.

Letters: S steps, T frames of the clip, h, w its size, H, W a map; `...` are any leading sizes.
"""

import torch
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.outlines import frame_steps, frame_times, map_edges
from stn_action.geometry.theta import VOLUMETRIC, invert_points, kind_of, window_theta


def window_order(theta: Tensor, cells: Cells) -> Tensor:
    """Return how far inside the nearest window's border each pixel of the clip is.

    0 at the border and 1 at the center: the highest pixels are those inside the windows scaled
    about their centers, and the windows themselves are where it is not negative.

    Args:
        theta: (..., K, S, *kind), S = 1 or the map's time steps.
        cells: positions of the map's cells in the clip.

    Returns:
        (..., T, h, w); -inf where a bent window's inverse is not found.

    Raises:
        ValueError: theta has no inverse.
    """
    h, w = cells.clip_thw[1:]
    points = _pixels_on_map(cells).to(theta).flatten(0, 1)  # (h * w, 2)
    if kind_of(theta) == VOLUMETRIC:
        times = frame_times(cells).to(theta)
        frames = [
            _inside(theta, torch.cat([points, t.expand(len(points), 1)], dim=-1)) for t in times
        ]
        order = torch.cat(frames, dim=-2)  # (..., T, h * w), S = 1 is the frames' axis
    else:
        order = _inside(theta, points)  # (..., S, h * w)
        order = order.index_select(-2, frame_steps(cells, theta.shape[-3]).to(theta.device))
    return order.unflatten(-1, (h, w))


def map_order(maps: Tensor, cells: Cells) -> Tensor:
    """Return maps at each pixel of the clip, bilinear between the centers of cells.

    Args:
        maps: (..., S, H, W), S = 1 or the map's time steps.
        cells: positions of the map's cells in the clip.

    Returns:
        (..., T, h, w); beyond the outer centers the values of the outer cells.
    """
    rows, columns = (
        _tents(cells.first_thw[axis], cells.step_thw[axis], cells.size_thw[axis], size).to(maps)
        for axis, size in enumerate(cells.clip_thw[1:], start=1)
    )
    steps = frame_steps(cells, maps.shape[-3]).to(maps.device)
    return (rows @ maps @ columns.T).index_select(-3, steps)


def square_order(centers: Tensor, cells: Cells) -> Tensor:
    """Return the order of rectangles as wide and high as a share of the clip, about centers.

    Args:
        centers: (..., 2), normalized on the clip.
        cells: their clip size counts.

    Returns:
        (..., T, h, w).
    """
    whole = Cells.centered((1, *cells.clip_thw[1:]), cells.clip_thw)
    theta = window_theta(torch.ones_like(centers), centers)
    return window_order(theta[..., None, None, :, :], whole)


def first_pixels(order: Tensor, counts: Tensor) -> Tensor:
    """Return the masks of the first pixels of each frame; of equal ones the upper left first.

    Args:
        order: (..., h, w).
        counts: (...) int64, number of pixels in [0, h * w].

    Returns:
        (..., h, w) bool, with exactly `counts` pixels each.
    """
    flat = order.flatten(-2)
    places = flat.argsort(dim=-1, descending=True, stable=True)
    chosen = torch.arange(flat.shape[-1], device=flat.device) < counts[..., None]
    masks = torch.zeros_like(flat, dtype=torch.bool).scatter_(-1, places, chosen)
    return masks.unflatten(-1, order.shape[-2:])


def _inside(theta: Tensor, points: Tensor) -> Tensor:
    """Return 1 - the largest coordinate of points in the nearest of K windows: (..., S, M)."""
    places = invert_points(theta, points)  # (..., K, S, M, D)
    reach = places.abs().amax(-1).nan_to_num(torch.inf)
    return 1 - reach.amin(-3)


def _pixels_on_map(cells: Cells) -> Tensor:
    """Return the centers (h, w, 2) of the clip's pixels, normalized on the map, float64."""
    x0, y0, x1, y1 = map_edges(cells).tolist()
    h, w = cells.clip_thw[1:]
    x = (torch.arange(w, dtype=torch.float64) * 2 + 1) / w - 1
    y = (torch.arange(h, dtype=torch.float64) * 2 + 1) / h - 1
    x, y = 2 * (x - x0) / (x1 - x0) - 1, 2 * (y - y0) / (y1 - y0) - 1
    return torch.stack([x.expand(h, w), y[:, None].expand(h, w)], dim=-1)


def _tents(first: float, step: float, num_cells: int, num_pixels: int) -> Tensor:
    """Return bilinear weights (pixels, cells) of cells at first + step * i, float64."""
    places = (torch.arange(num_pixels, dtype=torch.float64) - first) / step
    places = places.clamp(0, num_cells - 1)
    return (1 - (places[:, None] - torch.arange(num_cells)).abs()).clamp(min=0)
