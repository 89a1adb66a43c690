"""Maps of a stage, computed fast: equal to those of the network, whatever passes together."""

import pytest
import torch
from torch import Tensor, nn

from stn_action.models import frozen_stages, stage_extractor
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.models.stage_extractor import StageExtractor
from tests.models.test_batch_norm_folding import shaken

THW = 3, 32, 48
TRUNKS = {"timm/tf_efficientnet_lite0": "image.blocks.2", "small3d": "stage2"}


def network_of(name: str) -> FocusedNetwork:
    backbone = build_backbone(name)
    return plug(
        shaken(backbone.trunk), at=TRUNKS[name], heads=0, num_classes=2,
        example=torch.zeros(1, 3, *THW), mean=backbone.spec.mean, std=backbone.spec.std,
    ).eval()  # fmt: skip


def clips(number: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, 3, *THW), dtype=torch.uint8, generator=generator)


def error(found: Tensor, wanted: Tensor) -> float:
    difference = (found.float() - wanted.float()).square().mean().sqrt()
    return float(difference / wanted.float().square().mean().sqrt())


@pytest.mark.parametrize("name", TRUNKS)
def test_maps_are_those_of_the_network(name):
    network, stage = network_of(name), TRUNKS[name]
    extract = StageExtractor(network, stage, torch.zeros(1, 3, 2, *THW[1:]))
    with torch.no_grad():
        wanted = network.stage_features(clips(), stage)
    found = extract(clips())
    assert found.dtype == torch.float16
    assert found.shape == wanted.shape
    assert found.shape[1:] == StageExtractor(network, stage, torch.zeros(1, 3, *THW)).map_shape(3)
    assert error(found, wanted) < 5e-4  # float16
    halves = StageExtractor(network, stage, torch.zeros(1, 3, 2, *THW[1:]), "bf16")(clips())
    assert 5e-4 < error(halves, wanted) < 5e-2


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_maps_do_not_depend_on_what_passes_together(precision, monkeypatch):
    network, stage = network_of("timm/tf_efficientnet_lite0"), "image.blocks.2"
    extract = StageExtractor(network, stage, torch.zeros(1, 3, 2, *THW[1:]), precision)
    together = extract(clips(4))
    alone = torch.cat([extract(clip[None]) for clip in clips(4)])
    assert error(alone, together) < 1e-2 * (1 if precision == "bf16" else 0.05)
    passed: list[int] = []
    monkeypatch.setitem(frozen_stages.PIXELS_OF_PASS, "cpu", 5 * 32 * 48)
    extract._stages.trunk.register_forward_pre_hook(lambda _, inputs: passed.append(len(inputs[0])))
    extract(clips(4))
    assert passed == [5, 5, 5]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", TRUNKS)
def test_maps_are_the_same_to_the_last_bit_whichever_videos_pass_beside_them(
    name, precision, monkeypatch
):
    monkeypatch.setitem(frozen_stages.PIXELS_OF_PASS, "cpu", 11 * 32 * 48)
    extract = StageExtractor(
        network_of(name), TRUNKS[name], torch.zeros(1, 3, *THW), precision, num_views=50
    )
    sizes = (2, 1, 6)
    videos = list(zip("abc", clips(sum(sizes)).split(sizes), strict=True))
    streamed = dict(extract.stream(videos))
    assert list(streamed) == ["a", "b", "c"]
    for key, own in videos:
        assert torch.equal(streamed[key][0], extract(own))


def test_what_came_before_an_error_is_finished():
    def decoded():
        yield "first", clips(1)
        yield "second", clips(2)
        raise KeyboardInterrupt("Ctrl-C")

    extract = StageExtractor(network_of("small3d"), "stage2", torch.zeros(1, 3, *THW))
    streamed = extract.stream(decoded())
    assert [key for key, _ in (next(streamed), next(streamed))] == ["first", "second"]
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        next(streamed)


@pytest.mark.parametrize(
    ("precision", "ratio", "chosen"),
    [("float32", 0.5, False), ("bf16", 0.5, False), ("float32", 0.95, True), ("bf16", 2.0, True)],
)
def test_the_layout_that_takes_clearly_less_time_is_kept(precision, ratio, chosen, monkeypatch):
    """The clock goes on by 100 ms in each pass, and by `ratio` times as much in contiguous ones."""
    name, stage = "timm/tf_efficientnet_lite0", "image.blocks.0"
    network, example = network_of(name), torch.zeros(1, 3, *THW)
    wanted = StageExtractor(network, stage, example, precision)(clips())
    extract = StageExtractor(network, stage, example, precision, num_views=2)
    now, passed = [0.0], list[bool]()

    def tick(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        last = output.is_contiguous(memory_format=torch.channels_last)
        passed.append(last)
        now[0] += 0.1 if last else 0.1 * ratio

    handle = nn.modules.module.register_module_forward_hook(
        lambda module, *rest: tick(module, *rest) if isinstance(module, nn.Conv2d) else None
    )
    monkeypatch.setattr(stage_extractor.time, "thread_time", lambda: now[0])
    try:
        line = extract.choose_layout((3, *THW))
    finally:
        handle.remove()
    assert line is not None
    assert line.startswith("6 frames take ")
    assert ("in float32" in line) == (precision == "bf16")
    assert {True, False} == set(passed)
    assert extract.channels_last == chosen
    assert extract.choose_layout((3, *THW)) is None
    assert error(extract(clips()), wanted) < 2e-2
    again = StageExtractor(network, stage, example, precision, channels_last=chosen)
    assert torch.equal(again(clips()), extract(clips()))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_maps_do_not_depend_on_the_number_of_cores(precision, monkeypatch):
    network, stage = network_of("timm/tf_efficientnet_lite0"), "image.blocks.2"
    extract = StageExtractor(network, stage, torch.zeros(1, 3, 2, *THW[1:]), precision)
    monkeypatch.setitem(frozen_stages.PIXELS_OF_PASS, "cpu", 2 * 32 * 48)
    before = torch.get_num_threads()
    found = []
    try:
        for cores in (1, 3):
            torch.set_num_threads(cores)
            found.append(extract(clips(4)))
            assert torch.get_num_threads() == cores
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_the_network_stays_as_it_is():
    network = network_of("small3d").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    StageExtractor(network, "stage2", torch.zeros(1, 3, *THW), "bf16")(clips())
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous()


class Viewing(nn.Module):
    """A trunk that `view`s its map, which only contiguous maps allow."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stage = nn.Conv3d(3, 8, 3, padding=1), nn.Identity()

    def forward(self, clip: Tensor) -> Tensor:
        x = self.stem(clip)
        return self.stage(x.view(len(x), -1).view(x.shape)).mean((2, 3, 4))


def test_a_trunk_that_needs_contiguous_maps_gets_them():
    network = plug(
        Viewing(), at="stage", heads=0, num_classes=2, example=torch.zeros(1, 3, *THW),
        mean=(0, 0, 0), std=(1, 1, 1),
    )  # fmt: skip
    extract = StageExtractor(network, "stage", torch.zeros(1, 3, *THW))
    with torch.no_grad():
        wanted = network.stage_features(clips(), "stage")
    assert error(extract(clips()), wanted) < 5e-4
    assert all(weight.is_contiguous() for weight in extract._stages.trunk.parameters())
