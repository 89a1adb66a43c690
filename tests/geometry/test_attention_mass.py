"""Half of the mass and effective area, by value."""

import pytest
import torch

from stn_action.geometry.attention_mass import (
    attended_areas,
    effective_area,
    half_mass,
    top_mass,
)
from stn_action.geometry.theta import theta_from_boxes
from tests.geometry.examples import weights_of_boxes


def test_half_of_the_mass_is_in_the_fewest_cells():
    weights = torch.tensor([[0.05, 0.3, 0.1], [0.25, 0.2, 0.1]])
    expected = torch.tensor([[False, True, False], [True, False, False]])  # 0.55; 0.3 is too few
    assert torch.equal(half_mass(weights), expected)
    assert torch.equal(top_mass(weights, 0.75), weights >= 0.2)
    assert top_mass(weights, 1).all()
    assert not top_mass(weights, 0).any()


def test_the_share_counts_and_not_the_sum():
    weights = torch.rand(2, 3, 4, 5)
    assert torch.equal(half_mass(weights), half_mass(weights * 1e4))
    torch.testing.assert_close(effective_area(weights), effective_area(weights * 1e4))


@pytest.mark.parametrize("cells", [(2, 5), (7, 7), (9, 12), (28, 28)])
def test_equal_cells_are_in_the_set_together_whatever_the_rounding(cells):
    H, W = cells
    weights = torch.full(cells, 1 / (H * W)) * (1 + 1e-6 * torch.rand(cells))
    assert half_mass(weights).all()
    weights[:, 0] = 0.001 / (H * W)  # as of a mean over a box, which the first column touches
    expected = torch.ones(cells, dtype=torch.bool)
    expected[:, 0] = False
    assert torch.equal(half_mass(weights), expected)


def test_the_set_is_the_smallest_of_all_sets_that_hold_the_share():
    weights = torch.rand(50, 2, 4).double()
    chosen = half_mass(weights)
    subsets = torch.tensor([[bool(number >> bit & 1) for bit in range(8)] for number in range(256)])
    masses = weights.flatten(-2) @ subsets.double().T  # (50, 256)
    enough = masses >= weights.sum((-2, -1))[:, None] / 2
    smallest = subsets.sum(1).expand_as(masses).where(enough, 9).amin(1)
    assert torch.equal(chosen.sum((-2, -1)), smallest)
    assert ((weights * chosen).sum((-2, -1)) >= weights.sum((-2, -1)) / 2).all()


def test_effective_area_of_equal_shares_is_their_area():
    weights = torch.zeros(3, 4, 6)
    weights[0] = 1 / 24
    weights[1, 1:3, :3] = 1 / 6
    weights[2, 0, 5] = 1
    torch.testing.assert_close(effective_area(weights), torch.tensor([1, 6 / 24, 1 / 24]))


def test_effective_area_is_the_exponential_of_the_entropy():
    # entropy of (1/2, 1/4, 1/4) is 1.5 ln 2
    weights = torch.tensor([[0.5, 0.25], [0.25, 0.0]])
    torch.testing.assert_close(effective_area(weights).item(), 2**1.5 / 4)


def test_no_mass_is_nowhere():
    assert not half_mass(torch.zeros(2, 3)).any()
    assert effective_area(torch.zeros(2, 3)) == 0


def test_areas_of_windows_and_of_weights_are_on_one_scale():
    """A window of six cells of 24, and the same cells with equal weights."""
    boxes = torch.tensor([[-1.0, -0.5, 0.0, 0.5]])
    theta, weights = theta_from_boxes(boxes), weights_of_boxes(boxes, (4, 6))
    of_window, of_weights = attended_areas(theta, None), attended_areas(None, weights)
    assert of_window.area.tolist() == of_window.effective.tolist() == [0.25]
    torch.testing.assert_close(of_weights.effective, torch.tensor([0.25]))
    assert of_weights.area.tolist() == [0.25]  # equal cells hold half together


def test_shares_and_both_or_neither_kind_are_refused():
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 1.5"):
        top_mass(torch.ones(2, 2), 1.5)
    theta = theta_from_boxes(torch.tensor([0.0, 0.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="exactly one of theta and weights must be given, got bo"):
        attended_areas(theta, torch.ones(2, 2))
    with pytest.raises(ValueError, match="got neither"):
        attended_areas(None, None)
