"""Trunk and heads through `torch.compile`: one graph, the same results, the same checkpoints."""

import copy

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from stn_action import plug
from stn_action.errors import InputError
from stn_action.models import compiled_network
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.compiled_network import compile_network
from stn_action.models.stages import stage
from stn_action.models.standing_hook import add_standing_hook

TRUNKS = {
    "torchvision/r3d_18": ("layer3", (4, 32, 32), "tail"),
    "torchvision/swin3d_t": ("features.4", (4, 64, 64), "pooled"),
    "torchvision/mvit_v2_s": ("blocks.13", (16, 224, 224), "pooled"),
    "pytorchvideo/x3d_xs": ("blocks.3", (4, 64, 64), "tail"),
    "pytorchvideo/slowfast_r50": ("network.blocks.3", (32, 64, 64), "pooled"),
    "timm/resnet18": ("image.layer3", (2, 32, 32), "pooled"),
    "timm/test_vit": ("image.model.blocks.3", (2, 160, 160), "pooled"),
}
"""Backbone to a stage, the size of a clip and what becomes of glimpses."""


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    torch.compiler.reset()
    counters.clear()


@pytest.fixture
def traced_only(monkeypatch):
    """Run graphs without making code of them, which takes long."""
    monkeypatch.setattr(compiled_network, "BACKEND", "eager")


def small_network(**settings):
    backbone = build_backbone("small3d")
    example = torch.zeros(1, 3, 4, 32, 32)
    settings = {"at": "stage2", "heads": 2, "num_classes": 5, "example": example, **settings}
    network = plug(
        backbone.trunk, mean=backbone.spec.mean, std=backbone.spec.std, dropout=0, **settings
    )
    for parameter in network.localization_parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network


def clips(batch_size, thw=(4, 32, 32)):
    return torch.randint(0, 256, (batch_size, 3, *thw), dtype=torch.uint8)


def assert_alike(found, wanted):
    torch.testing.assert_close(found.logits, wanted.logits, atol=1e-4, rtol=1e-4)
    for one, other in zip(found.focus, wanted.focus, strict=True):
        torch.testing.assert_close(one.places, other.places, atol=1e-4, rtol=1e-4)
        assert (one.stage, one.cells) == (other.stage, other.cells)


def gradients(network):
    return [one.grad.clone() for one in network.parameters() if one.grad is not None]


SETTINGS = {
    "attention": {"readout": "attention", "heads": 1, "features_from": "stage3"},
    "tail": {},
    "in_line": {"glimpse": "in_line", "heads": 1},
    "zoom": {"glimpse": "zoom", "look_size": 32, "glimpse_size": 16},
}


@pytest.mark.usefixtures("traced_only")
def test_one_graph_trains_on_batches_of_any_size():
    trunk = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1))
    network = plug(
        trunk.append(nn.Flatten()), at="1", readout="attention", heads=1, num_classes=5, dropout=0,
        example=torch.zeros(1, 3, 4, 8, 8), features_from="2",
    )  # fmt: skip
    assert_trains_alike(network, lambda size: torch.rand(size, 3, 4, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.usefixtures("traced_only")
def test_one_graph_serves_batches_of_any_size(name):
    network = small_network(**SETTINGS[name])
    original = assert_trains_alike(network, clips)
    graphs = counters["stats"]["unique_graphs"]
    network.eval()
    original.eval()
    with torch.no_grad():
        for batch_size in (4, 2):
            batch = clips(batch_size)
            wanted = original(batch)
            assert_alike(network(batch), wanted)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == graphs + 1
    frames = counters["frames"]["total"]
    assert_alike(copy.deepcopy(network)(batch), wanted)  # not compiled, with hooks of its own
    assert counters["frames"]["total"] == frames


def assert_trains_alike(network, batch_of):
    """Compile a network, and return a copy that is not, after both have seen the same clips."""
    original, names = copy.deepcopy(network), list(network.state_dict())
    compile_network(network)
    assert list(network.state_dict()) == names
    graphs = counters["stats"]["unique_graphs"]
    for batch_size in (2, 3, 4):
        batch = batch_of(batch_size)
        assert_alike(network(batch), original(batch))
    for one in (network, original):
        one(batch).logits.square().sum().backward()
    for found, wanted in zip(gradients(network), gradients(original), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4 * wanted.abs().max().item(), rtol=1e-3)
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == graphs + 1
    return original


@pytest.mark.usefixtures("traced_only")
def test_what_a_compiled_network_lacks_is_named():
    network = small_network(readout="foreground", at="stage3")
    compile_network(network)
    with pytest.raises(InputError, match="extents"):
        network(clips(2))


@pytest.mark.slow
@pytest.mark.usefixtures("traced_only")
def test_the_part_behind_a_stage_is_compiled_apart():
    network = small_network().eval()
    behind = network.behind("stage1", torch.zeros(1, 3, 4, 32, 32))
    batch = clips(2)
    wanted, features = network(batch), network.stage_features(batch, "stage1")
    compile_network(behind)
    assert_alike(behind(features), wanted)
    assert not counters["graph_break"]


@pytest.mark.slow
def test_a_machine_without_a_compiler_is_told(monkeypatch, tmp_path):
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # nothing compiled before
    message = r"^train.compile: .*cannot compile .*g\+\+.*train.compile=false"
    with config.patch({"cpp.cxx": ("/no/compiler",)}), pytest.raises(InputError, match=message):
        compile_network(small_network(), "train.compile")


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUNKS)
def test_every_kind_of_trunk_is_one_graph(name):
    at, thw, glimpse = TRUNKS[name]
    backbone = build_backbone(name)
    network = plug(
        backbone.trunk, at=at, heads=2, num_classes=5, glimpse=glimpse,
        output=0 if "slowfast" in name else None, example=torch.zeros(1, 3, *thw),
        mean=backbone.spec.mean, std=backbone.spec.std,
    )  # fmt: skip
    batch = clips(2, thw)
    network(batch)
    add_standing_hook(stage(network.trunk, at))
    torch._dynamo.maybe_mark_dynamic(batch, 0)
    explained = torch._dynamo.explain(network)(batch)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("glimpse", ["tail", "pooled", "zoom"])
def test_compiled_code_computes_the_same(glimpse):
    sizes = {"look_size": 32, "glimpse_size": 32} if glimpse == "zoom" else {}
    network = small_network(glimpse=glimpse, **sizes).eval()
    original = copy.deepcopy(network)
    compile_network(network)
    with torch.no_grad():
        for batch_size in (2, 3, 1):
            batch = clips(batch_size)
            assert_alike(network(batch), original(batch))
