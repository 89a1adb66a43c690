"""Theta on a map as theta on the clip."""

import pytest
import torch

from stn_action.geometry.cells import Cells
from stn_action.geometry.clip_theta import clip_theta
from stn_action.geometry.outlines import clip_outlines
from stn_action.geometry.theta import outline
from stn_action.geometry.transforms import build_transform

CELLS = Cells((3, 5, 4), (6, 40, 32), (0.5, 2.0, 1.0), (2.0, 8.0, 9.0))
"""Shifted, and of other steps in x than in y."""


def theta_of(name, steps):
    family = build_transform(name, 2, bounded=False)
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(1, steps, 2, family.num_parameters, generator=generator).double() / 4
    return family.build(raw).transpose(1, 2)  # (1, K, S, *kind)


def test_a_window_of_one_cell_is_that_cells_pixels():
    theta = torch.tensor([[[[1 / 4, 0.0, -3 / 4], [0.0, 1 / 5, -4 / 5]]]])  # the first cell
    x0, y0 = 1.0 + 0.5 - 4.5, 2.0 + 0.5 - 4.0  # its edges in pixels, 9 x 8 about (1.5, 2.5)
    expected = torch.tensor([
        [9 / 32, 0.0, 2 * (x0 + 4.5) / 32 - 1], [0.0, 8 / 40, 2 * (y0 + 4.0) / 40 - 1],
    ])  # fmt: skip
    torch.testing.assert_close(clip_theta(theta, CELLS)[0, 0], expected)


@pytest.mark.parametrize("name", ["attention", "affine", "projective", "tps"])
@pytest.mark.parametrize("steps", [1, 3])
def test_its_windows_are_those_that_are_drawn(name, steps):
    theta = theta_of(name, steps)
    on_clip = clip_theta(theta, CELLS)
    assert on_clip.shape[2] == (1 if steps == 1 else 6)
    drawn = clip_outlines(theta, CELLS)  # (1, T, K, P, 2)
    torch.testing.assert_close(outline(on_clip).transpose(1, 2).expand_as(drawn), drawn)


def test_the_gradient_reaches_theta():
    theta = theta_of("projective", 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda one: clip_theta(one, CELLS), theta)


def test_wrong_theta_is_refused():
    with pytest.raises(ValueError, match="volumetric theta has no windows of frames"):
        clip_theta(torch.zeros(1, 2, 1, 3, 4), CELLS)
    with pytest.raises(ValueError, match=r"S = 1 or 3, got \(1, 2, 2, 2, 3\)"):
        clip_theta(torch.zeros(1, 2, 2, 2, 3), CELLS)


def test_cells_of_a_resized_clip_stay_at_their_share_of_it():
    resized = CELLS.resized((80, 16))
    assert resized == Cells((3, 5, 4), (6, 80, 16), (0.5, 4.5, 0.25), (2.0, 16.0, 4.5))
    theta = theta_of("affine", 1)
    torch.testing.assert_close(clip_theta(theta, resized), clip_theta(theta, CELLS))
