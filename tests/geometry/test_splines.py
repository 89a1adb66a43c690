import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import get_tps_transform, warp_points_tps
from torch.autograd import gradcheck, gradgradcheck

from stn_action.geometry.splines import (
    GRID_SIZE,
    NUM_CONTROL_POINTS,
    control_points,
    spline_basis,
    spline_basis_slopes,
)

CENTERS = control_points(torch.zeros(1, dtype=torch.float64))


def some_points(*shape):
    """Places on the output and around it, none of them on a control point."""
    return torch.rand(*shape, 2, dtype=torch.float64) * 3 - 1.5


def solved_by_the_book(places, destinations):
    """Weights (16, 2) and affine part (3, 2) of Bookstein's spline, entry by entry."""
    size = len(places)
    system = np.zeros((size + 3, size + 3))
    for i, first in enumerate(places):
        system[i, size:] = system[size:, i] = [1, *first]
        for j, second in enumerate(places):
            r = np.hypot(*(first - second))
            system[i, j] = r * r * np.log(r) if i != j else 0  # half of r^2 log r^2, as kornia's
    known = np.concatenate([destinations, np.zeros((3, 2))])
    solution = torch.from_numpy(np.linalg.solve(system, known))
    return solution[:size], solution[size:]


def test_control_points_stand_row_by_row_corners_included():
    points = control_points(torch.zeros(2))
    assert points.shape == (NUM_CONTROL_POINTS, 2) == (GRID_SIZE**2, 2)
    torch.testing.assert_close(points[:4, 0], torch.tensor([-1, -1 / 3, 1 / 3, 1]))
    assert points[:4, 1].tolist() == [-1] * 4
    assert points[4, 0] == -1
    torch.testing.assert_close(points[4, 1], torch.tensor(-1 / 3))
    assert points[12].tolist() == [-1, 1]
    assert points[15].tolist() == [1, 1]


def test_rows_of_the_basis_sum_to_one():
    basis = spline_basis(some_points(5, 40) * 4)
    assert basis.shape == (5, 40, 16)
    torch.testing.assert_close(basis.sum(-1), torch.ones(5, 40).double(), rtol=0, atol=1e-10)


def test_the_basis_interpolates_the_control_points():
    basis = spline_basis(CENTERS)
    torch.testing.assert_close(basis, torch.eye(16).double(), rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_control_points_moved_affinely_move_everything_affinely(numbers):
    affine = torch.tensor(numbers, dtype=torch.float64).view(2, 3)
    points = some_points(50)
    moved = CENTERS @ affine[:, :2].T + affine[:, 2]
    expected = points @ affine[:, :2].T + affine[:, 2]
    torch.testing.assert_close(spline_basis(points) @ moved, expected, rtol=0, atol=1e-11)


def test_the_share_of_a_control_point_is_symmetric_about_its_diagonal():
    # of the 6th, at (-1/3, -1/3): symmetric about the diagonal x = y, not about the other one
    point = torch.tensor([[-1 / 3, -1 / 3], [0.1, -0.4], [-0.4, 0.1], [0.4, -0.1]]).double()
    share = spline_basis(point)[:, 5]
    torch.testing.assert_close(share[0], torch.tensor(1.0).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(share[1], share[2])
    assert not share[1].isclose(share[3], atol=0.1)


def test_the_basis_agrees_with_a_spline_solved_entry_by_entry():
    destinations = CENTERS + torch.randn(16, 2, dtype=torch.float64)
    weights, affine = solved_by_the_book(CENTERS.numpy(), destinations.numpy())
    points = some_points(60)
    expected = torch.zeros_like(points)
    for row, point in zip(expected, points, strict=True):
        row += affine[0] + point @ affine[1:]
        for center, weight in zip(CENTERS, weights, strict=True):
            r = (point - center).norm()
            row += r**2 * r.log() * weight
    torch.testing.assert_close(spline_basis(points) @ destinations, expected, rtol=0, atol=1e-10)


def test_the_basis_agrees_with_kornia_on_the_same_weights():
    destinations = CENTERS + torch.randn(16, 2, dtype=torch.float64)
    weights, affine = solved_by_the_book(CENTERS.numpy(), destinations.numpy())
    points = some_points(60)
    theirs = warp_points_tps(points[None], CENTERS[None], weights[None], affine[None])[0]
    torch.testing.assert_close(spline_basis(points) @ destinations, theirs, rtol=0, atol=1e-4)


def test_small_bends_agree_with_those_that_kornia_solves():
    # kornia puts the centers on the destinations, Bookstein on the control points; the two splines
    # agree to first order in the displacement, which is why it is so small here
    size = 1e-6
    displacement = torch.randn(1, 16, 2, dtype=torch.float64)
    destinations = CENTERS + size * displacement
    points = some_points(1, 60)
    solved = get_tps_transform(CENTERS[None], destinations)
    theirs = (warp_points_tps(points, destinations, *solved) - points) / size
    torch.testing.assert_close(spline_basis(points) @ displacement, theirs, rtol=0, atol=1e-4)


def test_slopes_agree_with_autograd():
    points = some_points(7)
    slopes = spline_basis_slopes(points)
    assert slopes.shape == (7, 16, 2)
    for point, slope in zip(points, slopes, strict=True):
        derived = torch.autograd.functional.jacobian(spline_basis, point[None])[0, :, 0]
        torch.testing.assert_close(slope, derived, rtol=0, atol=1e-10)


def test_slopes_agree_with_autograd_on_the_control_points():
    derived = torch.autograd.functional.jacobian(spline_basis, CENTERS)
    derived = torch.stack([derived[i, :, i] for i in range(16)])
    slopes = spline_basis_slopes(CENTERS)
    assert slopes.isfinite().all()
    torch.testing.assert_close(slopes, derived, rtol=0, atol=1e-10)


def test_slopes_of_an_affine_spline_are_its_linear_part():
    linear = torch.tensor([[0.5, -0.2], [0.3, 0.7]], dtype=torch.float64)
    theta = CENTERS @ linear.T + torch.tensor([0.1, -0.4])
    jacobians = theta.T @ spline_basis_slopes(some_points(20))
    torch.testing.assert_close(jacobians, linear.expand(20, 2, 2), rtol=0, atol=1e-10)


def test_gradients_of_the_basis_are_right():
    points = some_points(4).requires_grad_()
    assert gradcheck(spline_basis, points)
    assert gradgradcheck(spline_basis, points)
    assert gradcheck(spline_basis_slopes, points)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_basis_keeps_the_dtype_and_is_computed_in_float64(dtype):
    points = some_points(50).to(dtype)
    basis, slopes = spline_basis(points), spline_basis_slopes(points)
    assert basis.dtype == slopes.dtype == dtype
    wide = spline_basis(points.double())
    torch.testing.assert_close(basis, wide.to(dtype), rtol=0, atol=0)
    assert (basis.sum(-1) - 1).abs().amax() < 1e-6
