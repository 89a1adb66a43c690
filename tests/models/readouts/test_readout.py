"""What all read-outs have in common, by themselves and plugged into trunks."""

from typing import get_args

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.model_choices import ReadoutName
from stn_action.models.plug import plug
from stn_action.models.readouts.readout_table import ReadoutSettings, build_readout
from stn_action.models.temporal import TemporalMean
from tests.models.test_activation_checkpointing import REGIONS, Checkpointed

NAMES = get_args(ReadoutName)
GIVEN = [name for name in NAMES if name != "max"]
LEARNING = ["windows", "attention"]
CLIP = (2, 5, 3, 6, 8)  # (B, C, T, H, W)
CLIPS = (2, 3, 4, 32, 40)
EXAMPLE = torch.zeros(1, *CLIPS[1:])
DESCRIPTIONS = dict.fromkeys(NAMES, 3) | dict.fromkeys(("foreground", "max", "mean"), 1)


def extents(num_clips=2, num_frames=4):
    """An image with padding at the left, and in it a person whose box moves."""
    image = torch.tensor([-0.7, -1.0, 1.0, 1.0]).expand(num_clips, num_frames, 4)
    shift = torch.rand(num_clips, num_frames, 1) / 2
    return torch.stack([image, torch.tensor([-0.8, -0.6, 0.1, 0.7]) + shift], dim=2)


def readout(name, *, theta_per="clip"):
    result = build_readout(name, 5, ReadoutSettings(heads=3, theta_per=theta_per, gain=1.0))
    return moved(result)


def moved(module):
    """Windows away from their start, where they would be the same for every clip."""
    for name, parameter in module.named_parameters():
        if name.endswith("localization.output.weight"):
            nn.init.normal_(parameter, std=0.3)
    return module


class ChannelsLast(nn.Module):
    """Two layers and a classifier; the map of the second one is (N, T, H, W, C)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 6, 3, (1, 4, 4), 1), nn.ReLU())
        self.stage = nn.Linear(6, 7)
        self.classifier = nn.Linear(7, 9)

    def forward(self, clip):
        return self.classifier(self.stage(self.stem(clip).movedim(1, -1)).relu().mean((1, 2, 3)))


def frame_wise():
    image = nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 6, 3, 2, 1))
    return FrameWise(image, TemporalMean(6))


TRUNKS = {
    "clips": (Small3d, "stage1"),
    "channels last": (ChannelsLast, "stage"),
    "frame-wise": (frame_wise, "image.0"),
}


def network(name, trunk="clips", **settings):
    build, at = TRUNKS[trunk]
    model = plug(
        build(), at=at, heads=3, num_classes=5, readout=name, glimpse="pooled", example=EXAMPLE,
        gain=1.0, **settings,
    )  # fmt: skip
    return moved(model)


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("name", NAMES)
def test_a_reading_has_descriptions_and_either_theta_or_weights(name, theta_per):
    one = readout(name, theta_per=theta_per)
    reading = one(torch.randn(CLIP), extents())
    K = one.num_descriptions
    assert DESCRIPTIONS[name] == K
    assert reading.descriptions.shape == (2, K, 5, 3)
    assert (reading.theta is None) == (one.kind is None)
    assert reading.places.shape[:2] == (2, K)
    assert reading.places.shape[2] in (1, 3)
    if reading.weights is None:
        assert reading.theta.shape[3:] == one.kind
        return
    assert reading.weights.shape[3:] == (6, 8)
    assert reading.weights.min() >= 0
    sums = reading.weights.sum((-2, -1))
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("name", GIVEN)
def test_its_own_places_given_back_change_nothing_and_others_do(name, theta_per):
    one, features = readout(name, theta_per=theta_per), torch.randn(CLIP)
    reading = one(features, extents())
    again = one(features, given=reading.places)
    torch.testing.assert_close(again.descriptions, reading.descriptions)
    assert torch.equal(again.places, reading.places)
    if name != "mean":
        other = one(features, given=reading.places.flip(0)).descriptions
        assert (other - reading.descriptions).abs().max() > 1e-3


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("name", NAMES)
def test_every_trunk_takes_every_readout(name, trunk):
    """The focus is that of the stage's map; classifiers see one branch for each description."""
    model = network(name, trunk).eval()
    clips, of_clips = torch.rand(CLIPS), extents()
    prediction = model(clips, extents=of_clips)
    (focus,) = prediction.focus
    features = model.stage_features(clips, TRUNKS[trunk][1])
    if trunk == "channels last":
        features = model.trunk.stage(model.trunk.stem(clips).movedim(1, -1)).movedim(-1, 1)
    reading = model.readout(features, of_clips)
    torch.testing.assert_close(focus.places, reading.places)
    assert prediction.branch_logits.shape == (2, 1 + DESCRIPTIONS[name], 5)
    described = model.placement.describe(reading.descriptions.flatten(0, 1).transpose(1, 2))
    last = model.branch_classifiers[-1](described.unflatten(0, (2, -1))[:, -1])
    torch.testing.assert_close(prediction.branch_logits[:, -1], last, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_places_of_another_clip_can_be_given_to_a_network(name):
    model = network(name).eval()
    clips, of_clips = torch.rand(CLIPS), extents()
    own = model(clips, extents=of_clips)
    places = own.focus[0].places
    with pytest.raises(ValueError, match=r"must be a sequence of one tensor \(2, \d, S, "):
        model(clips, theta=[places[:1]])
    if name == "max":
        assert not own.focus[0].can_be_given
        with pytest.raises(ValueError, match=r"'max' takes no weights of another clip"):
            model(clips, theta=[places])
        return
    given = model(clips, theta=[places])
    torch.testing.assert_close(given.logits, own.logits)
    if name != "mean":
        assert not torch.allclose(model(clips, theta=[places.flip(0)]).logits, own.logits)


def test_weights_of_another_map_are_refused():
    model = network("attention").eval()
    with pytest.raises(ValueError, match=r"weights must be \(2, K, S, 8, 10\) .* 3, 1, 5, 10\)"):
        model(torch.rand(CLIPS), theta=[torch.zeros(2, 3, 1, 5, 10)])


@pytest.mark.parametrize("name", NAMES)
def test_behind_a_stage_stored_maps_give_equal_predictions(name):
    model = network(name).eval()
    clips, of_clips = torch.rand(CLIPS), extents()
    rest = model.behind("stage1", EXAMPLE)
    expected = model(clips, extents=of_clips)
    found = rest(model.stage_features(clips, "stage1"), extents=of_clips)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.focus[0].places, expected.focus[0].places)
    assert found.focus[0].cells == expected.focus[0].cells


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half])
@pytest.mark.parametrize("name", NAMES)
def test_places_stay_float32_in_a_network_of_half_precision(name, dtype):
    model = network(name).eval()
    clips, of_clips = torch.rand(CLIPS), extents()
    expected = model(clips, extents=of_clips)
    found = model.to(dtype)(clips, extents=of_clips)
    assert found.focus[0].places.dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in model.readout.parameters())
    if name not in ("saliency", "max"):  # rounding changes which cells are the largest
        torch.testing.assert_close(
            found.focus[0].places, expected.focus[0].places, atol=0.05, rtol=0
        )
    torch.testing.assert_close(found.logits, expected.logits, atol=0.05, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_under_checkpointing_are_those_without(name):
    def gradients(reentrant):
        torch.manual_seed(1)
        trunk = Checkpointed(REGIONS["stage within"], reentrant)
        model = moved(
            plug(
                trunk,
                at="stage",
                heads=3,
                num_classes=5,
                readout=name,
                glimpse="pooled",
                example=EXAMPLE,
                gain=1.0,
                random_windows=RandomWindows(),
            )
        )
        torch.manual_seed(2)
        prediction = model(torch.rand(CLIPS), extents=extents())
        loss = prediction.logits.square().sum() + prediction.branch_logits.square().sum()
        (loss + prediction.random_logits.square().sum()).backward()
        return {key: parameter.grad for key, parameter in model.named_parameters()}

    found, expected = gradients(False), gradients(None)
    for key, value in expected.items():
        assert value.any(), key
        torch.testing.assert_close(found[key], value, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_only_windows_and_attention_have_parameters(name):
    one = readout(name)
    assert one.learns == bool(list(one.parameters())) == (name in LEARNING)
    assert bool(one.localization_parameters()) == (name == "windows")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_readouts_are_traced_whole(name):
    one, features = readout(name), torch.randn(CLIP)
    compiled = torch.compile(one, backend="aot_eager", fullgraph=True)
    of_clips = extents()
    torch.testing.assert_close(
        compiled(features, of_clips).descriptions, one(features, of_clips).descriptions
    )


def test_an_unknown_readout_is_answered_with_the_right_ones():
    message = r"one of windows, attention, saliency, foreground, max, mean, got 'attentive'"
    with pytest.raises(InputError, match=message):
        build_readout("attentive", 5)
    with pytest.raises(InputError, match=message):
        plug(Small3d(), at="stage1", num_classes=5, readout="attentive", example=EXAMPLE)
