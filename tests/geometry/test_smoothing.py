import pytest
import torch

from stn_action.geometry.smoothing import smooth_steps


def test_smoothing_by_hand():
    values = torch.tensor([[0.0, 3.0, 9.0, 0.0], [1.0, 0.0, 2.0, 7.0]])
    torch.testing.assert_close(
        smooth_steps(values, 3), torch.tensor([[0.0, 4, 4, 0], [1.0, 1, 3, 7]])
    )


def test_smoothing_agrees_with_a_loop_and_keeps_what_moves_at_a_constant_speed():
    values = torch.randn(2, 7, 3, 4)
    smooth = smooth_steps(values, 5)
    for step in range(7):
        reach = min(step, 6 - step, 2)
        mean = values[:, step - reach : step + reach + 1].mean(1)
        torch.testing.assert_close(smooth[:, step], mean)
    steady = torch.arange(7.0)[None]
    torch.testing.assert_close(smooth_steps(steady, 5), steady)


@pytest.mark.parametrize("num_steps", [1, 2])
def test_a_window_longer_than_the_clip_changes_nothing_that_has_no_neighbors(num_steps):
    values = torch.randn(2, num_steps, 3)
    torch.testing.assert_close(smooth_steps(values, 9), values)


@pytest.mark.parametrize("window", [0, 2, -1])
def test_an_even_window_is_refused(window):
    with pytest.raises(ValueError, match=f"an odd number of steps, at least 1, got {window}"):
        smooth_steps(torch.zeros(1, 3), window)
