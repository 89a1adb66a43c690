import math

import pytest
import torch

from stn_action.geometry.tiles import foreground_boxes, tile_centers


@pytest.mark.parametrize(
    ("num_heads", "centers"),
    [
        (1, [[0, 0]]),
        (2, [[-1, 0], [1, 0]]),
        (3, [[-1, 0], [0, 0], [1, 0]]),
        (4, [[-1, -1], [1, -1], [-1, 1], [1, 1]]),
        (5, [[-1, -1], [0, -1], [1, -1], [-1, 1], [1, 1]]),
        (6, [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]),
    ],
)
def test_tile_centers_spread_the_heads_over_the_map(num_heads, centers):
    assert tile_centers(num_heads).tolist() == centers


@pytest.mark.parametrize("num_heads", range(1, 20))
def test_tile_centers_are_all_different_and_within_the_free_room(num_heads):
    centers = tile_centers(num_heads)
    assert centers.shape == (num_heads, 2)
    assert len(centers.unique(dim=0)) == num_heads
    assert centers.abs().amax() <= 1


@pytest.mark.parametrize("num_heads", range(1, 20))
def test_tile_centers_are_balanced_from_left_to_right(num_heads):
    x = tile_centers(num_heads)[:, 0]
    torch.testing.assert_close(x.sum(), torch.tensor(0.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("num_heads", [1, 4, 9, 16])
def test_a_square_number_of_heads_makes_a_square_grid(num_heads):
    side = math.isqrt(num_heads)
    centers = tile_centers(num_heads).view(side, side, 2)
    torch.testing.assert_close(centers[..., 0], centers[..., 1].T)


def extents(*frames):
    """Of one clip: pairs of image and person in each frame."""
    return torch.tensor([frames])


MAP, WIDE = [-1.0, -1, 1, 1], [-0.5, -2, 0.5, 2]


def test_the_foreground_is_the_person_of_all_frames_inside_image_and_map():
    clip = extents((WIDE, [-0.2, 0.1, 0.8, 0.3]), (WIDE, [-0.4, -3, 0.1, 0.2]))
    torch.testing.assert_close(foreground_boxes(clip), torch.tensor([[-0.4, -1, 0.5, 0.3]]))


def test_without_anything_of_a_person_the_foreground_is_the_map():
    clip = extents((WIDE, [0.6, 0, 0.8, 0.3]), (MAP, [0.1, 0.2, 0.1, 0.4]))
    assert foreground_boxes(clip).tolist() == [MAP]


def test_a_frame_without_anything_of_the_person_does_not_count():
    clip = extents((MAP, [0.1, 0.2, 0.3, 0.4]), (MAP, [2.0, 2, 3, 3]))
    torch.testing.assert_close(foreground_boxes(clip), torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
