import cv2
import numpy as np
import pytest
import torch

from stn_action.person.crop import (
    CropSpec,
    View,
    crop_frames,
    crop_images,
    inverse_map,
    source_box,
    uniform_views,
    view_boxes,
)

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


class TestCropping:
    def test_the_whole_frame_at_its_own_size_returns_the_input(self):
        frames = torch.randint(0, 256, (2, 3, 7, 11), dtype=torch.uint8)
        whole = boxes_of(0.0, 0.0, 11.0, 7.0)
        assert torch.equal(crop_frames(frames, whole, (7, 11)), frames)
        assert torch.equal(crop_frames(frames, whole, (7, 11), mirror=True), frames.flip(-1))

    def test_each_frame_has_its_own_box(self):
        frames = torch.arange(2 * 3 * 4 * 6, dtype=torch.uint8).reshape(2, 3, 4, 6)
        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [3.0, 1.0, 5.0, 3.0]])
        clip = crop_frames(frames, boxes, (2, 2))
        assert torch.equal(clip[0], frames[0, :, 0:2, 0:2])
        assert torch.equal(clip[1], frames[1, :, 1:3, 3:5])

    def test_what_lies_outside_the_image_is_black(self):
        frames = torch.full((1, 3, 4, 6), 200, dtype=torch.uint8)
        clip = crop_frames(frames, boxes_of(-1.0, 2.0, 2.0, 5.0), (3, 3))
        expected = [[0, 200, 200], [0, 200, 200], [0, 0, 0]]
        assert clip[0, 0].tolist() == expected
        assert clip[0, 2].tolist() == expected

    def test_a_box_entirely_outside_gives_black(self):
        frames = torch.full((1, 3, 4, 6), 200, dtype=torch.uint8)
        for corners in [(7.0, 0.0, 9.0, 2.0), (-9.0, 0.0, -7.0, 2.0), (0.0, -9.0, 3.0, -5.0)]:
            assert crop_frames(frames, boxes_of(*corners), (3, 3)).sum() == 0

    def test_shrinking_averages_areas(self):
        frames = torch.randint(0, 256, (1, 3, 8, 12), dtype=torch.uint8)
        means = frames.double().reshape(1, 3, 4, 2, 4, 3).mean(dim=(3, 5))
        clip = crop_frames(frames, boxes_of(0.0, 0.0, 12.0, 8.0), (4, 4))
        assert (clip.double() - means).abs().max() <= 0.51

    def test_a_side_that_shrinks_is_averaged_even_if_the_other_grows(self):
        frames = torch.zeros((1, 3, 4, 64), dtype=torch.uint8)
        frames[..., ::8] = 240  # mean 30; sampling every eighth pixel would give 0 or 240
        clip = crop_frames(frames, boxes_of(0.0, 0.0, 64.0, 4.0), (9, 8))
        assert clip.unique().tolist() == [30]

    def test_enlarging_is_linear_between_pixel_centers(self):
        frames = torch.zeros((1, 3, 1, 2), dtype=torch.uint8)
        frames[..., 1] = 200
        clip = crop_frames(frames, boxes_of(0.0, 0.0, 2.0, 1.0), (1, 4))
        assert clip[0, 0, 0].tolist() == [0, 50, 150, 200]

    def test_agrees_with_opencv_on_a_permuted_image(self):
        image = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
        frames = torch.from_numpy(image).permute(2, 0, 1)[None]
        expected = cv2.resize(image[5:41, 10:64], (31, 23), interpolation=cv2.INTER_AREA)
        clip = crop_frames(frames, boxes_of(10.0, 5.0, 64.0, 41.0), (23, 31))
        assert torch.equal(clip[0], torch.from_numpy(expected).permute(2, 0, 1))

    @pytest.mark.parametrize("mirror", [False, True], ids=["straight", "mirrored"])
    @pytest.mark.parametrize("size_hw", [(20, 28), (60, 90), (31, 90), (45, 70)])
    @pytest.mark.parametrize("box", [(0, 0, 70, 45), (9, 3, 61, 40), (-5, 20, 50, 60)])
    def test_images_are_read_in_place(self, box, size_hw, mirror):
        rows = np.random.default_rng(0).integers(0, 256, (4, 45, 256), dtype=np.uint8)
        apart = [row[:, :210].reshape(45, 70, 3) for row in rows]  # a copy: the reference
        strided = [np.lib.stride_tricks.as_strided(row, (45, 70, 3), (256, 3, 1)) for row in rows]
        turned = [np.rot90(np.ascontiguousarray(np.rot90(image)), 3) for image in apart]
        frames = torch.from_numpy(np.stack(apart)).permute(0, 3, 1, 2)
        expected = crop_frames(frames, boxes_of(*box), size_hw, mirror)
        for images in (apart, strided, turned):
            clip = crop_images(images, boxes_of(*box), size_hw, mirror)
            assert clip.is_contiguous()
            assert torch.equal(clip.transpose(0, 1), expected)

    def test_an_image_that_comes_again_is_cut_again_only_for_another_box(self):
        first, second = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
        boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [2, 1, 6, 5], [2, 1, 6, 5]])
        clip = crop_images([first, first, first, second], boxes, (4, 4))
        expected = [first[:4, :4], first[:4, :4], first[1:5, 2:6], second[1:5, 2:6]]
        assert torch.equal(clip, torch.from_numpy(np.stack(expected)).permute(3, 0, 1, 2))

    @pytest.mark.parametrize(
        ("frames", "boxes", "message"),
        [
            (torch.zeros(1, 3, 4, 4), boxes_of(0, 0, 2, 2), r"frames must be uint8 \(T, 3, H, W\)"),
            (torch.zeros((1, 4, 4, 3), dtype=torch.uint8), boxes_of(0, 0, 2, 2), "frames must be"),
            (
                torch.zeros((3, 3, 4, 4), dtype=torch.uint8),
                torch.zeros(2, 4),
                r"boxes must be \(3, 4\) or \(1, 4\), got \(2, 4\)",
            ),
            (
                torch.zeros((1, 3, 4, 4), dtype=torch.uint8),
                boxes_of(0, 0.5, 2, 2),
                "boxes must have integer corners",
            ),
            (
                torch.zeros((1, 3, 4, 4), dtype=torch.uint8),
                boxes_of(2, 0, 2, 2),
                "at least one pixel large",
            ),
        ],
    )
    def test_refuses_what_does_not_fit(self, frames, boxes, message):
        with pytest.raises(ValueError, match=message):
            crop_frames(frames, boxes, (2, 2))


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


class TestViews:
    def test_the_center_view_of_a_whole_frame_is_the_usual_square(self):
        region = source_box(None, SIZE_HW, SPEC)
        # 0.8 * 90 = 72; (140 - 72) / 2 = 34, (90 - 72) / 2 = 9
        assert view_boxes(region, View(0.8), "square").tolist() == [[34, 9, 106, 81]]

    def test_a_free_view_takes_its_share_of_both_sides(self):
        region = boxes_of(10.0, 20.0, 50.0, 120.0)
        assert view_boxes(region, View(0.5, (0.0, 1.0)), "free").tolist() == [[10, 70, 30, 120]]

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

    def test_views_are_spread_along_the_longer_side(self):
        wide, high = boxes_of(0.0, 0.0, 140.0, 90.0), boxes_of(0.0, 0.0, 90.0, 140.0)
        places = [view.place_xy for view in uniform_views(wide, 1.0, 3)]
        assert places == [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)]
        boxes = [view_boxes(wide, v, "square")[0].tolist() for v in uniform_views(wide, 1.0, 3)]
        assert boxes == [[0, 0, 90, 90], [25, 0, 115, 90], [50, 0, 140, 90]]
        assert [v.place_xy for v in uniform_views(high, 1.0, 2)] == [(0.5, 0.0), (0.5, 1.0)]

    def test_one_view_is_the_center(self):
        assert uniform_views(boxes_of(0.0, 0.0, 140.0, 90.0), 0.7, 1) == [View(0.7, (0.5, 0.5))]


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
        ("size", (0, 4)),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(key, value):
    with pytest.raises(ValueError, match=key):
        CropSpec(**({"size": (8, 8)} | {key: value}))
