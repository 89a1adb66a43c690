import pytest
import torch

from stn_action.person.crop import (
    CropSpec,
    View,
    inverse_map,
    source_box,
    uniform_views,
    view_boxes,
)
from stn_action.person.image_crop import crop_frames

SIZE_HW = (90, 140)
SPEC = CropSpec(size=(40, 56), looseness=0.0)
BOXES = torch.tensor([[20.0, 30.0, 40.0, 60.0], [30.0, 32.0, 50.0, 62.0]])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def boxes_of(*corners: float) -> torch.Tensor:
    return torch.tensor([corners])


def image_with_marker(x: float, y: float, spread: float = 3.0) -> torch.Tensor:
    """A soft round spot about a point in pixel edges: soft, so that its centroid survives."""
    rows, columns = torch.arange(SIZE_HW[0]) + 0.5 - y, torch.arange(SIZE_HW[1]) + 0.5 - x
    spot = torch.exp(-(rows[:, None] ** 2 + columns**2) / (2 * spread**2)) * 255
    return spot.round().to(torch.uint8).repeat(1, 3, 1, 1)


def center_of_light(clip: torch.Tensor) -> torch.Tensor:
    """Centroid (x, y) of one clip frame (3, h, w) in [-1, 1] over its outer edges."""
    light = clip[0].double()
    height, width = light.shape
    x = ((torch.arange(width) + 0.5) * light.sum(0)).sum() / light.sum()
    y = ((torch.arange(height) + 0.5) * light.sum(1)).sum() / light.sum()
    return torch.stack([x / width, y / height]) * 2 - 1


class TestTheInverseMap:
    @pytest.mark.parametrize("mirror", [False, True], ids=["straight", "mirrored"])
    @pytest.mark.parametrize("size_hw", [(40, 56), (31, 17), (200, 300), (33, 250)])
    @pytest.mark.parametrize(
        "box",
        [
            (0, 0, 140, 90),
            (30, 10, 113, 85),
            (-40, -25, 130, 88),
            (35, 20, 190, 140),
            (50, 25, 90, 60),
        ],
        ids=["whole", "inside", "over the upper left", "over the lower right", "enlarged"],
    )
    def test_leads_from_a_marker_in_the_clip_back_to_its_source_pixel(self, box, size_hw, mirror):
        marker = torch.tensor([66.3, 41.8], dtype=torch.float64)
        frames = image_with_marker(66.3, 41.8)
        boxes = boxes_of(*box)
        clip = crop_frames(frames, boxes, size_hw, mirror)
        x0, y0, x1, y1 = inverse_map(boxes, mirror)[0].double().tolist()
        u, v = center_of_light(clip[0]).tolist()
        source = torch.tensor([x0 + (u + 1) / 2 * (x1 - x0), y0 + (v + 1) / 2 * (y1 - y0)]).double()
        clip_pixels = max(abs(x1 - x0) / size_hw[1], (y1 - y0) / size_hw[0], 1)  # in source pixels
        assert (source - marker).abs().max() < 0.06 * clip_pixels

    def test_exchanges_left_and_right_of_a_mirrored_clip(self):
        boxes = boxes_of(1.0, 2.0, 3.0, 4.0)
        assert inverse_map(boxes, mirror=True).tolist() == [[3, 2, 1, 4]]
        assert inverse_map(boxes, mirror=False) is boxes


class TestRegions:
    def test_without_a_person_the_whole_frame_stays_as_it_is(self):
        spec = CropSpec(size=(8, 8), looseness=0.5, box_jitter=0.4)
        assert source_box(None, SIZE_HW, spec, generator()).tolist() == [[0, 0, 140, 90]]

    def test_a_fixed_region_is_the_squared_union_over_the_clip(self):
        # union (20, 30, 50, 62): 30 x 32 about (35, 46)
        assert source_box(BOXES, SIZE_HW, SPEC).tolist() == [[19, 30, 51, 62]]

    def test_a_following_region_moves_with_the_person(self):
        spec = CropSpec(size=(8, 8), looseness=0.0, motion="follow")
        assert source_box(BOXES, SIZE_HW, spec).tolist() == [[15, 30, 45, 60], [25, 32, 55, 62]]

    def test_a_free_region_keeps_its_shape_and_looseness_pads_it(self):
        spec = CropSpec(size=(8, 8), looseness=0.5, aspect="free")
        # padded: (10, 15, 50, 75) and (20, 17, 60, 77)
        assert source_box(BOXES, SIZE_HW, spec).tolist() == [[10, 15, 60, 77]]

    def test_jitter_moves_each_side_within_its_bound_and_alike_in_all_frames(self):
        spec = CropSpec(size=(8, 8), looseness=0.0, box_jitter=0.1, aspect="free", motion="follow")
        draws = torch.stack([source_box(BOXES, SIZE_HW, spec, generator(s)) for s in range(64)])
        moves = (draws - BOXES) / torch.tensor([20.0, 30.0, 20.0, 30.0])
        assert moves.abs().max() <= 0.1 + 1e-6
        assert (moves.amax(dim=(0, 1)) > 0.08).all()
        assert (moves.amin(dim=(0, 1)) < -0.08).all()
        torch.testing.assert_close(moves[:, 0], moves[:, 1])

    def test_jitter_needs_a_generator(self):
        spec = CropSpec(size=(8, 8), looseness=0.0, box_jitter=0.4)
        assert torch.equal(source_box(BOXES, SIZE_HW, spec), source_box(BOXES, SIZE_HW, SPEC))

    def test_a_shifted_region_is_moved_back_into_the_image(self):
        spec = CropSpec(size=(8, 8), looseness=1.0, aspect="free", beyond="shift")
        # padded: (0, 0, 60, 90) and (10, 2, 70, 92), 70 x 92: centered where the image is less
        assert source_box(BOXES, SIZE_HW, spec).tolist() == [[0, -1, 70, 91]]
        near = torch.tensor([[120.0, 0.0, 138.0, 20.0]])  # padded: (102, -20, 156, 40)
        assert source_box(near, SIZE_HW, spec).tolist() == [[86, 0, 140, 60]]
        assert source_box(near, SIZE_HW, CropSpec(looseness=1.0, aspect="free")).tolist() == [
            [102, -20, 156, 40]
        ]

    def test_a_fitted_region_is_never_larger_than_the_image(self):
        spec = CropSpec(size=(8, 8), looseness=1.0, beyond="fit")
        # padded: (0, 0, 70, 92), square of 92 about (35, 46): 90 about it, moved inside
        assert source_box(BOXES, SIZE_HW, spec).tolist() == [[0, 0, 90, 90]]
        free = CropSpec(size=(8, 8), looseness=1.0, beyond="fit", aspect="free")
        assert source_box(BOXES, SIZE_HW, free).tolist() == [[0, 0, 70, 90]]
        near = torch.tensor([[120.0, 0.0, 138.0, 20.0]])  # padded: (102, -20, 156, 40)
        assert source_box(near, SIZE_HW, spec).tolist() == [[80, 0, 140, 60]]
        wide = torch.tensor([[20.0, 40.0, 120.0, 50.0]])  # padded: (-80, 30, 220, 60)
        assert source_box(wide, SIZE_HW, free).tolist() == [[0, 30, 140, 60]]

    def test_a_shifted_region_may_follow_the_person(self):
        spec = CropSpec(size=(8, 8), looseness=0.5, motion="follow", beyond="shift")
        boxes = torch.tensor([[0.0, 0.0, 20.0, 20.0], [60.0, 20.0, 80.0, 40.0]])
        assert source_box(boxes, SIZE_HW, spec).tolist() == [[0, 0, 40, 40], [50, 10, 90, 50]]


class TestViews:
    def test_the_center_view_of_a_whole_frame_is_the_usual_square(self):
        region = source_box(None, SIZE_HW, SPEC)
        # 0.8 * 90 = 72; (140 - 72) / 2 = 34, (90 - 72) / 2 = 9
        assert view_boxes(region, View(0.8), "square").tolist() == [[34, 9, 106, 81]]

    def test_a_free_view_takes_its_share_of_both_sides(self):
        region = boxes_of(10.0, 20.0, 50.0, 120.0)
        assert view_boxes(region, View(0.5, (0.0, 1.0)), "free").tolist() == [[10, 70, 30, 120]]

    def test_a_ratio_stretches_a_view_and_keeps_its_area(self):
        region = boxes_of(10.0, 20.0, 110.0, 70.0)
        square = view_boxes(region, View(0.5, (1.0, 0.0), ratio=4.0), "square")
        assert square.tolist() == [[60, 20, 110, 32]]  # 25 * 2 and 25 / 2 = 12.5, to even
        free = view_boxes(region, View(0.4, (0.0, 1.0), ratio=4.0), "free")
        assert free.tolist() == [[10, 60, 90, 70]]  # 40 * 2 and 20 / 2

    def test_a_view_has_whole_corners_and_at_least_a_pixel(self):
        region = boxes_of(10.3, 20.6, 10.9, 21.1)
        box = view_boxes(region, View(0.1), "square")
        assert torch.equal(box, box.round())
        assert (box[0, 2:] - box[0, :2]).tolist() == [1, 1]

    @pytest.mark.parametrize(("share", "place"), [(0.37, (0.0, 0.0)), (0.813, (1.0, 1.0)), (1, ())])
    def test_a_view_of_the_whole_frame_stays_inside(self, share, place):
        region = source_box(None, SIZE_HW, SPEC)
        view = View(share, place) if place else View(share)
        x0, y0, x1, y1 = view_boxes(region, view, "square")[0].tolist()
        assert 0 <= x0 < x1 <= 140
        assert 0 <= y0 < y1 <= 90
        assert x1 - x0 == y1 - y0

    def test_a_view_may_be_kept_inside_the_image(self):
        region = boxes_of(128.5, 0.0, 140.0, 11.5)  # 12 pixels at 128.5, which rounding puts beyond
        view = View(1.0, (0.0, 0.0))
        assert view_boxes(region, view, "square").tolist() == [[128, 0, 140, 12]]
        corner = boxes_of(129.5, 0.0, 140.0, 10.51)
        assert view_boxes(corner, View(1.0, (0.0, 0.0)), "free").tolist() == [[130, 0, 140, 11]]
        beyond = boxes_of(-20.0, -21.0, 160.0, 100.0)
        loose = view_boxes(beyond, View(0.5, (0.0, 1.0)), "free", inside_hw=SIZE_HW)
        assert loose.tolist() == [[0, 30, 90, 90]]
        assert view_boxes(beyond, View(), "free", inside_hw=SIZE_HW).tolist() == [
            [-20, -16, 160, 105]
        ]

    def test_views_are_spread_along_the_longer_side(self):
        wide, high = boxes_of(0.0, 0.0, 140.0, 90.0), boxes_of(0.0, 0.0, 90.0, 140.0)
        places = [view.place_xy for view in uniform_views(wide, 1.0, 3)]
        assert places == [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)]
        boxes = [view_boxes(wide, v, "square")[0].tolist() for v in uniform_views(wide, 1.0, 3)]
        assert boxes == [[0, 0, 90, 90], [25, 0, 115, 90], [50, 0, 140, 90]]
        assert [v.place_xy for v in uniform_views(high, 1.0, 2)] == [(0.5, 0.0), (0.5, 1.0)]

    def test_one_view_is_the_center(self):
        assert uniform_views(boxes_of(0.0, 0.0, 140.0, 90.0), 0.7, 1) == [View(0.7, (0.5, 0.5))]


def test_the_padding_is_black_where_the_mean_color_is_unknown():
    assert CropSpec().fill((123.675, 116.28, 103.53)) == (124, 116, 104)
    assert CropSpec().fill(None) == (0, 0, 0)
    assert CropSpec(padding="black").fill((123.675, 116.28, 103.53)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("looseness", -0.1),
        ("box_jitter", 0.5),
        ("view_share", 0.0),
        ("view_share", 1.1),
        ("smooth_window", 4),
        ("aspect", "round"),
        ("motion", "still"),
        ("beyond", "scene of another"),
        ("padding", "white"),
        ("size", (0, 4)),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(key, value):
    with pytest.raises(ValueError, match=key):
        CropSpec(**({"size": (8, 8)} | {key: value}))
