from collections import Counter

import pytest
import torch

from stn_action.models.backbones.backbone_spec import PackedTrunk
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.stage_order import stage_of_parameters, trunk_stages


@pytest.mark.parametrize(
    ("model", "stages"),
    [
        ("resnet10t", ["act1", "layer1", "layer2", "layer3", "layer4"]),
        ("convnext_atto", ["stages_0", "stages_1", "stages_2", "stages_3"]),
        ("test_efficientnet", ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]),
        ("test_vit", ["model.blocks.0", "model.blocks.1"]),
    ],
)
def test_stages_of_an_image_network_are_those_that_timm_describes(model, stages):
    trunk = build_backbone(f"timm/{model}").trunk
    found = trunk_stages(trunk)
    assert [path.removeprefix("image.") for path in found][: len(stages)] == stages
    of = stage_of_parameters(trunk, found)
    assert of.keys() == dict(trunk.named_parameters()).keys()
    order = [found.index(stage) for stage in of.values()]
    assert order == sorted(order)
    assert set(of.values()) == set(found)


def test_a_stem_counts_to_the_stage_behind_it_and_the_rest_to_the_last_one():
    trunk = Small3d()
    trunk.extra = torch.nn.Linear(2, 2)
    of = stage_of_parameters(trunk, trunk_stages(trunk, ("stage1", "stage3")))
    assert Counter(of.values()) == {"stage1": 6, "stage3": 8}
    assert of["stem.0.weight"] == "stage1"
    assert of["stage2.1.bias"] == of["extra.bias"] == "stage3"


def test_stages_of_a_packed_trunk_are_named_by_their_path_in_it():
    trunk = PackedTrunk(Small3d(), lambda clip: clip)
    assert trunk_stages(trunk, ("stem", "stage3")) == ["network.stem", "network.stage3"]


def test_without_a_description_modules_of_several_layers_are_stages():
    trunk = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3), torch.nn.ReLU())
    )
    assert trunk_stages(trunk) == ["1"]
    assert set(stage_of_parameters(trunk, ["1"]).values()) == {"1"}
    assert trunk_stages(torch.nn.Sequential(torch.nn.Linear(2, 2))) == ["0"]
