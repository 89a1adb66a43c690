"""Contents and areas of polygons, convex or not."""

import pytest
import torch
from torch import Tensor

from stn_action.geometry.polygons import contains_points, polygon_area, union_area, window_area
from stn_action.geometry.splines import control_points
from stn_action.geometry.theta import outline


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Tensor:
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def diamond(x: float, y: float, radius: float) -> Tensor:
    ends = torch.tensor([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    return torch.tensor([x, y]) + radius * ends


def random_windows(count: int) -> Tensor:
    """Convex quadrilaterals (count, 4, 2): the unit square under random affine maps."""
    corners = rectangle(-1, -1, 1, 1).double()
    linear = torch.randn(count, 2, 2, dtype=torch.double) * 0.6
    return corners @ linear.mT + torch.randn(count, 1, 2, dtype=torch.double) * 0.5


def random_stars(count: int, corners: int = 11) -> Tensor:
    """Simple polygons (count, corners, 2) that are seldom convex; some stick out of the clip."""
    angles = torch.arange(corners, dtype=torch.double) * 2 * torch.pi / corners
    radii = torch.rand(count, corners, 1, dtype=torch.double) + 0.1
    middles = torch.randn(count, 1, 2, dtype=torch.double) * 0.4
    return middles + radii * torch.stack([angles.cos(), angles.sin()], dim=-1)


def random_splines(count: int) -> Tensor:
    """Outlines (count, 32, 2) of bent windows, some of them over the clip's edge."""
    places = control_points(torch.zeros(1, dtype=torch.double)) * 0.7
    return outline(places + torch.randn(count, 16, 2, dtype=torch.double) * 0.1)


def counted(polygons: Tensor, points: Tensor) -> Tensor:
    """Whether points (M, 2) lie in polygons (N, P, 2), by counting crossings one by one: (N, M)."""
    found = torch.zeros(len(polygons), len(points), dtype=torch.bool)
    x, y = points.unbind(-1)
    for row, polygon in enumerate(polygons.tolist()):
        for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            if ay != by:
                crosses = (y < ay) != (y < by)
                found[row] ^= crosses & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return found


def raster(side: int = 200) -> Tensor:
    """Points (side * side, 2) at the centers of equal cells over the clip."""
    line = (torch.arange(side, dtype=torch.double) * 2 + 1) / side - 1
    return torch.cartesian_prod(line, line)


@pytest.mark.parametrize("make", [random_windows, random_stars, random_splines])
def test_contents_agree_with_counting_crossings(make):
    polygons, points = make(40), torch.randn(300, 2, dtype=torch.double) * 0.7
    found = contains_points(polygons[:, None], points)
    assert 0.05 < found.double().mean() < 0.95
    assert torch.equal(found, counted(polygons, points))


def test_a_notch_does_not_belong_to_its_window():
    """A square whose upper edge is pressed in to its middle."""
    arrow = torch.tensor([[-1.0, -1.0], [0.0, 0.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    points = torch.tensor([[0.0, -0.5], [0.0, 0.5], [-0.9, -0.5], [0.0, 0.0], [0.5, -0.5]])
    for corners in (arrow, arrow.flip(0), arrow.roll(2, 0)):
        assert contains_points(corners, points).tolist() == [False, True, True, True, True]


def test_points_level_with_a_corner_are_reported_right():
    points = torch.tensor([[-1.2, 0.0], [-0.5, 0.0], [0.5, 0.0], [1.2, 0.0], [0.0, -1.2]])
    assert contains_points(diamond(0, 0, 1), points).tolist() == [False, True, True, False, False]


def test_repeated_points_change_nothing():
    polygons = random_stars(20)
    padded = polygons[:, [0, 0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 10, 10]]
    points = torch.randn(100, 2, dtype=torch.double)
    inside = contains_points(polygons[:, None], points)
    assert torch.equal(contains_points(padded[:, None], points), inside)
    torch.testing.assert_close(window_area(padded), window_area(polygons))
    torch.testing.assert_close(union_area(padded), union_area(polygons))


def test_an_edge_belongs_to_its_window_in_either_order_of_corners():
    polygon = rectangle(0, 0, 2, 1)
    points = torch.tensor([[0.0, 0.5], [2.0, 1.0], [2.1, 1.0]])
    for corners in (polygon, polygon.flip(0)):
        assert contains_points(corners, points).tolist() == [True, True, False]


def test_a_window_without_area_holds_nothing():
    assert not contains_points(torch.zeros(4, 2), torch.zeros(2))
    assert not contains_points(rectangle(0, 0, 1, 0), torch.tensor([0.5, 0.0]))


@pytest.mark.parametrize(
    ("polygon", "share"),
    [
        (rectangle(-1, -1, 1, 1), 1.0),
        (rectangle(-0.5, 0, 0.5, 0.25), 0.0625),
        (rectangle(0.5, -0.5, 1.5, 0.5), 0.125),
        (rectangle(1.5, -0.5, 0.5, 0.5), 0.125),
        (rectangle(-9, -9, 9, 9), 1.0),
        (rectangle(1.5, -0.5, 2.5, 0.5), 0.0),
        (diamond(0, 0, 0.5), 0.125),
        (diamond(1, 0, 0.5), 0.0625),
        (diamond(1, 1, 0.5), 0.03125),
        (diamond(0, 0, 1.5), 0.875),
        (diamond(0, 0, 9), 1.0),
        (diamond(1.6, 1.6, 1), 0.0),
    ],
)
def test_a_window_covers_its_part_inside_the_clip(polygon, share):
    torch.testing.assert_close(window_area(polygon), torch.tensor(share))


def test_the_area_inside_the_clip_agrees_with_counting_points():
    polygons = random_windows(30)
    share = contains_points(polygons[:, None], raster()).double().mean(1)
    torch.testing.assert_close(window_area(polygons), share, atol=5e-3, rtol=0)


def test_the_union_of_windows_agrees_with_counting_points():
    polygons = random_windows(30).view(10, 3, 4, 2)
    share = contains_points(polygons[:, :, None], raster()).any(1).double().mean(1)
    torch.testing.assert_close(union_area(polygons), share, atol=1e-2, rtol=0)


def test_the_union_counts_overlaps_once_and_nothing_outside():
    left, right = rectangle(-0.75, -0.5, 0.25, 0.5), rectangle(-0.25, -0.5, 0.5, 0.5)
    outside = rectangle(1.5, -0.5, 2.5, 0.5)
    polygons = torch.stack([right, outside, left, right.flip(0)])
    torch.testing.assert_close(union_area(polygons), torch.tensor(1.25 / 4))
    torch.testing.assert_close(union_area(left[None] * 0), torch.tensor(0.0))


def test_the_area_of_a_polygon_does_not_depend_on_the_order_of_its_corners():
    triangle = torch.tensor([[1.0, 1.0], [4.0, 1.0], [1.0, 3.0]])
    assert polygon_area(triangle) == polygon_area(triangle.flip(0)) == 3


@pytest.mark.parametrize("make", [random_stars, random_splines])
def test_areas_of_curves_agree_with_a_raster(make):
    polygons = make(30)
    found = counted(polygons, raster())
    torch.testing.assert_close(window_area(polygons), found.double().mean(1), atol=5e-3, rtol=0)
    together = found.view(10, 3, -1).any(1).double().mean(1)
    union = union_area(polygons.unflatten(0, (10, 3)))
    torch.testing.assert_close(union, together, atol=1e-2, rtol=0)


def test_what_lies_in_a_notch_is_no_part_of_the_union():
    """A U of three bars, its middle filled by a bar of another window, or not."""
    u = torch.tensor(
        [[-0.5, -0.5], [-0.25, -0.5], [-0.25, 0.25], [0.25, 0.25],
         [0.25, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]
    )  # fmt: skip
    middle = rectangle(-0.125, -0.5, 0.125, 0.0)[[0, 1, 2, 3, 3, 3, 3, 3]]
    none = torch.zeros_like(u)
    torch.testing.assert_close(union_area(torch.stack([u, none])), torch.tensor(0.625 / 4))
    torch.testing.assert_close(union_area(torch.stack([u, middle])), torch.tensor(0.75 / 4))
    torch.testing.assert_close(union_area(torch.stack([u, u.flip(0)])), torch.tensor(0.625 / 4))


def test_no_windows_have_no_union():
    assert torch.equal(union_area(torch.zeros(3, 0, 4, 2)), torch.zeros(3))
    assert union_area(torch.zeros(0, 2, 4, 2)).shape == (0,)
