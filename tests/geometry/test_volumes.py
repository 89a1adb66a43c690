"""Slices of volumes, against shapes by hand and against a raster."""

import pytest
import torch
from torch import Tensor

from stn_action.geometry.polygons import contains_points, polygon_area
from stn_action.geometry.theta import invert, transform_points, window_theta
from stn_action.geometry.volumes import SLICE_POINTS, slice_volumes


def corners_from_xywh(polygon: Tensor) -> Tensor:
    """The corners (M, 2) of a polygon (P, 2) without points that repeat, but for rounding."""
    steps = (polygon - polygon.roll(1, 0)).abs().amax(-1)
    return polygon[steps > 1e-9]


def seen(theta: Tensor, time: float, points: Tensor) -> Tensor:
    """Whether a volume (3, 4) holds places (M, 2) at a time, by sending them to its cube."""
    places = torch.cat([points, torch.full_like(points[:, :1], time)], dim=-1)
    return (transform_points(invert(theta), places).abs() <= 1).all(-1)


UPRIGHT = window_theta(torch.tensor([0.5, 0.25, 0.4]), torch.tensor([0.25, -0.5, 0.1])).double()


def test_an_upright_volume_is_its_rectangle_while_it_lasts():
    polygons = slice_volumes(UPRIGHT, torch.tensor([-0.29, 0.0, 0.49]))
    assert polygons.shape == (3, SLICE_POINTS, 2)
    expected = torch.tensor([[-0.25, -0.75], [0.75, -0.75], [0.75, -0.25], [-0.25, -0.25]])
    for polygon in polygons:
        torch.testing.assert_close(corners_from_xywh(polygon), expected.double())


def test_before_and_after_a_volume_there_is_only_its_center():
    polygons = slice_volumes(UPRIGHT, torch.tensor([-0.31, 0.51, 3.0]))
    center = torch.tensor([0.25, -0.5], dtype=torch.double)
    assert torch.equal(polygons, center.expand(3, SLICE_POINTS, 2))
    assert torch.equal(polygon_area(polygons), torch.zeros(3, dtype=torch.double))


def test_a_volume_reaches_to_its_ends():
    whole = window_theta(torch.ones(3), torch.zeros(3))
    polygons = slice_volumes(whole, torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(polygon_area(polygons), torch.full((2,), 4.0))


def test_a_leaning_volume_moves_linearly():
    leaning = UPRIGHT.clone()
    leaning[0, 2], leaning[1, 2] = 0.2, -0.1  # so far over the volume's half length of 0.4
    times = torch.tensor([-0.2, 0.0, 0.1, 0.3], dtype=torch.double)
    shift = (times - 0.1)[:, None, None] / 0.4 * torch.tensor([0.2, -0.1])
    moved = slice_volumes(leaning, times) - slice_volumes(UPRIGHT, times)
    torch.testing.assert_close(moved, shift.expand_as(moved))


def test_what_the_head_sees_as_its_top_left_comes_first():
    turned = torch.tensor([[0.0, -0.5, 0, 0], [0.25, 0, 0, 0], [0, 0, 0.5, 0]]).double()
    mirrored = torch.tensor([[-0.5, 0, 0, 0], [0, 0.25, 0, 0], [0, 0, 0.5, 0]]).double()
    square = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]).double()
    backwards = mirrored.clone()
    backwards[2, 2] = -0.5
    for theta in (turned, mirrored, backwards):
        corners = corners_from_xywh(slice_volumes(theta, torch.zeros(1))[0])
        torch.testing.assert_close(corners, transform_points(theta, square)[:, :2])


def test_a_sheared_volume_is_cut_in_up_to_six_corners():
    """The cube turned so that its diagonal is time: its middle slice is a regular hexagon."""
    third = torch.tensor([1.0, 1.0, 1.0]).double() / 3**0.5
    first = torch.tensor([1.0, -1.0, 0.0]).double() / 2**0.5
    theta = torch.stack([first, torch.linalg.cross(third, first), third]) * 0.5
    theta = torch.cat([theta, torch.zeros(3, 1).double()], dim=-1)
    corners = corners_from_xywh(slice_volumes(theta, torch.zeros(1))[0])
    assert corners.shape == (6, 2)
    torch.testing.assert_close(corners.norm(dim=-1), torch.full((6,), 0.5**0.5).double())
    # a regular hexagon of side s has an area of 3 sqrt(3) / 2 s^2
    area = torch.tensor(3 * 3**0.5 / 2 * 0.5).double()
    torch.testing.assert_close(polygon_area(corners), area)
    torch.testing.assert_close(polygon_area(slice_volumes(theta, torch.zeros(1)))[0], area)


def test_slices_agree_with_a_raster():
    theta = torch.randn(12, 3, 4, dtype=torch.double) * 0.3
    theta[..., :3] += torch.eye(3) * 0.3
    times = torch.linspace(-0.9, 0.9, 7, dtype=torch.double)
    polygons = slice_volumes(theta, times)
    side = (torch.arange(160, dtype=torch.double) + 0.5) / 40 - 2
    grid = torch.cartesian_prod(side, side)
    corners = set()
    for index in range(len(theta)):
        for place, time in enumerate(times.tolist()):
            polygon = polygons[index, place]
            inside = seen(theta[index], time, grid)
            corners.add(len(corners_from_xywh(polygon)))
            assert torch.equal(contains_points(polygon, grid), inside)
            area = 16 * inside.double().mean()
            torch.testing.assert_close(polygon_area(polygon), area, atol=0.02, rtol=0.02)
    assert {0, 4, 5} < corners <= {0, 3, 4, 5, 6}


def test_leading_sizes_and_precision_are_kept():
    theta = UPRIGHT.float().expand(2, 3, 3, 4)
    polygons = slice_volumes(theta, torch.tensor([0.0, 0.9]))
    assert polygons.shape == (2, 3, 2, SLICE_POINTS, 2)
    assert polygons.dtype == torch.float32


def test_a_volume_that_is_not_finite_has_no_polygon():
    theta = UPRIGHT.clone()
    theta[2, 0] = torch.nan
    assert slice_volumes(theta, torch.zeros(1)).isnan().all()


def test_other_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"theta must be \(..., 3, 4\) .* got \(1, 2, 3\) and \(1,\)"
    ):
        slice_volumes(torch.zeros(1, 2, 3), torch.zeros(1))
    with pytest.raises(ValueError, match=r"times \(T,\), got \(3, 4\) and \(1, 2\)"):
        slice_volumes(UPRIGHT, torch.zeros(1, 2))
