"""A localization network of the trunk's own stages."""

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.plug import plug
from stn_action.models.trunk_localization import TrunkLocalization


class Images(nn.Module):
    """A chain of stages on images."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(2, 4, 3)
        self.two = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU())
        self.three = nn.Sequential(nn.Flatten(), nn.Linear(5 * 4 * 3, 7))


def localization(trunk, stages=("two",), **settings):
    return TrunkLocalization(trunk, stages, (4, 9, 7), 6, grid_size=3, **settings)


def test_it_starts_at_zero_with_copies_of_the_stages():
    trunk = Images()
    network = localization(trunk, gain=10.0)
    maps = torch.rand(2, 4, 9, 7)
    assert network(maps).tolist() == [[0.0] * 6] * 2
    torch.testing.assert_close(network.layers.eval()(maps), trunk.two.eval()(maps))
    network.layers[0][0].weight.data.zero_()
    assert trunk.two[0].weight.abs().sum() > 0


def test_random_weights_are_not_those_of_the_trunk():
    trunk = Images()
    trunk.two[1].running_mean.fill_(3.0)
    network = localization(trunk, pretrained=False)
    assert not torch.equal(network.layers[0][0].weight, trunk.two[0].weight)
    assert network.layers[0][1].running_mean.tolist() == [0.0] * 5


def test_the_copies_learn_while_batch_norm_keeps_its_statistics():
    network = localization(Images().requires_grad_(False)).train()
    network.output.weight.data.normal_()
    network(torch.rand(2, 4, 9, 7)).square().sum().backward()
    assert network.layers[0][0].weight.grad.abs().sum() > 0
    assert network.layers[0][1].running_mean.tolist() == [0.0] * 5


def test_it_takes_weights_that_the_trunk_has_loaded_since():
    trunk = Images()
    pretrained, random = localization(trunk), localization(trunk, pretrained=False)
    trunk.two[0].weight.data.fill_(0.5)
    for network in (pretrained, random):
        network.take_weights(trunk)
    assert torch.equal(pretrained.layers[0][0].weight, trunk.two[0].weight)
    assert not torch.equal(random.layers[0][0].weight, trunk.two[0].weight)


def test_stages_of_volumes_take_maps_as_clips_of_one_step():
    example = torch.zeros(1, 3, 4, 32, 32)
    model = plug(
        Small3d(), at="stage1", heads=2, num_classes=5, example=example, motion=False,
        localization="trunk", localization_stages=["stage2"],
    )  # fmt: skip
    clip = torch.rand(2, 3, 4, 32, 32)
    (focus,) = model(clip).focus
    torch.testing.assert_close(focus.theta[0, :, 0], focus.base)
    model(clip).logits.sum().backward()
    assert model.heads.localization.output.weight.grad is not None


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((), "give localization_stages"),
        (("twa",), "no stage 'twa'; did you mean 'two'"),
        (("one",), r"\['one'\] do not take the heads' maps \(4, 9, 7\)"),
        (("two", "three"), r"return \(2, 7\), not maps"),
    ],
)
def test_wrong_stages_are_named(stages, message):
    with pytest.raises(InputError, match=message):
        localization(Images(), stages)


def test_weights_that_cannot_be_drawn_again_are_named():
    trunk = Images()
    trunk.two.append(nn.PReLU())
    trunk.two[-1].reset_parameters = None
    with pytest.raises(InputError, match=r"PReLU \(0.3\) cannot draw its weights again"):
        localization(trunk, pretrained=False)
