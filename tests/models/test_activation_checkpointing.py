import copy
import gc

import pytest
import timm
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.plug import plug
from stn_action.models.temporal import TemporalMean
from tests.pairs import cover_pairs

EXAMPLE = torch.zeros(1, 3, 4, 16, 20)
CLIPS = (2, 3, 4, 16, 20)
REGIONS = {
    "stage alone": [["stem"], ["stage", "relu"], ["behind"]],
    "all at once": [["stem", "stage", "relu", "behind"]],
    "up to the stage": [["stem", "stage", "relu"], ["behind"]],
    "stage within": [["stem"], ["stage", "relu", "behind"]],
}


class Checkpointed(nn.Module):
    """Three layers in checkpointed regions; behind the stage is one that works in place."""

    def __init__(self, regions, reentrant=None):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 5, 3, (1, 2, 2), 1), nn.GroupNorm(1, 5), nn.Tanh())
        self.stage = nn.Sequential(nn.Conv3d(5, 6, 3, padding=1), nn.GroupNorm(2, 6))
        self.relu = nn.ReLU(inplace=True)
        self.behind = nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.Dropout(0.3), nn.Tanh())
        self.regions = regions
        self.reentrant = reentrant

    def forward(self, clip):
        x = clip
        for names in self.regions:

            def region(x, names=names):
                for name in names:
                    x = self.get_submodule(name)(x)
                return x

            if self.reentrant is None:
                x = region(x)
            else:
                x = checkpoint(region, x, use_reentrant=self.reentrant)
        return x.mean((2, 3, 4))


def build(trunk, at, glimpse, random, example=EXAMPLE):
    model = plug(
        trunk, at=at, heads=1 if glimpse == "in_line" else 3, num_classes=5, glimpse=glimpse,
        random_windows=RandomWindows() if random else None, example=example, gain=1.0,
    )  # fmt: skip
    nn.init.normal_(model.heads.localization.output.weight, std=0.3)
    return model


def total(prediction):
    """A loss that every output takes part in, theta too."""
    loss = prediction.logits.square().sum() + prediction.branch_logits.square().sum()
    loss = loss + prediction.focus[0].theta.square().sum()
    return loss if prediction.random_logits is None else loss + prediction.random_logits.sum()


def gradients(model, clips=CLIPS, seed=3):
    model.zero_grad()
    torch.manual_seed(seed)
    total(model(torch.rand(clips))).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_equal_gradients(model, plain, clips=CLIPS):
    expected = gradients(plain, clips)
    found = gradients(model, clips)
    assert all(value is not None and value.any() for value in found.values())
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-5, msg=name)


def no_hooks(model):
    gc.collect()
    return not any(module._forward_hooks for module in model.modules())


GLIMPSES = [("tail", False), ("tail", True), ("pooled", False), ("pooled", True)]
GLIMPSES += [("in_line", False)]


@pytest.mark.parametrize(("regions", "glimpse", "random"), cover_pairs(list(REGIONS), GLIMPSES))
def test_gradients_under_checkpointing_are_those_without(regions, glimpse, random):
    model = build(Checkpointed(REGIONS[regions], False), "stage", glimpse, random)
    plain = build(Checkpointed(REGIONS[regions]), "stage", glimpse, random)
    plain.load_state_dict(model.state_dict())
    assert_equal_gradients(model, plain)
    assert no_hooks(model)


@pytest.mark.parametrize("glimpse", ["tail", "pooled", "in_line"])
@pytest.mark.parametrize("at", ["stem", "stage", "stage.0", "behind.0"])
def test_heads_inside_of_a_region_have_right_gradients_at_every_stage(glimpse, at):
    model = build(Checkpointed(REGIONS["all at once"], False), at, glimpse, random=False)
    plain = build(Checkpointed(REGIONS["all at once"]), at, glimpse, random=False)
    plain.load_state_dict(model.state_dict())
    assert_equal_gradients(model, plain)


@pytest.mark.parametrize("glimpse", ["tail", "pooled", "in_line"])
def test_several_forward_passes_may_come_before_their_backward_passes(glimpse):
    losses, grads = [], []
    for reentrant in (False, None):
        torch.manual_seed(1)
        model = build(Checkpointed(REGIONS["stage within"], reentrant), "stage", glimpse, False)
        one, other = torch.rand(CLIPS), torch.rand(CLIPS)
        model.zero_grad()
        losses = [total(model(one)), total(model(other)), total(model(one * 0.5))]
        with torch.no_grad():
            model(one)
        for loss in (losses[1], losses[0], losses[2]):
            loss.backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_equal_maps_with_other_windows_cannot_be_told_apart():
    model = build(Checkpointed(REGIONS["stage within"], False), "stage", "tail", False)
    clips = torch.rand(CLIPS)
    corner = torch.tensor([[0.3, 0, -0.7], [0, 0.3, -0.7]]).expand(2, 3, 1, 2, 3)
    first, second = model(clips), model(clips, theta=[corner])
    with pytest.raises(InputError, match="cannot be recognized in the backward pass"):
        (first.logits.sum() + second.logits.sum()).backward()


@pytest.mark.parametrize("glimpse", ["tail", "pooled", "in_line"])
@pytest.mark.parametrize("regions", ["stage alone", "all at once"])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
def test_reentrant_checkpointing_is_refused_in_training(glimpse, regions):
    model = build(Checkpointed(REGIONS[regions], True), "stage", glimpse, False)
    with pytest.raises(
        InputError, match=r"reentrant activation checkpointing.*use_reentrant=False"
    ):
        model(torch.rand(CLIPS))
    with torch.no_grad():
        assert model(torch.rand(CLIPS)).logits.shape == (2, 5)
    assert no_hooks(model)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
def test_reentrant_checkpointing_of_other_stages_does_no_harm():
    trunk = Checkpointed([["stem"], ["stage", "behind"]], True)
    model = build(nn.Sequential(nn.Conv3d(3, 3, 1), trunk), "0", "tail", False)
    plain = copy.deepcopy(model)
    plain.trunk[1].reentrant = None
    assert_equal_gradients(model, plain)


def test_a_network_is_copied_while_a_graph_is_alive():
    model = build(Checkpointed(REGIONS["all at once"], False), "stage", "tail", False)
    alive = model(torch.rand(CLIPS))
    other = copy.deepcopy(model)
    plain = build(Checkpointed(REGIONS["all at once"]), "stage", "tail", False)
    plain.load_state_dict(model.state_dict())
    assert_equal_gradients(other, plain)
    alive.logits.sum().backward()
    del alive
    assert no_hooks(model)


def test_a_second_backward_pass_gives_the_same_gradients():
    model = build(Checkpointed(REGIONS["stage within"], False), "stage", "in_line", False)
    loss = total(model(torch.rand(CLIPS)))
    loss.backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in model.parameters()]
    loss.backward()
    for parameter, first in zip(model.parameters(), once, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * first, atol=1e-5, rtol=1e-5)


class FrozenByNoGrad(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage = nn.Conv3d(3, 6, 3, padding=1)
        self.behind = nn.Conv3d(6, 8, 3)

    def forward(self, clip):
        with torch.no_grad():
            x = self.stage(clip)
        return self.behind(x).mean((2, 3, 4))


@pytest.mark.parametrize("glimpse", ["tail", "pooled", "in_line"])
def test_heads_on_a_trunk_frozen_by_no_grad_are_trained(glimpse):
    model = build(FrozenByNoGrad(), "stage", glimpse, False)
    model(torch.rand(CLIPS)).logits.sum().backward()
    assert all(parameter.grad.any() for parameter in model.localization_parameters())


def frame_wise(model):
    image = timm.create_model(model, features_only=True)
    return FrameWise(image, TemporalMean(image.feature_info.channels()[-1]))


@pytest.mark.parametrize(
    ("model", "at", "glimpse", "before"),
    cover_pairs(
        [("test_resnet", "image.layer2.0"), ("test_efficientnet", "image.blocks.2")],
        ["tail", "pooled", "in_line"],
        [True, False],
    ),
)
def test_checkpointing_of_timm_may_be_set_before_and_after_plug(model, at, glimpse, before):
    clips = (2, 3, 2, 32, 32)
    trunk, other = frame_wise(model), frame_wise(model)
    if before:
        trunk.image.set_grad_checkpointing()
    example = torch.zeros(1, 3, 2, 32, 32)
    found = build(trunk, at, glimpse, False, example)
    if not before:
        found.trunk.image.set_grad_checkpointing()
    plain = build(other, at, glimpse, False, example)
    plain.load_state_dict(found.state_dict())
    for network in (found, plain):  # in eval mode: batch norm counts the second pass
        network.eval()
    expected, got = gradients(plain, clips), gradients(found, clips)
    for name, value in expected.items():
        if value is not None:
            torch.testing.assert_close(got[name], value, atol=1e-4, rtol=1e-3, msg=name)
