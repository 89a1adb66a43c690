"""Theta, raw numbers and boxes that several tests look at."""

import torch
from hypothesis import strategies as st

from stn_action.geometry.theta import window_theta

BOXES = torch.tensor([[[-0.5, 0.2, 0.1, 0.6], [-1, -1, 1, 1]]])  # 0.3 x 0.2 about (-0.2, 0.4)


def windows(*shape, low, high, reach=0.6, dtype=torch.float64):
    """Random axis-aligned theta (*shape, 2, 3); windows partly outside the map, some mirrored."""
    scale = torch.empty(*shape, 2, dtype=dtype).uniform_(low, high)
    scale *= torch.where(torch.rand(*shape, 2) < 0.3, -1, 1)
    return window_theta(scale, torch.empty(*shape, 2, dtype=dtype).uniform_(-reach, reach))


def drawn_raw(data, transform, size=50):
    """Raw numbers of 8 samples: mild ones, or such that lie at and near the extremes."""
    torch.manual_seed(data.draw(st.integers(0, 2**31)))
    shape = (8, transform.num_heads, transform.num_parameters)
    edges = torch.tensor(data.draw(st.lists(st.floats(-size, size), min_size=1, max_size=4)))
    mild, wild = torch.randn(shape), edges.float()[torch.randint(len(edges), shape)]
    return torch.where(torch.rand(shape) < data.draw(st.sampled_from([0, 0.5, 1])), mild, wild)


def weights_of_boxes(boxes, size_hw):
    """Equal weights (..., H, W), summing to 1, of the cells whose centers are in boxes (..., 4)."""
    H, W = size_hw
    columns, rows = ((torch.arange(size) * 2 + 1) / size - 1 for size in (W, H))
    left, top, right, bottom = boxes[..., None].unbind(-2)  # (..., 1)
    across, down = (columns > left) & (columns < right), (rows > top) & (rows < bottom)
    inside = (down[..., :, None] & across[..., None, :]).float()
    return inside / inside.sum((-2, -1), keepdim=True)
