import copy

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.localization import BoundedLinear, EqualizedConv2d, LocalizationNetwork


def localization(*, gain=1.0, seed=0, **settings):
    """A localization network whose last layer does not stand at zero any more."""
    torch.manual_seed(seed)
    network = LocalizationNetwork(5, 6, gain=gain, **settings)
    with torch.no_grad():
        network.output.weight.normal_().mul_(0.1 / gain)
    return network


@pytest.mark.parametrize("map_hw", [(1, 1), (1, 9), (3, 5), (7, 7), (20, 13)])
def test_it_works_for_any_map_size(map_hw):
    raw = localization()(torch.randn(2, 5, *map_hw))
    assert raw.shape == (2, 6)
    assert raw.isfinite().all()


def test_it_starts_at_zero_and_can_leave_it():
    network = LocalizationNetwork(5, 6, gain=100.0)
    raw = network(torch.randn(3, 5, 8, 6))
    assert raw.abs().max() == 0
    raw.sum().backward()
    weight_gradient = network.output.weight.grad
    assert weight_gradient is not None
    assert weight_gradient.abs().amax(1).min() > 1


def test_an_empty_map_gives_finite_numbers_and_gradients():
    network = localization()
    features = torch.zeros(2, 5, 8, 8, requires_grad=True)
    raw = network(features)
    raw.sum().backward()
    assert raw.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_it_tells_where_something_is():
    network = localization()
    maps = torch.zeros(2, 5, 14, 14)
    maps[0, 2, 2:5, 2:5] = 1
    maps[1, 2, 8:11, 9:12] = 1  # the same patch elsewhere: pooling could not tell
    raw = network(maps)
    assert (raw[0] - raw[1]).abs().max() > 0.05


def test_the_output_does_not_depend_on_the_gain_at_the_start():
    features = torch.randn(2, 5, 9, 7)
    expected = localization(gain=1.0)(features)
    for gain in (30.0, 1e4):
        torch.testing.assert_close(localization(gain=gain)(features), expected)


def equalized_pairs():
    return {
        "conv": ([EqualizedConv2d(3, 4, 5, gain) for gain in (1.0, 50.0)], (2, 3, 6, 7)),
        "linear": ([BoundedLinear(8, 3, gain=gain, limit=4.0) for gain in (1.0, 50.0)], (2, 8)),
    }


@pytest.mark.parametrize("kind", ["conv", "linear"])
def test_the_stored_weights_gradient_is_the_gain_times_the_effective_weights(kind):
    (plain, equalized), shape = equalized_pairs()[kind]
    effective = torch.randn_like(plain.weight)
    with torch.no_grad():
        plain.weight.copy_(effective)
        equalized.weight.copy_(effective / 50)
    x = torch.randn(shape)
    torch.testing.assert_close(equalized(x), plain(x))
    for layer in (plain, equalized):
        layer(x).square().sum().backward()
    torch.testing.assert_close(equalized.weight.grad, 50 * plain.weight.grad, rtol=1e-4, atol=1e-2)


def test_an_equalized_convolution_is_a_convolution_of_the_same_size():
    layer = EqualizedConv2d(3, 4, 5, gain=20.0)
    reference = nn.Conv2d(3, 4, 5, padding=2, bias=False)
    with torch.no_grad():
        reference.weight.copy_(layer.weight * 20)
    x = torch.randn(2, 3, 6, 9)
    torch.testing.assert_close(layer(x), reference(x))


def test_the_bounded_layer_by_hand():
    layer = BoundedLinear(2, 2, gain=10.0, limit=4.0)
    with torch.no_grad():
        layer.weight[0] = torch.tensor([1.0, 0.0, 0.0]) / 10
        layer.weight[1] = torch.tensor([0.0, 3.0, 4.0]) / 10
    # (3, 1) is (1, -1) normalized, (1, -1) / sqrt(2) of unit length; with the constant one behind
    # it and of unit length again: (1/2, -1/2, 1/sqrt(2))
    raw = layer(torch.tensor([[300.0, 100.0]]))
    expected = [0.5 / 2**0.5 * 4, (-1.5 + 4 / 2**0.5) / 26**0.5 * 4]
    torch.testing.assert_close(raw, torch.tensor([expected]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e9])
def test_the_bounded_layer_stays_bounded_and_keeps_looking_at_its_input(size):
    layer = BoundedLinear(20, 50, gain=1.0, limit=4.0)
    with torch.no_grad():
        layer.weight.normal_().mul_(size)
    raw = layer(torch.randn(200, 20))
    assert raw.abs().max() <= 4
    assert raw.std(0).min() > 0.1


def test_hidden_weights_are_scale_invariant():
    network = localization()
    grown = copy.deepcopy(network)
    with torch.no_grad():
        for layer in (grown.reduction, *grown.convolutions):
            layer.weight *= 30
    features = torch.randn(2, 5, 9, 7)
    torch.testing.assert_close(grown(features), network(features), atol=1e-4, rtol=1e-3)


def test_it_computes_in_float32_under_autocast():
    network = localization()
    features = torch.randn(2, 5, 9, 7).bfloat16()
    expected = network(features.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        raw = network(features)
    assert raw.dtype == torch.float32
    torch.testing.assert_close(raw, expected)


def test_gradients_are_right():
    network = localization(hidden_channels=2, kernel_sizes=(3,), grid_size=2, gain=3.0).double()
    features = torch.randn(1, 5, 3, 4, dtype=torch.float64, requires_grad=True)

    def with_weights(features, *weights):
        names = [name for name, _ in network.named_parameters()]
        return torch.func.functional_call(
            network, dict(zip(names, weights, strict=True)), (features,)
        )

    inputs = (features, *network.parameters())
    assert torch.autograd.gradcheck(with_weights, inputs, fast_mode=True)


def test_a_constant_map_stays_constant_with_replicate_padding():
    layer = EqualizedConv2d(3, 4, 5, gain=20.0, padding="replicate")
    values = torch.randn(2, 3, 1, 1)
    result = layer(values.expand(2, 3, 4, 9))
    summed = torch.einsum("oihw,ni->no", layer.weight * 20, values[..., 0, 0])
    torch.testing.assert_close(result, summed[..., None, None].expand(2, 4, 4, 9))
    zeros = EqualizedConv2d(3, 4, 5, gain=20.0)(values.expand(2, 3, 4, 9))
    assert zeros.flatten(2).std(2).min() > 0.01


@pytest.mark.parametrize("map_hw", [(6, 9), (1, 2)])
def test_replicate_padding_is_that_of_a_convolution(map_hw):
    layer = EqualizedConv2d(3, 4, 5, gain=20.0, padding="replicate")
    reference = nn.Conv2d(3, 4, 5, padding=2, bias=False, padding_mode="replicate")
    with torch.no_grad():
        reference.weight.copy_(layer.weight * 20)
    x = torch.randn(2, 3, *map_hw)
    torch.testing.assert_close(layer(x), reference(x))


def test_an_unknown_padding_is_refused():
    with pytest.raises(InputError, match=r"one of \('zeros', 'replicate'\), got 'border'"):
        LocalizationNetwork(5, 6, padding="border")  # pyright: ignore
