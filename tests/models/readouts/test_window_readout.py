import pytest
import torch
from torch import nn

from stn_action.geometry.theta import VOLUMETRIC
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.models.heads import FocusHeads
from stn_action.models.readouts.window_readout import WindowReadout

CLIP = (2, 5, 3, 8, 6)  # (B, C, T, H, W)
FLAT = [name for name, family in TRANSFORMS.items() if family.theta_shape != VOLUMETRIC]
WAYS = [(name, "clip") for name in TRANSFORMS] + [(name, "step") for name in FLAT]


def windows(name="attention", **settings):
    heads = FocusHeads(5, build_transform(name, 4), **settings)
    nn.init.normal_(heads.localization.output.weight, std=0.3)
    return WindowReadout(heads)


@pytest.mark.parametrize(("name", "theta_per"), WAYS)
def test_descriptions_are_the_means_of_the_glimpses(name, theta_per):
    features, readout = torch.randn(CLIP), windows(name, theta_per=theta_per)
    reading = readout(features)
    assert reading.descriptions.shape == (2, 4, 5, 3)
    assert reading.weights is None
    torch.testing.assert_close(reading.theta, readout.heads(features))
    expected = readout.heads.glimpses(features, reading.theta, (8, 6)).mean((-2, -1))
    torch.testing.assert_close(reading.descriptions, expected, atol=1e-5, rtol=0)


def test_what_moves_the_windows_has_a_group_of_its_own():
    readout = windows(gain=30.0)
    own = {id(parameter) for parameter in readout.localization_parameters()}
    assert own == {id(parameter) for parameter in readout.parameters()}
    assert readout.gain == 30


def test_the_start_on_each_clips_person_is_the_base():
    readout = windows(start="foreground")
    nn.init.zeros_(readout.heads.localization.output.weight)
    image, person = [-1.0, -1, 1, 1], [-0.8, -0.6, 0.2, 0.9]
    extents = torch.tensor([[image, image], [image, person]])[:, None].expand(2, 6, 2, 4)
    reading = readout(torch.randn(CLIP), extents)
    base = readout.base_of(extents)
    assert base.shape == (2, 4, 2, 3)
    torch.testing.assert_close(reading.theta[:, :, 0], base)
    assert (base[0] - base[1]).abs().max() > 0.1
