import copy

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.geometry.theta import VOLUMETRIC, window_theta
from stn_action.geometry.transforms import TRANSFORMS
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.network import FocusedNetwork
from stn_action.models.placement import Placement
from stn_action.models.plug import plug
from stn_action.models.readouts.plain_readouts import MeanReadout
from stn_action.models.temporal import TemporalDifference

EXAMPLE = torch.zeros(1, 3, 4, 32, 40)
CLIPS = (2, 3, 4, 32, 40)  # maps of stage1: (4, 8, 10), of stage2: (4, 4, 5)


def frame_wise():
    image = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU()),
        nn.Sequential(nn.Conv2d(8, 6, 3, 2, 1), nn.ReLU()),
    )
    return FrameWise(image, TemporalDifference(6))


TRUNKS = {"small3d": (Small3d, "stage1"), "frame-wise": (frame_wise, "image.0")}
"""A trunk of clips and one that folds time into the batch, and a stage that fits both."""


def network(trunk="small3d", *, heads=3, moved=True, **settings):
    """A network in eval mode whose windows stand away from their start."""
    build, at = TRUNKS[trunk]
    result = plug(
        build(), at=at, heads=heads, num_classes=5, example=EXAMPLE, **settings
    ).eval()  # fmt: skip
    if moved and result.heads is not None:
        nn.init.normal_(result.heads.localization.output.weight, std=1 / result.gain)
    return result


def identity(num_clips, num_heads):
    return torch.eye(2, 3).expand(num_clips, num_heads, 1, 2, 3)


WAYS = [(name, "clip", 1) for name in TRANSFORMS]
WAYS += [
    (name, "step", 4) for name, family in TRANSFORMS.items() if family.theta_shape != VOLUMETRIC
]


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
@pytest.mark.parametrize(("transform", "theta_per", "num_thetas"), WAYS)
def test_a_prediction_tells_classes_and_where_every_head_looked(
    transform, glimpse, theta_per, num_thetas
):
    model = network(transform=transform, glimpse=glimpse, theta_per=theta_per)
    prediction = model(torch.rand(CLIPS))
    assert prediction.logits.shape == (2, 5)
    assert prediction.branch_logits.shape == (2, 4, 5)
    (focus,) = prediction.focus
    kind = TRANSFORMS[transform].theta_shape
    assert focus.theta.shape == (2, 3, num_thetas, *kind)
    assert focus.base.shape == (3, *kind)
    assert focus.stage == "stage1"
    assert focus.cells == Cells((4, 8, 10), (4, 32, 40), (0, 0, 0), (1, 4, 4))
    assert focus.min_scale == (0.2 if TRANSFORMS[transform].has_floor else 0)


def test_frozen_batch_norm_keeps_its_statistics_and_learns_its_scale():
    model = network(dropout=0.0)
    clips = torch.rand(CLIPS)
    expected = model(clips).logits
    norm = next(one for one in model.trunk.modules() if isinstance(one, nn.BatchNorm3d))
    mean = norm.running_mean.clone()
    model.freeze_batch_norm()
    logits = model.train()(clips).logits
    torch.testing.assert_close(logits, expected)
    logits.sum().backward()
    assert torch.equal(norm.running_mean, mean)
    assert norm.weight.grad is not None
    assert model.classifier.training


@pytest.mark.parametrize("freeze_until", [None, "stem"])
def test_a_step_leaves_frozen_batch_norm_as_it_is_and_trains_its_convolutions(freeze_until):
    model = network()
    if freeze_until is not None:
        model.freeze_until(freeze_until, EXAMPLE)
    model.freeze_batch_norm(affine=True)
    before = {key: value.clone() for key, value in model.trunk.state_dict().items()}
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.rand(CLIPS)).logits.square().sum().backward()
    optimizer.step()
    changed = {
        key
        for key, value in model.trunk.state_dict().items()
        if not torch.equal(value, before[key])
    }
    trained = [stage for stage in ("stem", "stage1", "stage2", "stage3") if stage != freeze_until]
    assert changed == {f"{stage}.0.weight" for stage in trained}
    assert not any(p.requires_grad for p in model.trunk.stage3[1].parameters())


def test_without_heads_the_trunk_gets_a_classifier():
    model = network(heads=0)
    clips = torch.rand(CLIPS)
    prediction = model(clips)
    torch.testing.assert_close(prediction.logits, model.classifier(model.trunk(clips)))
    assert prediction.focus == ()
    assert prediction.branch_logits.shape == (2, 1, 5)
    assert model.localization_parameters() == []
    assert model.gain == 1


@pytest.mark.parametrize("trunk", TRUNKS)
def test_glimpses_of_the_whole_map_say_what_the_global_branch_says(trunk):
    model = network(trunk, transform="affine")
    for classifier in model.branch_classifiers[1:]:
        classifier.load_state_dict(model.branch_classifiers[0].state_dict())
    branches = model(torch.rand(CLIPS), theta=[identity(2, 3)]).branch_logits
    torch.testing.assert_close(branches, branches[:, :1].expand_as(branches))


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_tail_sees_every_glimpse_as_a_clip_of_its_own(trunk, theta_per):
    model = network(trunk, theta_per=theta_per)
    clips = torch.rand(CLIPS)
    prediction = model(clips)
    maps = model.stage_features(clips, TRUNKS[trunk][1])
    glimpses = model.heads.glimpses(maps, prediction.focus[0].theta, maps.shape[-2:])

    def rest(x):
        if trunk == "small3d":
            return model.trunk.stage3(model.trunk.stage2(x)).mean((2, 3, 4))
        last = model.trunk.image[1](x.transpose(1, 2).flatten(0, 1))
        return model.trunk.temporal(last.mean((2, 3)).unflatten(0, (2, -1)))

    features = [rest(maps), *(rest(glimpses[:, head]) for head in range(3))]
    torch.testing.assert_close(prediction.logits, model.classifier(torch.cat(features, 1)))
    expected = [one(x) for one, x in zip(model.branch_classifiers, features, strict=True)]
    torch.testing.assert_close(prediction.branch_logits, torch.stack(expected, 1))


@pytest.mark.parametrize("trunk", TRUNKS)
def test_pooled_glimpses_are_described_beside_the_trunk(trunk):
    model = network(trunk, glimpse="pooled", temporal="difference")
    clips = torch.rand(CLIPS)
    prediction = model(clips)
    maps = model.stage_features(clips, TRUNKS[trunk][1])
    glimpses = model.heads.glimpses(maps, prediction.focus[0].theta, maps.shape[-2:])
    means = glimpses.mean((-2, -1)).transpose(2, 3)  # (B, K, T, C)
    features = [
        model.trunk(clips),
        *(model.placement.describe(means[:, head]) for head in range(3)),
    ]
    torch.testing.assert_close(
        prediction.logits, model.classifier(torch.cat(features, 1)), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_heads_can_be_given_theta(glimpse):
    model = network(glimpse=glimpse)
    clips = torch.rand(CLIPS)
    own = model(clips)
    repeated = model(clips, theta=[own.focus[0].theta])
    torch.testing.assert_close(repeated.logits, own.logits)
    corner = window_theta(torch.full((2, 3, 1, 2), 0.3), torch.full((2, 3, 1, 2), -0.7))
    elsewhere = model(clips, theta=[corner])
    assert elsewhere.focus[0].theta is corner
    assert (elsewhere.logits - own.logits).abs().max() > 1e-6


@pytest.mark.parametrize(
    "theta",
    [identity(2, 3), [identity(2, 4)], [identity(1, 3)], [identity(2, 3)] * 2, [torch.eye(2, 3)]],
)
def test_a_theta_of_the_wrong_shape_is_reported(theta):
    with pytest.raises(ValueError, match=r"one tensor \(2, 3, S, 2, 3\).*got shapes \["):
        network()(torch.rand(CLIPS), theta=theta)


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_the_loss_moves_the_windows(glimpse):
    model = network(glimpse=glimpse, moved=False)
    model(torch.rand(CLIPS)).logits.square().sum().backward()
    gradient = model.heads.localization.output.weight.grad
    assert gradient.abs().amax(1).min() > 0
    ids = {id(parameter) for parameter in model.localization_parameters()}
    assert ids == {id(parameter) for parameter in model.heads.parameters()}


def test_theta_and_logits_are_float32_under_autocast():
    model = network()
    clips = torch.rand(CLIPS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = model(clips)
    assert prediction.focus[0].theta.dtype == torch.float32
    assert prediction.logits.dtype == prediction.branch_logits.dtype == torch.float32
    expected = model(clips)
    torch.testing.assert_close(prediction.logits, expected.logits, atol=0.02, rtol=0.02)


def test_pixels_are_normalized_inside():
    mean, std = (110.0, 100.0, 90.0), (50.0, 60.0, 70.0)
    model = network(mean=mean, std=std)
    bare = copy.deepcopy(model)
    bare.normalization = nn.Identity()
    pixels = torch.randint(256, CLIPS, dtype=torch.uint8)
    by_hand = (pixels - torch.tensor(mean).view(3, 1, 1, 1)) / torch.tensor(std).view(3, 1, 1, 1)
    torch.testing.assert_close(model(pixels).logits, bare(by_hand).logits)
    assert not any("normalization" in name for name in model.state_dict())


def test_no_hook_stays_behind():
    model = network()
    model(torch.rand(CLIPS))
    with pytest.raises(ValueError, match=r"S = 1 or 4 time steps, got \(2, 3, 3, 2, 3\)"):
        model(torch.rand(CLIPS), theta=[identity(2, 3).expand(2, 3, 3, 2, 3)])
    assert not any(module._forward_hooks for module in model.modules())


def test_frozen_stages_keep_their_parameters_and_statistics():
    model = network()
    model.freeze_until("stage1", EXAMPLE)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.rand(CLIPS)).logits.square().sum().backward()
    optimizer.step()
    changed = {
        ".".join(key.split(".")[:2])
        for key, value in model.state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert {"trunk.stem", "trunk.stage1"}.isdisjoint(changed)
    assert {"trunk.stage2", "trunk.stage3", "placements.0", "classifier.weight"} <= changed
    assert not model.trunk.stem[1].training
    assert model.trunk.stage2[1].training


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_behind_a_stage_its_stored_maps_give_equal_logits(trunk, glimpse):
    model = network(trunk, glimpse=glimpse, mean=(0.5,) * 3, std=(0.3,) * 3)
    clips = torch.rand(CLIPS)
    path = TRUNKS[trunk][1]
    rest = model.behind(path, EXAMPLE)
    with torch.no_grad():
        expected = model(clips)
        prediction = rest(model.stage_features(clips, path))
    torch.testing.assert_close(prediction.logits, expected.logits)
    torch.testing.assert_close(prediction.branch_logits, expected.branch_logits)
    torch.testing.assert_close(prediction.focus[0].theta, expected.focus[0].theta)
    assert prediction.focus[0].cells == expected.focus[0].cells
    longer = torch.rand(2, 3, 6, 48, 40)
    told = model.behind(path, EXAMPLE, clip_thw=(6, 48, 40))
    with torch.no_grad():
        maps = model.stage_features(longer, path)
        assert told(maps).focus[0].cells == model(longer).focus[0].cells
        with pytest.raises(
            ValueError, match=r"size \(4, 8, 10\).*clips of \(4, 32, 40\); got \(6,"
        ):
            rest(maps)


def test_behind_an_earlier_stage_than_the_heads_look_at():
    model = network()
    model.freeze_until("stage2", EXAMPLE)
    rest = model.behind("stem", EXAMPLE)
    clips = torch.rand(CLIPS)
    with torch.no_grad():
        maps = model.stage_features(clips, "stem")
        torch.testing.assert_close(rest(maps).logits, model(clips).logits)
        rest.train()
        assert not rest.trunk.stage2[1].training  # frozen there, so frozen here
        assert rest.trunk.stage3[1].training


def test_what_trains_behind_a_stage_trains_the_whole_network():
    model = network()
    rest = model.behind("stage1", EXAMPLE)
    shared = {id(parameter) for parameter in model.parameters()}
    own = list(rest.parameters())
    assert own
    assert all(id(parameter) in shared for parameter in own)
    assert len(own) < len(shared)  # of the stem and stage1 nothing is left
    maps = model.stage_features(torch.rand(CLIPS), "stage1").detach()
    rest.train()(maps).logits.sum().backward()
    assert model.trunk.stage2[0].weight.grad is not None
    assert model.trunk.stem[0].weight.grad is None
    statistics = model.trunk.stage2[1].running_mean
    assert statistics.abs().max() > 0  # buffers are shared, too


def test_behind_a_stage_later_than_the_heads_look_at_is_refused():
    with pytest.raises(InputError, match="look at 'stage1', which runs before 'stage2'"):
        network().behind("stage2", EXAMPLE)


def test_a_trunk_that_is_no_chain_has_nothing_behind():
    class Skip(Small3d):
        def forward(self, clip):
            x = self.stage2(self.stage1(self.stem(clip)))
            return (self.stage3(x) + x).mean((2, 3, 4))

    model = plug(Skip(), heads=0, num_classes=5, example=EXAMPLE)
    with pytest.raises(InputError, match=r"cannot be split behind 'stage3'.*no chain there"):
        model.behind("stage3", EXAMPLE)


@pytest.mark.parametrize("dropped", ["placements.0.readout.", "placements.0."])
def test_weights_of_before_there_were_several_readouts_are_loaded(dropped):
    model = network(glimpse="pooled")
    now = [name for name in model.state_dict() if name.startswith("placements.0.")]
    old = {
        name.removeprefix(dropped).removeprefix("placements.0."): value
        for name, value in model.state_dict().items()
    }
    assert now
    assert not set(now) & set(old)
    other = network(glimpse="pooled")
    other.load_state_dict(old)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_only_windows_have_glimpses_for_the_rest_of_the_trunk():
    settings = {"num_features": 64, "num_classes": 2}
    placement = Placement(MeanReadout(), at="stage1", channels=8)
    with pytest.raises(InputError, match=r"glimpse 'tail' is for windows: MeanReadout needs a"):
        FocusedNetwork(Small3d(), [placement], **settings)
    with pytest.raises(InputError, match=r"glimpse 'in_line' is for windows: MeanReadout"):
        FocusedNetwork(Small3d(), [placement], glimpse="in_line", **settings)
