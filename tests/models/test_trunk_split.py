import pytest
import torch
from torchvision.models.video import r3d_18

from stn_action.errors import InputError
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.stage_maps import features_at
from stn_action.models.trunk_split import trunk_behind
from tests.plain_trunks import SkipNet, frame_wise_lite0


@pytest.fixture(scope="module")
def lite0():
    return frame_wise_lite0()


@pytest.fixture(scope="module")
def small3d():
    return Small3d().eval()


def test_the_rest_of_a_chain_takes_the_stages_maps(small3d):
    clip = torch.rand(2, 3, 4, 32, 32)
    rest = trunk_behind(small3d, "stage1", torch.zeros(1, 3, 4, 32, 32))
    with torch.no_grad():
        maps = small3d.stage1(small3d.stem(small3d.motion(clip)))
        torch.testing.assert_close(rest(maps), small3d(clip))
    assert rest.get_parameter("stage2.0.weight") is small3d.stage2[0].weight


def test_the_rest_of_a_frame_wise_chain_takes_clips_of_maps(lite0):
    clip = torch.rand(2, 3, 3, 64, 64)
    with torch.no_grad():
        maps = features_at(lite0, "image.blocks.3", clip)
        rest = trunk_behind(lite0, "image.blocks.3", torch.zeros(1, 3, 3, 64, 64))
        torch.testing.assert_close(rest(maps), lite0(clip))


def test_a_torchvision_network_can_be_cut_behind_a_stage():
    trunk = r3d_18().eval()
    clip = torch.rand(1, 3, 4, 32, 32)
    with torch.no_grad():
        rest = trunk_behind(trunk, "layer3", torch.zeros(1, 3, 4, 32, 32))
        torch.testing.assert_close(rest(features_at(trunk, "layer3", clip)), trunk(clip))


def test_a_trunk_that_is_no_chain_cannot_be_cut_there():
    example = torch.zeros(1, 3, 2, 8, 8)
    for place in ("second", "third"):
        with pytest.raises(InputError, match=f"cannot be split behind '{place}'.*cache_features"):
            trunk_behind(SkipNet(), place, example)
    assert trunk_behind(SkipNet(), "first", example)(torch.zeros(1, 4, 2, 8, 8)).shape == (1, 4)
