"""Orders of pixels: windows of any kind, maps, and masks of an exact number of pixels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.outlines import clip_outlines
from stn_action.geometry.pixel_order import first_pixels, map_order, square_order, window_order
from stn_action.geometry.polygons import contains_points
from stn_action.geometry.theta import theta_from_boxes
from stn_action.geometry.transforms import TRANSFORMS, build_transform

CELLS = Cells((2, 4, 8), (8, 32, 48), (1.5, 3.0, 2.0), (4.0, 8.0, 6.0))
EVEN = Cells.centered((2, 4, 8), (8, 32, 48))


def pixel_centers(cells: Cells) -> Tensor:
    """(h * w, 2), normalized on the clip."""
    h, w = cells.clip_thw[1:]
    y = (torch.arange(h, dtype=torch.double) * 2 + 1) / h - 1
    x = (torch.arange(w, dtype=torch.double) * 2 + 1) / w - 1
    return torch.cartesian_prod(y, x).flip(-1)


def test_the_order_of_a_window_is_the_distance_from_its_border_in_windows():
    # The window x -0.5..0.5, y -1..0 of the clip: 1 at (0, -0.5), 0 at the border, -1 at x = 1.
    theta = theta_from_boxes(torch.tensor([-0.5, -1.0, 0.5, 0.0])).view(1, 1, 2, 3)
    order = window_order(theta, EVEN)
    assert order.shape == (8, 32, 48)
    x, y = pixel_centers(EVEN).float().unbind(-1)
    expected = 1 - torch.maximum(x.abs() / 0.5, (y + 0.5).abs() / 0.5)
    torch.testing.assert_close(order[3].flatten(), expected)


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS)))
def test_what_is_not_negative_is_inside_the_outlines(name):
    """Two heads of each family, random and off the even grid."""
    family = build_transform(name, 2)
    raw = torch.randn(3, 2, family.num_parameters, dtype=torch.double)
    raw = raw * (0.03 if name == "tps" else 0.3)  # a spline must not fold
    theta = family.build(raw)[:, :, None]
    order = window_order(theta, CELLS)
    assert order.shape == (3, 8, 32, 48)
    outlines = clip_outlines(theta, CELLS)  # (3, T, K, P, 2)
    points = pixel_centers(CELLS)
    inside = contains_points(outlines[:, :, :, None], points).any(2)
    differs = (order.flatten(-2) >= 0) != inside
    if name == "tps":  # outlines are polygons along a curve
        assert differs.float().mean() < 2e-3
    else:
        assert not differs.any()


def test_one_window_per_step_covers_the_frames_nearest_to_it():
    theta = theta_from_boxes(torch.rand(2, 2, 4).sort(dim=-1).values[..., [0, 1, 2, 3]])
    order = window_order(theta[None], EVEN)
    for frame in range(8):
        step = frame // 4
        alone = window_order(theta[None, :, step : step + 1], EVEN)
        torch.testing.assert_close(order[0, frame], alone[0, 0])


def test_a_map_is_interpolated_between_the_centers_of_its_cells():
    maps = torch.rand(3, 2, 4, 8)
    order = map_order(maps, CELLS)
    assert order.shape == (3, 8, 32, 48)
    for frame in (1, 6):
        for row in range(4):
            for column in range(8):
                got = order[:, frame, 3 + 8 * row, 2 + 6 * column]
                torch.testing.assert_close(got, maps[:, frame // 4, row, column])
    half = (maps[:, 0, 0, 2] + 3 * maps[:, 0, 1, 2]) / 4
    torch.testing.assert_close(order[:, 0, 3 + 6, 2 + 12], half)
    assert torch.equal(order[:, 0, 0, 0], maps[:, 0, 0, 0])


def test_a_map_on_an_even_grid_is_resized_as_pytorch_does():
    maps = torch.rand(2, 4, 8)
    expected = F.interpolate(maps[None], size=(32, 48), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(map_order(maps, EVEN)[[0, 7]], expected)


def test_squares_have_the_clips_shape_and_lie_about_their_center():
    order = square_order(torch.tensor([[0.5, -0.5], [0.0, 0.0]]), CELLS)
    assert order.shape == (2, 8, 32, 48)
    mask = first_pixels(order, torch.full((2, 8), 8 * 12))
    expected = torch.zeros(32, 48, dtype=torch.bool)
    expected[4:12, 30:42] = True
    assert torch.equal(mask[0, 5], expected)


def test_masks_have_exactly_as_many_pixels_as_asked_for():
    order = torch.rand(2, 3, 5, 7).round(decimals=1)  # many are equal
    counts = torch.tensor([[0, 1, 35], [17, 3, 20]])
    masks = first_pixels(order, counts)
    assert torch.equal(masks.sum((-2, -1)), counts)
    lowest = order.where(masks, torch.inf).flatten(-2).amin(-1)
    highest = order.where(~masks, -torch.inf).flatten(-2).amax(-1)
    assert (lowest >= highest).all()


def test_of_equal_pixels_the_upper_left_come_first():
    mask = first_pixels(torch.zeros(2, 3), torch.tensor(4))
    assert mask.tolist() == [[True, True, True], [True, False, False]]
