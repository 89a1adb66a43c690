"""The plain localization networks of the paper."""

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.transforms import build_transform
from stn_action.models.heads import FocusHeads
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.plain_localization import (
    convolutional_localization,
    dense_localization,
    svhn_localization,
)
from stn_action.models.plug import plug
from stn_action.models.spatial_transformer import SpatialTransformer


def widths(network):
    return [module.out_features for module in network.modules() if isinstance(module, nn.Linear)]


def test_the_dense_network_has_three_layers_of_32_units():
    network = dense_localization(2, (5, 7), 6)
    assert widths(network) == [32, 32, 32, 6]
    assert network(torch.rand(3, 2, 5, 7)).tolist() == [[0.0] * 6] * 3


@pytest.mark.parametrize(("map_hw", "inputs"), [((28, 28), 20), ((42, 60), 20 * 4 * 9)])
def test_the_convolutional_network_sees_half_of_the_size(map_hw, inputs):
    network = convolutional_localization(1, map_hw, 6)
    assert widths(network) == [20, 6]
    first = next(module for module in network.modules() if isinstance(module, nn.Linear))
    # 42 / 2 = 21, - 4 = 17, / 2 = 8, - 4 = 4; 60 / 2 = 30, - 4 = 26, / 2 = 13, - 4 = 9
    assert first.in_features == inputs
    assert not network(torch.rand(3, 1, *map_hw)).any()
    with pytest.raises(InputError, match="at least 28x28, got 28x27"):
        convolutional_localization(1, (27, 28), 6)


def test_the_network_for_house_numbers_keeps_the_size_and_halves_it_once():
    network = svhn_localization(3, (64, 48), 6)
    shapes = [tuple(p.shape) for p in network.parameters() if p.dim() > 1]
    assert shapes == [
        (32, 3, 5, 5), (32, 32, 5, 5), (32, 32 * 32 * 24), (32, 32), (6, 32),
    ]  # fmt: skip
    assert not network(torch.rand(2, 3, 64, 48)).any()
    with pytest.raises(InputError, match="'svhn' needs maps of at least 2x2, got 4x1"):
        svhn_localization(3, (1, 4), 6)


def test_a_dense_network_may_have_two_layers():
    assert widths(dense_localization(2, (5, 7), 6, num_layers=2)) == [32, 32, 6]


@pytest.mark.parametrize("kind", ["dense", "convolutional", "svhn"])
def test_a_plain_transformer_starts_as_the_identity_and_learns(kind):
    layer = SpatialTransformer(
        3, "affine", localization=LocalizationSettings(kind, map_hw=(28, 30))
    )
    maps = torch.rand(2, 3, 28, 30)
    result, theta = layer(maps, return_theta=True)
    torch.testing.assert_close(result, maps)
    theta[:, 0, 2].sum().backward()
    assert layer.heads.gain == 1
    last = list(layer.heads.localization.parameters())[-2:]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in last)


def test_flat_images_pass_a_dense_network():
    settings = LocalizationSettings("dense", map_hw=(28, 28))
    layer = SpatialTransformer(1, image_size=(28, 28), localization=settings)
    flat = torch.rand(2, 28 * 28)
    torch.testing.assert_close(layer(flat), flat)


def test_a_map_of_unknown_size_is_refused():
    with pytest.raises(InputError, match="localization 'dense' is made for maps of one size: give"):
        FocusHeads(3, build_transform("affine", 1, bounded=False), localization="dense")


def test_plug_tells_the_size_of_the_map():
    trunk = nn.Sequential(
        nn.Conv3d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 5)
    )
    network = plug(
        trunk, at="0", heads=1, num_classes=2, glimpse="in_line", transform="affine",
        bounded=False, localization="dense", example=torch.zeros(1, 3, 1, 6, 8),
    )  # fmt: skip
    assert network(torch.rand(2, 3, 1, 6, 8)).focus[0].theta.shape == (2, 1, 1, 2, 3)
