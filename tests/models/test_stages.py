import pytest
import torch
from torch import nn
from torchvision.models.video import r2plus1d_18

from stn_action.errors import InputError
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.stage_maps import features_at
from stn_action.models.stages import evaluating, modules_before, stage, stage_names
from tests.plain_trunks import SkipNet, frame_wise_lite0


@pytest.fixture(scope="module")
def lite0():
    return frame_wise_lite0()


@pytest.fixture(scope="module")
def small3d():
    return Small3d().eval()


def test_stages_of_a_torchvision_network():
    names = stage_names(r2plus1d_18())
    assert names == ["stem", "layer1", "layer2", "layer3", "layer4", "fc"]


def test_stages_of_a_small_network(small3d):
    assert stage_names(small3d) == ["stem", "stage1", "stage2", "stage3"]


def test_stages_of_a_frame_wise_network(lite0):
    blocks = [f"image.blocks.{number}" for number in range(7)]
    assert stage_names(lite0) == ["image.conv_stem", "image.bn1", *blocks]


def test_containers_that_are_not_called_are_no_stages():
    trunk = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})
    assert stage_names(trunk) == ["blocks.0", "blocks.1"]


def test_an_unknown_stage_lists_the_valid_ones(small3d):
    with pytest.raises(InputError, match=r"no stage 'stage9'; did you mean 'stage\d'\? Stages: st"):
        stage(small3d, "stage9")
    with pytest.raises(InputError, match=r"'xyz'\. Stages: stem, stage1, stage2, stage3; any"):
        stage(small3d, "xyz")
    with pytest.raises(InputError, match="no stage ''"):
        stage(small3d, "")
    assert stage(small3d, "stage1.0") is small3d.stage1[0]


def test_features_are_those_of_the_stage_and_the_rest_is_not_run(small3d):
    clip = torch.rand(2, 3, 4, 32, 24)
    ran = []
    handle = small3d.stage2.register_forward_hook(lambda *_: ran.append(1))
    features = features_at(small3d, "stage1", clip)
    handle.remove()
    torch.testing.assert_close(features, small3d.stage1(small3d.stem(small3d.motion(clip))))
    assert not ran
    assert not small3d.stage1._forward_hooks


def test_a_stage_that_is_not_called_or_returns_no_map_is_reported():
    with pytest.raises(InputError, match="'unused' does not take part"):
        features_at(SkipNet(), "unused", torch.zeros(1, 3, 2, 4, 4))
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(96, 5))
    with pytest.raises(
        InputError, match=r"the stage returns \(1, 5\), not a map .* an earlier stage"
    ):
        features_at(trunk, "1", torch.zeros(1, 3, 2, 4, 4))


def test_modules_before_a_stage_have_finished_when_it_has(small3d):
    before = modules_before(small3d, "stage1.1", torch.zeros(1, 3, 2, 16, 16))
    stem = {"motion", "stem", "stem.0", "stem.1", "stem.2"}
    assert before == stem | {"stage1.0", "stage1.1"}


def test_looking_leaves_every_modules_mode_as_it_was():
    trunk = Small3d().train()
    trunk.stage1.eval()
    with evaluating(trunk):
        assert not any(module.training for module in trunk.modules())
        assert not trunk(torch.rand(1, 3, 2, 16, 16)).requires_grad
    assert trunk.stage2[1].training
    assert not trunk.stage1[1].training
