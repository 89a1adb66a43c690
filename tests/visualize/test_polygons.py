def test_contents_agree_with_counting_crossings():
    polygons, points = random_windows(40), torch.randn(40, 30, 2, dtype=torch.double) * 0.7
    found = contains_points(polygons[:, None], points)
    assert 0.05 < found.double().mean() < 0.95
    for polygon, row, inside in zip(polygons.tolist(), points.tolist(), found.tolist(), strict=True):
        for (x, y), answer in zip(row, inside, strict=True):
            crossings = 0
            for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                    crossings += 1
            assert answer == (crossings % 2 == 1)


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
    side = (torch.arange(200, dtype=torch.double) + 0.5) / 100 - 1
    grid = torch.cartesian_prod(side, side)
    counted = contains_points(polygons[:, None], grid).double().mean(1)
    torch.testing.assert_close(window_area(polygons), counted, atol=5e-3, rtol=0)


def test_the_union_of_windows_agrees_with_counting_points():
    polygons = random_windows(30).view(10, 3, 4, 2)
    side = (torch.arange(200, dtype=torch.double) + 0.5) / 100 - 1
    grid = torch.cartesian_prod(side, side)
    counted = contains_points(polygons[:, :, None], grid).any(1).double().mean(1)
    torch.testing.assert_close(union_area(polygons), counted, atol=1e-2, rtol=0)


def test_the_union_counts_overlaps_once_and_nothing_outside():
    left, right = rectangle(-0.75, -0.5, 0.25, 0.5), rectangle(-0.25, -0.5, 0.5, 0.5)
    outside = rectangle(1.5, -0.5, 2.5, 0.5)
    polygons = torch.stack([right, outside, left, right.flip(0)])
    torch.testing.assert_close(union_area(polygons), torch.tensor(1.25 / 4))
    torch.testing.assert_close(union_area(left[None] * 0), torch.tensor(0.0))


def test_the_area_of_a_polygon_does_not_depend_on_the_order_of_its_corners():
    triangle = torch.tensor([[1.0, 1.0], [4.0, 1.0], [1.0, 3.0]])
    assert polygon_area(triangle) == polygon_area(triangle.flip(0)) == 3
