import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import BackboneSpec, PackedTrunk
from stn_action.models.backbones.backbone_table import (
    BACKBONES,
    LIBRARIES,
    backbone_spec,
    build_backbone,
)
from stn_action.models.model_choices import (
    BACKBONE_LIBRARIES,
    BACKBONES_BY_NAME,
    PUBLISHED_WEIGHTS,
    is_backbone_name,
)
from stn_action.models.stage_maps import features_at, stage_map
from tests.meta_trunks import meta_trunk

HUGGINGFACE = {name for name in BACKBONES if name.startswith("hf/")}

LITE0 = "timm/tf_efficientnet_lite0"


def test_an_unknown_backbone_lists_the_choices():
    for name in ("r3d_18", "torchvision/r4d", "resnet18", "small3d/big"):
        with pytest.raises(InputError, match=r"one of torchvision/r3d_18, torch.*small3d, got"):
            build_backbone(name)
    with pytest.raises(InputError, match=r"timm has no model 'tf_lite9'; near: .*tf_"):
        build_backbone("timm/tf_lite9")
    with pytest.raises(InputError, match="no model 'qqq'; near: none"):
        build_backbone("timm/qqq")
    with pytest.raises(InputError, match="temporal must be one of"):
        build_backbone(LITE0, temporal="median")


def test_the_names_that_a_configuration_knows_are_those_of_the_table():
    assert tuple(BACKBONES) == BACKBONES_BY_NAME
    assert tuple(LIBRARIES) == BACKBONE_LIBRARIES
    assert all(is_backbone_name(name) for name in (*BACKBONES, LITE0))
    published = {
        name for spec in (*BACKBONES.values(), backbone_spec(LITE0)) for name in spec.published
    }
    assert published == set(PUBLISHED_WEIGHTS)


LARGE = {
    "torchvision/mc3_18", "torchvision/r2plus1d_18", "torchvision/mvit_v2_s",
    "torchvision/swin3d_s", "torchvision/swin3d_b", "pytorchvideo/x3d_s", "pytorchvideo/x3d_m",
    "pytorchvideo/x3d_l", "pytorchvideo/slow_r50", "pytorchvideo/i3d_r50", "pytorchvideo/csn_r101",
    "pytorchvideo/r2plus1d_r50", "pytorchvideo/slowfast_r101",
    "pytorchvideo/slowfast_16x8_r101_50_50", "pytorchvideo/mvit_base_16x4",
    "pytorchvideo/mvit_base_32x3",
} | HUGGINGFACE  # fmt: skip
"""Alike to a smaller row that is tested by default, or to a model in `token_models`."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in BACKBONES],
)
def test_heads_can_look_at_every_stage_of_a_row(name):
    spec = BACKBONES[name]
    trunk = meta_trunk(spec)
    small = spec.example_clip(min(spec.num_frames, 32), (64, 64))
    clip = (spec.example_clip() if spec.fixed_clip else small).to("meta")
    with torch.no_grad():
        for index in range(max(1, len(spec.outputs))):
            output = index if spec.outputs else None
            maps = [stage_map(trunk, stage, clip, output=output)[0] for stage in spec.stages]
            sizes = [features.shape[2:].numel() for features in maps]
            assert sizes == sorted(sizes, reverse=True)
            assert sizes[0] > sizes[-1] or name in HUGGINGFACE  # all of their maps are alike
        assert trunk(clip).dim() == 2


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name, spec in BACKBONES.items()
        if spec.fixed_clip
    ],
)
def test_a_trunk_of_a_fixed_clip_takes_no_other(name):
    spec = BACKBONES[name]
    trunk, (height, width) = meta_trunk(spec), spec.size_hw
    for frames, size_hw in (
        (spec.num_frames, (height, width + 32)),
        (spec.num_frames - 1 if spec.any_length else spec.num_frames // 2, (height, width)),
    ):
        with torch.no_grad(), pytest.raises((RuntimeError, ValueError), match=r"size|shape"):
            trunk(spec.example_clip(frames, size_hw).to("meta"))


def test_an_example_clip_is_as_the_weights_were_trained_on_or_as_asked():
    assert BACKBONES["pytorchvideo/x3d_s"].example_clip().shape == (1, 3, 13, 160, 160)
    assert BACKBONES["small3d"].example_clip(5, (20, 30)).shape == (1, 3, 5, 20, 30)
    assert backbone_spec(LITE0).example_clip(16, (20, 30)).shape == (1, 3, 2, 20, 30)
    assert backbone_spec(LITE0).example_clip().shape == (1, 3, 1, 224, 224)


@pytest.mark.parametrize(
    ("name", "weights", "known"),
    [
        ("small3d", "kinetics400", "expected a file or none"),
        ("torchvision/r3d_18", "imagenet", "expected kinetics400, a file or none"),
        (LITE0, "kinetics400", "expected imagenet, a file or none"),
    ],
)
def test_weights_that_the_trunk_has_not_are_reported(name, weights, known):
    with pytest.raises(InputError, match=f"{name} has no published weights '{weights}'; {known}"):
        build_backbone(name, weights=weights)


class TwoPathways(nn.Module):
    """Takes a list of a slow and a fast clip."""

    def __init__(self):
        super().__init__()
        self.slow, self.fast = nn.Conv3d(3, 4, 1), nn.Conv3d(3, 2, 1)

    def forward(self, pathways):
        slow, fast = pathways
        return torch.cat([self.slow(slow).mean((2, 3, 4)), self.fast(fast).mean((2, 3, 4))], 1)


def test_a_row_says_how_a_clip_is_packed_for_its_network(monkeypatch):
    spec = BackboneSpec(
        name="two", builder=lambda weights, temporal: TwoPathways(), mean=(0,) * 3, std=(1,) * 3,
        num_frames=8, stride=2, size_hw=(16, 16), stages=("network.slow", "network.fast"),
        pack=lambda clip: [clip[:, :, ::4], clip],
    )  # fmt: skip
    monkeypatch.setitem(BACKBONES, "two", spec)
    trunk = build_backbone("two").trunk
    assert isinstance(trunk, PackedTrunk)
    clip = torch.rand(2, 3, 8, 6, 5)
    assert features_at(trunk, "network.slow", clip).shape == (2, 4, 2, 6, 5)
    assert features_at(trunk, "network.fast", clip).shape == (2, 2, 8, 6, 5)
    torch.testing.assert_close(trunk(clip), trunk.network([clip[:, :, ::4], clip]))
