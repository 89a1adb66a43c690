import pytest
import torch

from stn_action.geometry.heat_windows import heat_window, log_heat, soft_clip, soft_unclip


def heat_of(*cells, size_hw=(4, 8)):
    """Equal heat in cells (row, column)."""
    heat = torch.zeros(size_hw, dtype=torch.float64)
    for cell in cells:
        heat[cell] = 1
    return heat / heat.sum()


def test_the_window_of_one_cell_is_that_cell():
    scale, center = heat_window(heat_of((1, 6)))
    # of 4 x 8 cells: rows from -0.5 to 0, columns from 0.5 to 0.75
    assert center.tolist() == pytest.approx([0.625, -0.25])
    assert scale.tolist() == pytest.approx([1 / 8, 1 / 4])


def test_the_window_of_a_box_of_heat_is_that_box():
    cells = [(row, column) for row in (2, 3) for column in (1, 2, 3)]
    scale, center = heat_window(heat_of(*cells))
    # rows from 0 to 1, columns from -0.75 to 0
    assert center.tolist() == pytest.approx([-0.375, 0.5])
    assert scale.tolist() == pytest.approx([3 / 8, 1 / 2])


def test_the_window_of_equal_heat_is_the_map():
    scale, center = heat_window(torch.full((2, 3, 5, 7), 1 / 35, dtype=torch.float64))
    torch.testing.assert_close(scale, torch.ones(2, 3, 2, dtype=torch.float64))
    torch.testing.assert_close(center, torch.zeros(2, 3, 2, dtype=torch.float64))


def test_two_distant_cells_are_a_wide_window_between_them():
    scale, center = heat_window(heat_of((0, 0), (0, 7)))
    assert center.tolist() == pytest.approx([0, -0.75])
    # variance of the places -7/8 and 7/8, plus 1 / (3 * 8^2) within the cells
    assert scale[0].item() == pytest.approx((3 * (49 / 64) + 1 / 64) ** 0.5)


def test_gaussian_heat_means_the_window_it_is_made_for():
    scale, center = torch.tensor([0.4, 0.3]), torch.tensor([0.1, -0.2])
    logits = log_heat(scale, center, (24, 30))
    heat = logits.flatten().softmax(0).view_as(logits)
    found_scale, found_center = heat_window(heat)
    torch.testing.assert_close(found_scale, scale, atol=2e-3, rtol=0)
    torch.testing.assert_close(found_center, center, atol=2e-3, rtol=0)


def test_gaussian_heat_of_a_window_below_a_cell_is_finite():
    assert log_heat(torch.tensor([0.01, 0.0]), torch.tensor([1.0, -1.0]), (3, 4)).isfinite().all()


def test_gradients_are_right():
    logits = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)

    def window(logits):
        return heat_window(logits.flatten(1).softmax(1).view_as(logits))

    assert torch.autograd.gradcheck(window, (logits,))


def test_soft_clipping_by_hand():
    x = torch.tensor([0.0, 0.3, -0.6, 1.2, -50], requires_grad=True)
    clipped = soft_clip(x, 0.6)
    expected = [0, 0.3 / (1 + 2**-8) ** 0.125, -0.6 / 2**0.125, 1.2 / 257**0.125, -0.6]
    torch.testing.assert_close(clipped, torch.tensor(expected))
    clipped[:4].sum().backward()
    assert x.grad is not None
    assert (x.grad[:4] > 1e-3).all()


def test_unclipping_inverts_clipping():
    x = torch.linspace(-0.8, 0.8, 9, dtype=torch.float64)
    torch.testing.assert_close(soft_unclip(soft_clip(x, 0.5), 0.5), x)
    at_limit = soft_unclip(torch.tensor([0.5, -0.5, 0.7]), 0.5)
    assert at_limit.isfinite().all()
