"""Several placements of heads in one network."""

import copy

import pytest
import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.evaluation.window_outlines import window_outlines
from stn_action.geometry.theta import compose, outline
from stn_action.geometry.transforms import build_transform
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.heads import FocusHeads
from stn_action.models.network import FocusedNetwork
from stn_action.models.placement import Placement
from stn_action.models.plug import plug
from stn_action.models.readouts.window_readout import WindowReadout
from stn_action.models.temporal import TemporalMean

EXAMPLE = torch.zeros(1, 3, 4, 16, 16)
CLIPS = torch.rand(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))


class Frames(nn.Module):
    """Stages of single frames."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.two = nn.Conv2d(5, 6, 3, stride=2, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        return self.two(self.one(frames).relu())


class TwoPathways(nn.Module):
    """A stage that returns maps of two sizes."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slow = nn.Conv3d(3, 5, 3, stride=2, padding=1)
            self.fast = nn.Conv3d(3, 4, 3, stride=(1, 2, 2), padding=1)

        def forward(self, clip: Tensor) -> list[Tensor]:
            return [self.slow(clip), self.fast(clip)]

    def __init__(self) -> None:
        super().__init__()
        self.both = self.Both()

    def forward(self, clip: Tensor) -> Tensor:
        return torch.cat([x.relu().mean((2, 3, 4)) for x in self.both(clip)], dim=1)


class Tokens(nn.Module):
    """A class token and those of a grid, which exchange what they know."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, 6, (2, 4, 4), stride=(2, 4, 4))
        self.first, self.second = (
            nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True) for _ in range(2)
        )

    def forward(self, clip: Tensor) -> Tensor:
        tokens = self.patches(clip).flatten(2).transpose(1, 2)
        x = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)
        return self.second(self.first(x)).mean(1)


TRUNKS = {
    "maps": (Small3d, {"at": ["stage2", "stem"]}),
    "frames": (lambda: FrameWise(Frames(), TemporalMean(6)), {"at": ["image.one", "image.two"]}),
    "pathways": (TwoPathways, {"at": ["both", "both"], "output": [1, 0]}),
    "tokens": (Tokens, {"at": ["first", "second"], "grid": (2, 4, 4)}),
}


def network(name="maps", **settings):
    torch.manual_seed(0)
    build, where = TRUNKS[name]
    settings = {"heads": 2, "num_classes": 3, "example": EXAMPLE, "gain": 1.0, **where, **settings}
    result = plug(build(), **settings).eval()
    for placement in result.placements:
        if placement.heads is not None:
            nn.init.normal_(placement.heads.localization.output.weight)
    return result


def single(whole: FocusedNetwork, number: int) -> FocusedNetwork:
    """Return the network with one of the placements, and what classifies its branches."""
    one = copy.copy(whole)
    first = 1 + 2 * number
    classifiers = [whole.branch_classifiers[at] for at in (0, first, first + 1)]
    one._modules = {
        **whole._modules,
        "placements": nn.ModuleList([whole.placements[number]]),
        "branch_classifiers": nn.ModuleList(classifiers),
        "classifier": nn.LazyLinear(3),
    }
    return one


@pytest.mark.filterwarnings("ignore:the cells of stage")  # of PyTorch's encoder layers
@pytest.mark.parametrize("name", TRUNKS)
@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_each_placement_gives_what_it_gives_alone(name, glimpse):
    whole = network(name, glimpse=glimpse)
    found = whole(CLIPS)
    assert found.branch_logits.shape == (2, 5, 3)
    for number in range(2):
        wanted = single(whole, number)(CLIPS)
        first = 1 + 2 * number
        got = found.branch_logits[:, [0, first, first + 1]]
        torch.testing.assert_close(got, wanted.branch_logits)
        assert (got[:, 0] - got[:, 1]).abs().max() > 1e-4
        assert torch.equal(found.focus[number].theta, wanted.focus[0].theta)


def test_placements_are_in_the_order_of_their_stages():
    assert [focus.stage for focus in network("maps")(CLIPS).focus] == ["stem", "stage2"]
    stages = [focus.stage for focus in network("pathways")(CLIPS).focus]
    assert stages == ["both[0]", "both[1]"]


@pytest.mark.parametrize("readout", ["attention", "saliency", "mean"])
def test_other_readouts_have_several_places_too(readout):
    model = network("pathways", readout=readout)
    found = model(CLIPS)
    num_read = model.readouts[0].num_descriptions
    assert found.branch_logits.shape[1] == 1 + 2 * num_read
    given = [focus.places.flip(0) for focus in found.focus]
    other = model(CLIPS, given)
    assert all(torch.equal(a.places, b) for a, b in zip(other.focus, given, strict=True))
    with pytest.raises(ValueError, match="a sequence of 2 tensors, one for each placement"):
        model(CLIPS, given[:1])


def test_all_localization_networks_are_trained_together():
    model = network("maps")
    moving = model.localization_parameters()
    assert len({id(parameter) for parameter in moving}) == len(moving)
    own = [list(one.heads.localization.parameters()) for one in model.placements]
    assert [id(p) for p in moving] == [id(p) for part in own for p in part]
    model.train()(CLIPS).logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in moving)


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_the_part_behind_a_stage_predicts_the_same(glimpse):
    model = network("maps", at=["stage2", "stage1"], glimpse=glimpse)
    behind = model.behind("stage1", EXAMPLE)
    wanted, got = model(CLIPS), behind(model.stage_features(CLIPS, "stage1"))
    torch.testing.assert_close(got.logits, wanted.logits)
    for one, other in zip(got.focus, wanted.focus, strict=True):
        torch.testing.assert_close(one.theta, other.theta)
        assert one.cells == other.cells
    with pytest.raises(InputError, match="the heads look at 'stage1', which runs before 'stage2'"):
        model.behind("stage2", EXAMPLE)


def test_windows_in_line_are_followed_back_to_the_clip():
    trunk = nn.Sequential(nn.Identity(), nn.Identity(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    thetas = [
        torch.tensor([[0.5, -0.2, 0.3], [0.1, 0.6, -0.2]]),
        torch.tensor([[0.4, 0.1, -0.3], [-0.2, 0.5, 0.1]]),
    ]
    placements = [
        Placement(
            WindowReadout(FocusHeads(3, build_transform("affine", 1), motion=False)),
            at=str(number), channels=3,
        )
        for number in range(2)
    ]  # fmt: skip
    model = FocusedNetwork(trunk, placements, num_features=3, num_classes=2, glimpse="in_line")
    axis = (2 * torch.arange(16.0) + 1) / 16 - 1
    ramp = torch.stack([axis.expand(16, 16), axis[:, None].expand(16, 16), torch.ones(16, 16)])
    seen = []
    trunk[2].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    found = model(ramp[None, :, None], [theta[None, None, None] for theta in thetas])
    windows = window_outlines(found.focus, torch.tensor([0]))
    both = compose(thetas[0], thetas[1])
    torch.testing.assert_close(windows[0][0, 0, 0], outline(thetas[0]))
    torch.testing.assert_close(windows[1][0, 0, 0], outline(both))
    # what the trunk sees in the middle is what is in the clip at the middle of the last window
    middle = seen[0][0, :2, 0, 7:9, 7:9].mean((1, 2))
    torch.testing.assert_close(middle, windows[1][0, 0, 0].mean(0), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at": ["stem", "stem"]}, "each stage once"),
        ({"output": [0]}, "an output for each"),
        ({"at": []}, "heads need a stage"),
        ({"at": ["stem", "stage9"]}, "no stage 'stage9'"),
        ({"glimpse": "zoom", "look_size": 8, "glimpse_size": 8}, "of heads at one stage"),
        ({"glimpse": "in_line"}, "expected one head at each"),
        ({"localization": "trunk", "localization_stages": ["stage3"]}, "copies what follows one"),
    ],
)
def test_what_does_not_go_together_is_told(settings, message):
    with pytest.raises(InputError, match=message):
        network("maps", **settings)


def test_what_is_of_one_placement_says_so():
    with pytest.raises(InputError, match="heads at one stage, and the network has some at stem, s"):
        _ = network("maps").readout


class Named(nn.Module):
    """A stage that returns maps by name."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.coarse = nn.Conv3d(3, 5, 3, stride=(1, 4, 4), padding=1)
            self.fine = nn.Conv3d(3, 4, 3, stride=(1, 2, 2), padding=1)

        def forward(self, clip: Tensor) -> dict[str, object]:
            return {"0": self.coarse(clip), "fine": self.fine(clip), "scale": 0.5}

    def __init__(self) -> None:
        super().__init__()
        self.both = self.Both()

    def forward(self, clip: Tensor) -> Tensor:
        maps = self.both(clip)
        means = [maps[name].relu().mean((2, 3, 4)) for name in ("0", "fine")]
        return torch.cat(means, dim=1) * maps["scale"]


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_a_map_in_a_dict_is_named_by_its_key(glimpse):
    settings = {"num_classes": 3, "heads": 2, "example": EXAMPLE, "glimpse": glimpse}
    found = plug(Named(), "both", output="fine", **settings).eval()(CLIPS)
    assert found.focus[0].cells.size_thw == (4, 8, 8)
    assert (found.branch_logits[:, 0] - found.branch_logits[:, 1]).abs().max() > 1e-4
    both = plug(Named(), ["both", "both"], output=["fine", 0], **settings).eval()(CLIPS)
    assert [focus.cells.size_thw for focus in both.focus] == [(4, 4, 4), (4, 8, 8)]
    for output in (None, "other"):
        with pytest.raises(InputError, match=r"by output='0' or output='fine'"):
            plug(Named(), "both", output=output, **settings)
