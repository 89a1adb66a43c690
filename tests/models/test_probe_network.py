"""The trained part on stored maps predicts as the network does, and has the same gradients."""

import pytest
import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.model_choices import READOUTS
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.models.probe_inputs import probe_inputs, trunk_inputs
from stn_action.models.probe_network import ProbeNetwork
from stn_action.models.temporal import TemporalDifference, TemporalMean

NUM_VIEWS, SIZE_THW = 7, (3, 4, 6)
EXAMPLE = torch.zeros(1, 3, 3, 8, 12)
NUMBERS = torch.tensor([4, 0, 4, 6])


def behind(readout: str, *, temporal: bool = True, **settings) -> FocusedNetwork:
    """The part behind the last stage of a trunk that is frozen but for its temporal module."""
    image = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU())
    trunk = FrameWise(image, TemporalDifference(5, 6) if temporal else TemporalMean(5))
    network = plug(
        trunk, at="image.1", heads=2, num_classes=4, glimpse="pooled", readout=readout,
        gain=10.0, dropout=0.5, temporal="difference", example=EXAMPLE, **settings,
    )  # fmt: skip
    network.freeze_until("image.1", EXAMPLE)
    for parameter in network.parameters():  # windows that have moved
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.3)
    return network.behind("image.1", EXAMPLE)


class Stored:
    """Maps in memory as a source of a probe."""

    def __init__(self, maps: Tensor) -> None:
        self._maps = maps

    def maps(self, numbers: Tensor) -> Tensor:
        return self._maps[numbers]

    def cells(self, number: int) -> Tensor:
        return self._maps[number].flatten(2).permute(2, 1, 0)


def probe_of(network: FocusedNetwork, maps: Tensor, extents: Tensor, *, learns: bool):
    source = Stored(maps)
    trunk = trunk_inputs(network, source, len(maps))
    return ProbeNetwork(network, probe_inputs(network, source, trunk, extents, learns=learns))


@pytest.fixture
def maps() -> Tensor:
    return torch.randn(NUM_VIEWS, 5, *SIZE_THW)


@pytest.fixture
def extents() -> Tensor:
    low = torch.rand(NUM_VIEWS, 3, 2, 2) - 1
    return torch.cat([low, low + 0.3 + torch.rand(NUM_VIEWS, 3, 2, 2)], -1)


CASES = [(name, {}) for name in READOUTS] + [
    ("windows", {"theta_per": "step", "theta_smoothing": 3}),
    ("windows", {"start": "foreground", "localization": "heatmap"}),
    ("attention", {"theta_per": "step"}),
    ("saliency", {"branch_classifiers": False}),
]


@pytest.mark.parametrize(("readout", "settings"), CASES)
def test_predictions_and_gradients_are_the_networks(readout, settings, maps, extents):
    network = behind(readout, **settings)
    assert network.readout is not None
    probe = probe_of(network, maps, extents, learns=network.readout.learns).train()
    gradients = []
    for one, clip in ((network.train(), maps[NUMBERS]), (probe, NUMBERS)):
        torch.manual_seed(3)  # of dropout
        prediction = one(clip, extents=extents[NUMBERS])
        loss = prediction.logits.square().sum()
        if prediction.branch_logits is not None:
            loss = loss + prediction.branch_logits.square().sum()
        parameters = [p for p in network.parameters() if p.requires_grad]
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        gradients.append([prediction.logits, prediction.focus[0].places, *found])
        assert (prediction.branch_logits is None) == (network.branch_classifiers is None)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
    names = [one.stage for one in probe(NUMBERS, extents=extents[NUMBERS]).focus]
    assert names == ["image.1"]


def test_windows_that_stay_are_read_once_and_move_when_theta_is_given(maps, extents):
    network = behind("windows").eval()
    probe = probe_of(network, maps, extents, learns=False).eval()
    assert probe.inputs.evidence is None
    assert probe.inputs.descriptions is not None
    assert probe.inputs.descriptions.shape == (NUM_VIEWS, 2, 3, 10)  # with differences
    torch.testing.assert_close(probe(NUMBERS).logits, network(maps[NUMBERS]).logits)
    theta = [torch.randn(4, 2, 1, 2, 3)]
    torch.testing.assert_close(
        probe(NUMBERS, theta=theta).logits, network(maps[NUMBERS], theta=theta).logits
    )


@pytest.mark.parametrize("features_from", [None, "image.1"])
def test_a_trunk_without_a_trained_module_is_its_features(features_from, maps, extents):
    network = behind("mean", temporal=features_from is not None, features_from=features_from)
    probe = probe_of(network, maps, extents, learns=False).eval()
    assert probe.inputs.trunk.shape == (NUM_VIEWS, 5)
    torch.testing.assert_close(probe.inputs.trunk, maps.mean((2, 3, 4)))
    torch.testing.assert_close(probe(NUMBERS).logits, network.eval()(maps[NUMBERS]).logits)


def test_a_trunk_that_is_trained_is_refused(maps):
    trunk = FrameWise(nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 1)), TemporalMean(5))
    network = plug(trunk, at="image.0", num_classes=2, glimpse="pooled", example=EXAMPLE)
    network.freeze_until("image.0", EXAMPLE)
    rest = network.behind("image.0", EXAMPLE)
    message = r"2 of its parameters behind .* \(image\.1\.weight, image\.1\.bias\).*freeze_until"
    with pytest.raises(InputError, match=message):
        trunk_inputs(rest, Stored(maps), NUM_VIEWS)
