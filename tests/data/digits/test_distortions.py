"""The paper's distortions of digits, by value."""

import math

import pytest
import torch

from stn_action.data.digits.distortions import (
    DIGIT_SIZE,
    DISTORTIONS,
    NUM_PATCHES,
    PATCH_SIZE,
    Draws,
    centered,
    distort,
    homography,
)
from stn_action.errors import InputError
from stn_action.geometry.theta import transform_points

NAMES = list(DISTORTIONS)


def digits(count=3, size=DIGIT_SIZE):
    return torch.randint(1, 256, (count, size, size), dtype=torch.uint8)


def middle(name, count=1):
    """Draws at which nothing is turned or moved, and what is scaled is as small as it gets."""
    d = DISTORTIONS[name]
    uniform = torch.full((count, d.num_uniform), 0.5)
    return Draws(uniform, torch.zeros(count, d.num_normal))


def canvas_of(name, images, draws, size_hw, others=None):
    return distort(name, images, draws, size_hw, images if others is None else others)


def test_no_turn_returns_the_digit():
    images = digits()
    assert torch.equal(canvas_of("R", images, middle("R", 3), (28, 28)), images)


def test_a_quarter_turn_is_exact_and_counted_from_x_to_y():
    images = digits(1)
    draws = Draws(torch.ones(1, 1), torch.zeros(1, 0))  # 90 degrees
    turned = canvas_of("R", images, draws, (28, 28))
    assert torch.equal(turned[0], images[0].rot90(-1))


def test_a_placed_digit_has_its_size_and_stays_on_the_canvas():
    images = torch.full((200, 28, 28), 255, dtype=torch.uint8)
    draws = DISTORTIONS["RTS"].draw(200, torch.Generator().manual_seed(0))
    draws.uniform[:, 0] = 0.5  # not turned
    canvases = canvas_of("RTS", images, draws, (42, 42)).float() / 255
    scale = 0.7 + 0.5 * draws.uniform[:, 1]
    sides = canvases.sum((1, 2)).sqrt()  # all of the digit is on the canvas
    torch.testing.assert_close(sides, 28 * scale, atol=0.7, rtol=0)
    rows = torch.arange(42) + 0.5
    centers = (canvases.sum(1) @ rows) / canvases.sum((1, 2))
    free = 21 - 14 * scale
    expected = 21 + (2 * draws.uniform[:, 2] - 1) * free
    torch.testing.assert_close(centers, expected, atol=0.2, rtol=0)


def test_corners_of_a_projected_digit_are_where_they_were_moved():
    theta_of = DISTORTIONS["P"].theta
    assert theta_of is not None
    uniform, normal = torch.tensor([[0.2]]), torch.randn(1, 8) * 0.3
    theta = theta_of(Draws(uniform, normal), (1.5, 1.5))
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    moved = (corners * 0.8 + normal.view(4, 2) * 5 / 14) / 1.5  # on a canvas of 42 pixels
    torch.testing.assert_close(transform_points(theta, moved[None])[0], corners)


def test_a_homography_maps_its_four_points():
    points, images = torch.rand(5, 4, 2) + torch.eye(4)[:, :2] * 3, torch.rand(5, 4, 2)
    images = images + torch.eye(4)[:, 1:3] * 3
    torch.testing.assert_close(
        transform_points(homography(points, images), points), images, atol=1e-3, rtol=1e-3
    )


def test_a_digit_that_is_not_bent_is_scaled_alone():
    images = torch.full((1, 28, 28), 255, dtype=torch.uint8)
    canvas = canvas_of("E", images, middle("E"), (28, 28)).float() / 255
    side = canvas.sum((1, 2)).sqrt().item()
    assert side == pytest.approx(28 * 0.875, abs=0.5)


def test_bending_moves_points_by_one_and_a_half_pixels():
    theta_of = DISTORTIONS["E"].theta
    assert theta_of is not None
    draws = DISTORTIONS["E"].draw(4000, torch.Generator().manual_seed(0))
    straight = theta_of(Draws(draws.uniform, torch.zeros_like(draws.normal)), (1.0, 1.0))
    moved = theta_of(draws, (1.0, 1.0)) - straight
    assert moved.std().item() * 14 == pytest.approx(1.5, rel=0.02)


def test_clutter_is_six_patches_of_others_beside_the_whole_digit():
    images = torch.full((50, 28, 28), 100, dtype=torch.uint8)
    others = torch.full((4, 28, 28), 200, dtype=torch.uint8)
    draws = DISTORTIONS["TC"].draw(50, torch.Generator().manual_seed(0))
    canvas = canvas_of("TC", images, draws, (60, 60), others)
    assert canvas.shape == (50, 60, 60)
    of_digit, of_patches = (canvas == 100).sum((1, 2)), (canvas == 200).sum((1, 2))
    assert (of_patches <= NUM_PATCHES * PATCH_SIZE**2).all()
    assert (of_patches > 3 * PATCH_SIZE**2).all()
    seen = canvas > 0
    boxes = [mask.nonzero() for mask in canvas == 100]
    assert all((box.amax(0) - box.amin(0) <= 27).all() for box in boxes)
    assert (of_digit + of_patches == seen.sum((1, 2))).all()
    assert (of_digit + of_patches >= 28 * 28).all()  # no patch takes a part of it away


@pytest.mark.parametrize("name", NAMES)
def test_equal_draws_give_equal_canvases(name):
    images = digits(6)
    d = DISTORTIONS[name]
    draws = d.draw(6, torch.Generator().manual_seed(1))
    size_hw = (d.canvas, d.canvas + 3)
    canvas = canvas_of(name, images, draws, size_hw)
    assert canvas.shape == (6, *size_hw)
    assert canvas.dtype == torch.uint8
    rows = torch.tensor([4, 1])
    assert torch.equal(
        canvas_of(name, images[rows], draws.select(rows), size_hw, images), canvas[rows]
    )


def test_an_undistorted_digit_is_in_the_middle():
    images = digits(2)
    canvas = centered(images, (31, 42))
    assert torch.equal(canvas[:, 1:29, 7:35], images)
    assert int(canvas.sum()) == int(images.sum())


@pytest.mark.parametrize("name", NAMES)
def test_a_canvas_smaller_than_a_digit_is_refused(name):
    with pytest.raises(InputError, match=r"data.crop.size \[28, 27\]: .*at least \[28, 28\]"):
        canvas_of(name, digits(1), middle(name), (28, 27))


def test_angles_are_uniform_within_their_bounds():
    theta_of = DISTORTIONS["R"].theta
    assert theta_of is not None
    draws = DISTORTIONS["R"].draw(4000, torch.Generator().manual_seed(0))
    angles = torch.atan2(theta_of(draws, (1.0, 1.0))[:, 0, 1], theta_of(draws, (1.0, 1.0))[:, 0, 0])
    assert angles.abs().max().item() <= math.radians(90) + 1e-5
    assert angles.std().item() == pytest.approx(math.radians(180) / 12**0.5, rel=0.03)
