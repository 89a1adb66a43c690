import torch

from stn_action.models.backbones.backbone_spec import IMAGENET
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.stage_maps import features_at


def test_the_small_trunk_halves_the_map_three_times():
    backbone = build_backbone("small3d")
    assert (backbone.spec.mean, backbone.spec.std) == IMAGENET
    trunk, clip = backbone.trunk, torch.rand(2, 3, 4, 48, 32)
    assert trunk(clip).shape == (2, 64)
    assert features_at(trunk, "stem", clip).shape == (2, 16, 4, 24, 16)
    assert features_at(trunk, "stage1", clip).shape == (2, 32, 4, 12, 8)
    assert features_at(trunk, "stage3", clip).shape == (2, 64, 2, 6, 4)
    still = clip[:, :, :1].expand_as(clip)
    assert not trunk.motion(still).any()
    torch.testing.assert_close(trunk.motion(clip)[:, :, -1], 2 * (clip[:, :, 3] - clip[:, :, 2]))
    assert 150_000 < sum(parameter.numel() for parameter in trunk.parameters()) < 250_000
