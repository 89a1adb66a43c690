"""The trained part of a network that looks twice, on stored maps and pixels."""

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.plug import plug
from stn_action.models.probe_inputs import trunk_inputs
from stn_action.models.temporal import TemporalDifference, TemporalMean
from stn_action.models.zoom_network import ZoomNetwork
from stn_action.models.zoom_probe import ZoomProbe, zoom_inputs
from stn_action.precision_choices import StoredPrecision

NUM_VIEWS = 5
EXAMPLE = torch.zeros(1, 3, 3, 32, 40)
NUMBERS = torch.tensor([4, 0, 4, 2])


def behind(
    *, temporal: bool = True, more: tuple[nn.Module, ...] = (),
    precision: StoredPrecision = "float32", **settings,
) -> ZoomNetwork:  # fmt: skip
    """The part behind a stage of a frozen trunk, with windows that have moved."""
    image = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), *more)
    trunk = FrameWise(image, TemporalDifference(5, 6) if temporal else TemporalMean(5))
    network = plug(
        trunk, at="image.1", heads=2, num_classes=4, glimpse="zoom", look_size=(16, 20),
        glimpse_size=12, gain=10.0, dropout=0.5, example=EXAMPLE, mean=[120] * 3, std=[60] * 3,
        **settings,
    )  # fmt: skip
    network.freeze_until(f"image.{1 + len(more)}", EXAMPLE)
    for parameter in network.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.3)
    rest = network.behind("image.1", EXAMPLE, precision=precision)
    assert isinstance(rest, ZoomNetwork)
    return rest


class Stored:
    """Maps and clips in memory as a source of a probe."""

    def __init__(self, network: ZoomNetwork) -> None:
        generator = torch.Generator().manual_seed(0)
        size = (NUM_VIEWS, *EXAMPLE.shape[1:])
        self.clips = torch.randint(256, size, generator=generator, dtype=torch.uint8)
        look = network.second_look.reduced(self.clips)
        with torch.no_grad():
            self._maps = network.stages_before(network.glimpse_normalization(look))

    def clip(self, number):
        return self.clips[number]

    def maps(self, numbers):
        return self._maps[numbers]

    def cells(self, number):
        return self._maps[number].flatten(2).permute(2, 1, 0)


def probe_of(network: ZoomNetwork, *, learns: bool) -> tuple[ZoomProbe, Stored]:
    source = Stored(network)
    extents = torch.zeros(NUM_VIEWS, 3, 2, 4)
    trunk = trunk_inputs(network, source, NUM_VIEWS)
    return ZoomProbe(network, zoom_inputs(network, source, trunk, extents, learns=learns)), source


@pytest.mark.parametrize(
    ("settings", "learns"),
    [
        ({}, True),
        ({"theta_per": "step", "window_gradient": "map"}, True),
        ({"readout": "attention", "window_gradient": "map", "temporal": False}, True),
        ({}, False),
        ({"readout": "saliency", "temporal": False}, False),
    ],
)
def test_predictions_and_gradients_are_the_networks(settings, learns):
    network = behind(**settings)
    probe, source = probe_of(network, learns=learns)
    pixels, maps = [source.clip(n) for n in NUMBERS.tolist()], source.maps(NUMBERS)
    moving = [p for p in network.parameters() if p.requires_grad]
    if not learns:
        moving = [p for p in moving if not any(p is q for q in network.readout.parameters())]
    found = []
    for one, clip, sources in ((network.train(), maps, {"sources": pixels}), (probe, NUMBERS, {})):
        torch.manual_seed(3)  # of dropout
        one.train()
        prediction = one(clip, **sources)
        loss = prediction.logits.square().sum() + prediction.branch_logits.square().sum()
        gradients = torch.autograd.grad(loss, moving, allow_unused=True)
        found.append([prediction.logits, prediction.focus[0].theta, *gradients])
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)
    assert any(g is not None and g.abs().sum() > 0 for g in found[0][2:])


def test_both_looks_go_on_in_the_precision_of_the_stages_before():
    more = (nn.Conv2d(5, 5, 3, padding=1), nn.ReLU())
    network = behind(more=more, precision="bf16")
    assert network.stages_before is not None
    seen = []
    more[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    probe, _ = probe_of(network, learns=True)
    of_first_look = len(seen)
    prediction = probe(NUMBERS)
    assert 0 < of_first_look < len(seen)
    assert set(seen) == {torch.bfloat16}
    assert probe.inputs.trunk.dtype == prediction.logits.dtype == torch.float32


@pytest.mark.parametrize(
    "settings", [{}, {"readout": "attention", "window_gradient": "map"}, {"readout": "saliency"}]
)
def test_windows_of_other_clips_can_be_given(settings):
    network = behind(**settings).eval()
    learns = network.readout.learns
    probe, source = probe_of(network, learns=learns)
    pixels = [source.clip(n) for n in NUMBERS.tolist()]
    own = probe.eval()(NUMBERS)
    given = [own.focus[0].theta.flip(0)]
    expected = network(source.maps(NUMBERS), given, sources=pixels)
    torch.testing.assert_close(probe(NUMBERS, given).logits, expected.logits)
    assert not torch.equal(expected.logits, own.logits)


def test_a_trained_trunk_of_glimpses_is_refused():
    own = nn.Sequential(nn.Flatten(), nn.LazyLinear(6))
    own(torch.zeros(1, 3, 3, 12, 12))
    network = behind(glimpse_trunk=own)
    with pytest.raises(InputError, match=r"glimpse_backbone.*set it to null"):
        probe_of(network, learns=False)
