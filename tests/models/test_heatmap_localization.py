import pytest
import torch

from stn_action.errors import InputError
from stn_action.geometry.transforms import build_transform
from stn_action.geometry.warps import Affine
from stn_action.geometry.windows import AnisotropicAttention, Attention
from stn_action.models.heads import FocusHeads
from stn_action.models.heatmap_localization import BoundedHeat, HeatmapLocalization

ALIGNED = ["translation", "attention", "anisotropic"]
both_modes = pytest.mark.parametrize("bounded", [True, False], ids=["bounded", "raw"])


def theta_of(heat, transform, map_hw):
    """Windows of logits that are given in place of what the network would have learned."""
    network = HeatmapLocalization(3, transform)
    network.output = Given(heat)
    return transform.build(network(torch.randn(len(heat), 3, *map_hw), transform.base))


class Given(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, hidden, start):
        return self.logits


@pytest.mark.parametrize("name", ALIGNED)
@pytest.mark.parametrize("map_hw", [(1, 1), (2, 3), (7, 7), (28, 20)])
@both_modes
def test_it_starts_at_the_base(name, map_hw, bounded):
    transform = build_transform(name, 4, bounded=bounded)
    network = HeatmapLocalization(5, transform, gain=300.0)
    theta = transform.build(network(torch.randn(2, 5, *map_hw), transform.base))
    torch.testing.assert_close(theta, transform.base.expand_as(theta), atol=1e-5, rtol=0)


def test_it_starts_at_each_clips_own_base():
    transform = Attention(2)
    bases = transform.build(torch.randn(3, 2, 3))
    theta = transform.build(HeatmapLocalization(5, transform)(torch.randn(3, 5, 9, 8), bases))
    torch.testing.assert_close(theta, bases, atol=1e-5, rtol=0)


@pytest.mark.parametrize("start_scale", [0.2001, 0.9499])
def test_a_base_at_the_bounds_stays_finite_and_near(start_scale):
    transform = Attention(1, start_scale=start_scale)
    theta = transform.build(
        HeatmapLocalization(5, transform)(torch.randn(1, 5, 9, 8), transform.base)
    )
    torch.testing.assert_close(theta[0], transform.base, atol=0.03, rtol=0)


def test_a_window_goes_to_a_box_of_heat():
    transform = AnisotropicAttention(1, min_scale=0.05)
    logits = torch.zeros(1, 1, 16, 16)
    logits[..., 2:6, 6:14] = 100  # columns from -0.25 to 0.75, rows from -0.75 to -0.25
    theta = theta_of(logits, transform, (16, 16))[0, 0]
    # soft bounds, and what is added back of the base, cost a little
    expected = torch.tensor([[0.5, 0, 0.25], [0, 0.25, -0.5]])
    torch.testing.assert_close(theta, expected, atol=0.06, rtol=0)


def test_heat_beyond_the_bounds_keeps_a_window_inside_with_a_gradient():
    transform = Attention(2)
    logits = torch.zeros(1, 2, 14, 14)
    logits[0, :, 0, 0] = 12  # nearly all heat in the corner cell, a window of 1 / 14
    logits.requires_grad_()
    theta = theta_of(logits, transform, (14, 14))
    assert 0.2 < theta[..., 0, 0].min() <= theta[..., 0, 0].max() < 0.25
    assert (theta[..., 2].abs() + theta[..., [0, 1], [0, 1]]).max() < 1
    theta.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().amax((0, 2, 3)).min() > 1e-4


def test_it_follows_what_it_sees():
    torch.manual_seed(0)
    transform = Attention(1)
    network = HeatmapLocalization(5, transform)
    maps = torch.zeros(2, 5, 14, 14)
    maps[0, 2, 2:5, 2:5] = 1
    maps[1, 2, 2:5, 9:12] = 1
    with torch.no_grad():
        network.output.weight.normal_()
        theta = transform.build(network(maps, transform.base))
    moved = theta[1, 0, 0, 2] - theta[0, 0, 0, 2]
    assert moved.abs() > 0.1


def test_the_output_does_not_depend_on_the_gain_at_the_start():
    x = torch.randn(2, 6, 5, 7)
    plain, equalized = (BoundedHeat(6, 3, gain=gain, limit=8.0) for gain in (1.0, 50.0))
    weight = torch.randn(3, 6)
    with torch.no_grad():
        plain.weight.copy_(weight)
        equalized.weight.copy_(weight / 50)
    start = torch.randn(3, 5, 7)
    torch.testing.assert_close(plain(x, start), equalized(x, start))


def test_heat_logits_stay_bounded_and_the_start_fades():
    layer = BoundedHeat(6, 3, gain=1.0, limit=8.0)
    start = torch.randn(3, 5, 7)
    x = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(layer(x, start), start.expand(2, -1, -1, -1))
    with torch.no_grad():
        layer.weight.normal_().mul_(1e9)
    logits = layer(x, start)
    torch.testing.assert_close(logits, layer(x, start * 0), atol=1e-5, rtol=0)
    assert logits.square().mean() < 8**2
    assert logits.std(0).min() > 0.01


def test_heat_logits_by_hand():
    layer = BoundedHeat(2, 1, gain=10.0, limit=8.0)
    with torch.no_grad():
        layer.weight[0] = torch.tensor([0.3, 0.4])
    # squared lengths 25 and 1, mean 13; the weight is (3, 4), of length 5
    x = torch.tensor([[[[3.0, 1.0]], [[4.0, 0.0]]]])
    start = torch.tensor([[[-1.0, 2.0]]])
    expected = torch.tensor([[[[25.0 * 8 / 13**0.5 - 1, 3 * 8 / 13**0.5 + 2]]]]) / 26**0.5
    torch.testing.assert_close(layer(x, start), expected, atol=1e-4, rtol=0)


def test_other_families_are_refused():
    with pytest.raises(InputError, match="'heatmap' is for axis-aligned families; affine is not"):
        FocusHeads(5, Affine(2), localization="heatmap")
