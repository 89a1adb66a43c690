"""Boxes are cut out of images and resized; what is beyond the image is filled."""

import cv2
import numpy as np
import pytest
import torch

from stn_action.person.image_crop import crop_frames, crop_image, crop_images


def boxes_of(*corners: float) -> torch.Tensor:
    return torch.tensor([corners])


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

    def test_what_lies_outside_the_image_has_the_color_given(self):
        image = np.full((4, 6, 3), 200, dtype=np.uint8)
        clip = crop_images([image], boxes_of(-1.0, 2.0, 2.0, 5.0), (3, 3), fill=(1, 2, 3))
        assert clip[1, 0].tolist() == [[2, 200, 200], [2, 200, 200], [2, 2, 2]]
        assert clip[:, 0, 2, 2].tolist() == [1, 2, 3]
        outside = crop_images(
            [image], boxes_of(7.0, 0.0, 9.0, 2.0), (1, 2), mirror=True, fill=(9,) * 3
        )
        assert outside.unique().tolist() == [9]

    def test_what_lies_outside_the_image_may_be_another_image(self):
        image = np.full((4, 6, 3), 200, dtype=np.uint8)
        around = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
        out = np.empty((3, 3, 3), dtype=np.uint8)
        crop_image(image, (-1, 2, 2, 5), out, fill=around)
        assert out[0].tolist() == [[0, 200, 200], [9, 200, 200], [18, 21, 24]]

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
