"""Frames of a clip see each other in residual blocks, and those of other clips never."""

import copy

import pytest
import torch
from timm.models.resnet import BasicBlock
from torch import nn

from stn_action.build.backbone_report import describe_backbone
from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.temporal_shift import (
    TemporalShift,
    add_temporal_shift,
    shifted,
)
from stn_action.models.batch_norm_folding import fold_batch_norm
from stn_action.models.frozen_stages import PIXELS_OF_PASS
from stn_action.models.network import FocusedNetwork
from stn_action.models.stage_extractor import StageExtractor
from stn_action.models.stage_maps import features_at
from stn_action.models.temporal import TemporalMean

CHANNELS = 8


def trunk_of(num_blocks):
    """Residual blocks of timm, frame by frame, with a shift of an eighth."""
    blocks = [BasicBlock(CHANNELS, CHANNELS) for _ in range(num_blocks)]
    image = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), *blocks)
    trunk = FrameWise(image, TemporalMean(CHANNELS)).eval()
    add_temporal_shift(trunk, 8, "a trunk")
    return trunk


def slow_shift(maps, num_frames, divisor):
    """The sentences of the paper as loops."""
    result = maps.clone()
    fold = maps.shape[1] // divisor
    for n in range(len(maps)):
        t = n % num_frames
        for c in range(fold):
            result[n, c] = maps[n + 1, c] if t + 1 < num_frames else 0
            result[n, fold + c] = maps[n - 1, fold + c] if t > 0 else 0
    return result


def test_a_share_of_the_channels_moves_each_way():
    maps = torch.arange(6.0).view(6, 1, 1, 1) + torch.tensor([100, 200, 300, 400]).view(1, 4, 1, 1)
    first_clip = shifted(maps, 3, 4)[:3, :, 0, 0]
    expected = [[101, 0, 300, 400], [102, 200, 301, 401], [0, 201, 302, 402]]
    assert first_clip.tolist() == expected
    maps = torch.randn(8, 16, 2, 3)
    assert torch.equal(shifted(maps, 4, 8), slow_shift(maps, 4, 8))


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_information_moves_one_frame_a_block_and_never_to_another_clip(num_blocks):
    trunk = trunk_of(num_blocks)
    clips = torch.rand(2, 3, 7, 6, 6)
    other = clips.clone()
    other[0, :, 3] = torch.rand(3, 6, 6)
    last = f"image.{num_blocks}"
    with torch.no_grad():
        maps, found = (features_at(trunk, last, one) for one in (clips, other))
    changed = (maps != found).any(1).any(-1).any(-1)  # (B, T)
    near = [abs(t - 3) <= num_blocks for t in range(7)]
    assert changed.tolist() == [near, [False] * 7]


def test_the_shift_is_inside_the_residual_branch_before_its_first_convolution():
    trunk = trunk_of(1)
    block = copy.deepcopy(trunk.image[1])
    block.conv1._forward_pre_hooks.clear()
    seen = []
    trunk.image[1].conv1.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = torch.randn(6, CHANNELS, 5, 4)
    trunk.shift.num_frames = 3
    with torch.no_grad():
        found = trunk.image[1](x)
        first = block.conv1(slow_shift(x, 3, 8))
        branch = block.bn2(block.conv2(block.act1(block.bn1(first))))
        wanted = block.act2(branch + x)
    torch.testing.assert_close(seen[0], first)
    torch.testing.assert_close(found, wanted)


def test_copies_and_folded_convolutions_are_told_the_length_of_clips():
    trunk = trunk_of(2)
    example, clips = torch.zeros(1, 3, 2, 8, 8), torch.rand(2, 3, 5, 8, 8)
    for block in trunk.image[1:]:
        nn.init.normal_(block.bn1.running_mean)
    folded = copy.deepcopy(fold_batch_norm(trunk, "image.2", example))
    assert isinstance(folded.image[1].bn1, nn.Sequential)
    with torch.no_grad():
        wanted = features_at(trunk, "image.2", clips)
        torch.testing.assert_close(features_at(folded, "image.2", clips), wanted)


def test_stored_maps_are_of_entire_clips(monkeypatch):
    trunk = trunk_of(2)
    network = FocusedNetwork(trunk, num_features=CHANNELS, num_classes=2).eval()
    extract = StageExtractor(network, "image.2", torch.zeros(1, 3, 2, 8, 8))
    assert extract.map_shape(5) == (CHANNELS, 5, 8, 8)
    clips = torch.rand(3, 3, 5, 8, 8)
    monkeypatch.setitem(PIXELS_OF_PASS, "cpu", 128)  # two frames would fit
    with torch.no_grad():
        wanted = features_at(trunk, "image.2", clips)
    torch.testing.assert_close(extract(clips).float(), wanted, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("timm/resnet18", 8),
        pytest.param("timm/resnet50", 16, marks=pytest.mark.slow),
        pytest.param("timm/resnet101", 18, marks=pytest.mark.slow),
        pytest.param("timm/mobilenetv2_100", 10, marks=pytest.mark.slow),
        pytest.param("timm/tf_efficientnet_lite0", 9, marks=pytest.mark.slow),
        pytest.param("timm/convnext_atto", 12, marks=pytest.mark.slow),
    ],
)
def test_the_blocks_of_timm_shift_and_names_stay(name, number):
    with torch.device("meta"):
        trunk = build_backbone(name, temporal_shift=8).trunk
        names = list(build_backbone(name).trunk.state_dict())
    assert isinstance(trunk.shift, TemporalShift)
    assert trunk.shift.num_blocks == number
    assert list(trunk.state_dict()) == names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small3d", r"temporal_shift: small3d is a network of clips.*timm/<network>"),
        ("timm/test_vit", r"timm/test_vit has no residual block of a known kind"),
    ],
)
def test_trunks_without_a_place_for_it_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        build_backbone(name, temporal_shift=8)


def test_one_of_one_channels_is_refused():
    settings = ["data.name=folders", "data.root=.", "model.backbone=timm/resnet18"]
    assert load_config(None, [*settings, "model.temporal_shift=8"]).model.temporal_shift == 8
    with pytest.raises(InputError, match=r"model.temporal_shift.*at least 2"):
        load_config(None, [*settings, "model.temporal_shift=1"])


@pytest.mark.slow
def test_the_description_tells():
    settings = ["data.crop.size=32", "data.clip.num_frames=2", "model.temporal_shift=8"]
    report = describe_backbone("timm/resnet18", settings)
    told = "1/8 of the channels each way, before the first convolution of 8 residual blocks"
    assert report.lines()[1] == f"temporal shift: {told}"
    assert report.to_dict()["temporal_shift"] == told
