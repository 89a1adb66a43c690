"""Heads on networks that nobody made for them: what works, and what says why it does not."""

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from stn_action import plug
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import build_backbone

EXAMPLE = torch.zeros(1, 3, 4, 32, 32)


class Chain(nn.Module):
    """A stem, a middle and an end, the stage in the middle followed by work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm3d(8)
        self.act = nn.ReLU(inplace=True)
        self.middle = nn.Conv3d(8, 8, 3, 1, 1)
        self.fc = nn.Linear(8, 4)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.middle(self.act(self.norm(self.stem(clip))))
        return self.fc(x.add_(1).relu_().mean((2, 3, 4)))


class AroundTheStage(Chain):
    def forward(self, clip: Tensor) -> Tensor:
        x = self.stem(clip)
        return self.fc((F.relu(self.middle(x)) + x).mean((2, 3, 4)))


class UsedTwice(Chain):
    def forward(self, clip: Tensor) -> Tensor:
        x = self.middle(F.relu(self.middle(self.stem(clip))))
        return self.fc(x.mean((2, 3, 4)))


class FrameWiseSegmentation(nn.Module):
    """A segmentation network of frames; its scores are averaged, its features named."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large

        self.net = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5)

    def forward(self, clip: Tensor) -> Tensor:
        frames = clip.transpose(1, 2).flatten(0, 1)
        scores = self.net(frames)["out"].mean((2, 3))
        return scores.unflatten(0, (-1, clip.shape[2])).mean(1)


class Pyramid(nn.Module):
    """The trunk of a detector with its pyramid of maps."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models.detection.backbone_utils import mobilenet_backbone

        self.fpn = mobilenet_backbone(backbone_name="mobilenet_v3_large", weights=None, fpn=True)

    def forward(self, clip: Tensor) -> Tensor:
        maps = self.fpn(clip.transpose(1, 2).flatten(0, 1))
        described = torch.cat([one.mean((2, 3)) for one in maps.values()], 1)
        return described.unflatten(0, (-1, clip.shape[2])).mean(1)


def plugged(trunk: nn.Module, at: str = "middle", **settings):
    return plug(trunk, at=at, heads=2, num_classes=3, example=EXAMPLE, **settings)


def clips() -> Tensor:
    return torch.randn(2, 3, 4, 32, 32)


def learns(network) -> bool:
    """Whether a loss reaches every parameter of the localization network."""
    prediction = network(clips())
    assert prediction.logits.shape == (2, 3)
    assert prediction.focus[0].theta.shape == (2, 2, 1, 2, 3)
    prediction.logits.square().sum().backward()
    return all(one.grad is not None for one in network.localization_parameters())


@pytest.mark.parametrize("glimpse", ["pooled", "tail"])
def test_work_in_place_behind_the_stage_does_no_harm(glimpse):
    assert learns(plugged(Chain(), glimpse=glimpse))


def test_a_path_around_the_stage_is_left_to_pooled_glimpses():
    assert learns(plugged(AroundTheStage(), glimpse="pooled"))
    assert learns(plugged(AroundTheStage(), at="stem", glimpse="tail"))  # where the paths part
    network = plugged(AroundTheStage(), glimpse="tail")
    with pytest.raises(InputError, match=r"one of several paths which are joined later, choose a"):
        network(clips())


@pytest.mark.parametrize("glimpse", ["pooled", "tail"])
def test_a_stage_that_runs_twice_is_refused(glimpse):
    network = plugged(UsedTwice(), glimpse=glimpse)
    with pytest.raises(InputError, match="runs more than once in a forward pass, so that its map"):
        network(clips())


def test_heads_plug_into_a_segmentation_network():
    trunk = FrameWiseSegmentation()
    with pytest.raises(InputError, match=r"cannot be taken off: .* by features_from"):
        plugged(trunk, at="net.backbone.12", glimpse="pooled")
    features = {"features_from": "net.backbone.16"}
    with pytest.raises(
        InputError, match=r"OrderedDict of low: .* by output='low' or output='high'"
    ):
        plugged(trunk, at="net.backbone", glimpse="pooled", **features)
    for output in ("low", "high"):
        assert learns(
            plugged(trunk, at="net.backbone", output=output, glimpse="pooled", **features)
        )
    assert learns(plugged(trunk, at="net.backbone.12", glimpse="pooled", **features))
    network = plugged(trunk, at="net.backbone.12", glimpse="tail", **features)
    with pytest.raises(InputError, match="one of several paths which are joined later"):
        network(clips())  # the low maps go to the end beside the high ones


def test_heads_plug_into_the_pyramid_of_a_detector():
    settings = {"at": "fpn.body.6", "features_from": "fpn.fpn.layer_blocks.0"}
    assert learns(plugged(Pyramid(), glimpse="pooled", **settings))


def test_a_vision_transformer_of_timm_has_pooled_glimpses():
    settings = {"at": "image.model.blocks.2", "example": torch.zeros(1, 3, 2, 160, 160)}
    given = torch.randn(2, 3, 2, 160, 160)
    pooled, tail = (
        plug(build_backbone("timm/test_vit").trunk, heads=2, num_classes=3, glimpse=how, **settings)
        for how in ("pooled", "tail")
    )
    assert pooled(given).focus[0].cells.size_thw == (2, 10, 10)
    with pytest.raises(InputError, match=r"as timm's ViTs do, .*use glimpse='pooled'"):
        tail(given)


def test_copies_predict_what_the_original_does():
    network, given = plugged(Chain()).eval(), clips()
    wanted = network(given).logits
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    for again in (
        copy.deepcopy(network),
        AveragedModel(network),  # an EMA
        pickle.loads(pickle.dumps(network)),
        torch.load(file, weights_only=False),
    ):
        assert torch.equal(again(given).logits, wanted)


def test_an_average_of_weights_follows_training():
    network = plugged(Chain())
    average = AveragedModel(network, avg_fn=lambda old, new, count: 0.5 * old + 0.5 * new)
    average.update_parameters(network)
    with torch.no_grad():
        for one in network.parameters():
            one.add_(1)
    average.update_parameters(network)
    pairs = zip(average.module.parameters(), network.parameters(), strict=True)
    assert all(torch.allclose(mean, new - 0.5) for mean, new in pairs)


def test_channels_last_memory_stays_and_gives_equal_logits():
    network, given = plugged(Chain()).eval(), clips()
    wanted = network(given).logits
    network.to(memory_format=torch.channels_last_3d)
    found = network(given.to(memory_format=torch.channels_last_3d)).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert learns(network.train())


def test_a_compiled_trunk_is_refused():
    with pytest.raises(InputError, match=r"trunk._orig_mod.*compile the network that plug return"):
        plugged(torch.compile(Chain(), backend="eager"))  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_a_network_with_heads_is_compiled():
    network, given = plugged(Chain()).eval(), clips()
    compiled = torch.compile(network, backend="eager")  # in parts: the hook is between them
    with torch.no_grad():
        torch.testing.assert_close(compiled(given).logits, network(given).logits)
