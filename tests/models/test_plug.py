import pytest
import torch
from torch import nn
from torchvision.models.video import r3d_18

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.plug import plug
from stn_action.training.optim import parameter_groups

EXAMPLE = torch.zeros(1, 3, 4, 32, 32)


def test_heads_plug_into_a_torchvision_network_in_three_lines():
    trunk = r3d_18()
    clip = torch.rand(1, 3, 4, 32, 32)
    model = plug(trunk, at="layer3", heads=4, num_classes=101)
    prediction = model(clip)
    assert prediction.logits.shape == (1, 101)
    assert prediction.branch_logits is not None
    assert prediction.branch_logits.shape == (1, 5, 101)
    (focus,) = prediction.focus
    assert focus.theta.shape == (1, 4, 1, 2, 3)
    assert focus.cells.size_thw == (1, 4, 4)
    assert focus.cells.step_thw == pytest.approx((4, 8, 8))
    torch.testing.assert_close(focus.theta[0, :, 0], focus.base)
    assert len(model.localization_parameters()) == 4


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_windows_of_a_plugged_network_start_on_each_clips_person(glimpse):
    model = plug(
        Small3d(), at="stage2", heads=2, num_classes=7, glimpse=glimpse, example=EXAMPLE,
        theta_per="step", theta_smoothing=3, start="foreground", localization="heatmap",
        localization_padding="replicate",
    )  # fmt: skip
    heads = model.readout.heads
    assert (heads.theta_smoothing, heads.localization.convolutions[0].padding) == (3, "replicate")
    whole, person = torch.tensor([-1.0, -1, 1, 1]), torch.tensor([-0.6, -0.8, 0.6, 0.4])
    extents = torch.stack([torch.stack([whole, person]), torch.stack([whole, whole])])
    extents = extents[:, None].expand(-1, 4, -1, -1)
    (focus,) = model(torch.rand(2, 3, 4, 32, 32), extents=extents).focus
    # half-widths 0.6 and 0.6 about (0, -0.2): windows of half of that, 0.4 of it off the center
    expected = torch.tensor([[[0.3, 0, -0.24], [0, 0.3, -0.2]], [[0.3, 0, 0.24], [0, 0.3, -0.2]]])
    torch.testing.assert_close(focus.base[0], expected)
    torch.testing.assert_close(focus.base[1], heads.base)
    start = focus.base[:, :, None].expand_as(focus.theta)
    torch.testing.assert_close(focus.theta, start, atol=1e-5, rtol=0)


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_the_trunk_is_left_without_hooks_and_gives_what_it_gave(glimpse):
    trunk = Small3d().eval()
    clip = torch.rand(2, 3, 4, 32, 32)
    before = trunk(clip)
    model = plug(trunk, at="stage2", num_classes=7, glimpse=glimpse, example=EXAMPLE)
    model(clip)
    assert model.trunk is trunk
    torch.testing.assert_close(trunk(clip), before)
    assert not any(module._forward_hooks for module in trunk.modules())
    assert not any(module.training for module in trunk.modules())


def with_classifier(*, nested):
    head = nn.Linear(64, 10)
    return nn.Sequential(
        Small3d(), nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), head) if nested else head
    )


@pytest.mark.parametrize("nested", [False, True])
def test_the_last_linear_layer_is_taken_off(nested):
    trunk = with_classifier(nested=nested)
    model = plug(trunk, at="0.stage2", heads=2, num_classes=7, example=EXAMPLE)
    last = trunk[1][3] if nested else trunk[1]
    assert isinstance(last, nn.Identity)
    assert not nested or isinstance(trunk[1][1], nn.Linear)
    assert model.classifier.in_features == 3 * 64
    assert model(torch.rand(2, 3, 4, 32, 32)).logits.shape == (2, 7)


def test_a_linear_layer_that_does_not_end_the_trunk_stays():
    trunk = nn.Sequential(Small3d(), nn.Linear(64, 10), nn.LayerNorm(10), nn.Tanh())
    model = plug(trunk, heads=0, num_classes=7, example=EXAMPLE)
    assert isinstance(trunk[1], nn.Linear)
    assert model.classifier.in_features == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at": "stage7"}, "no stage 'stage7'; did you mean .* Stages: 0.stem, 0.stage1"),
        ({"at": "1"}, r"the stage returns \(1, 10\), not a map"),
        ({"glimpse": "average"}, r"one of \('tail', 'pooled', 'in_line', 'zoom'\), got 'average'"),
        ({"transform": "rotation"}, "transform must be one of"),
        ({"theta_per": "frame"}, "theta_per must be one of"),
        ({"glimpse": "pooled", "temporal": "median"}, "temporal must be one of"),
        ({"localization_size": [50, 6]}, r"at most \(4, 4\), the map.s own, got \[50, 6\]"),
        ({"start_scale": 0.1}, "0 < min_scale < start_scale"),
    ],
)
def test_a_mistake_is_reported_and_leaves_the_trunk_as_it_was(settings, message):
    trunk = with_classifier(nested=False)
    settings = {"at": "0.stage2", "num_classes": 7, "example": EXAMPLE, **settings}
    with pytest.raises(InputError, match=message):
        plug(trunk, **settings)
    assert isinstance(trunk[1], nn.Linear)


def test_a_classifier_is_replaced_by_one_as_wide_if_no_other_width_is_given():
    model = plug(with_classifier(nested=False), "0.stage2", example=EXAMPLE)
    assert model.classifier.out_features == 10
    with pytest.raises(InputError, match=r"num_classes is needed: the trunk ends in features"):
        plug(Small3d(), "stage2", example=EXAMPLE)


def test_heads_need_a_stage():
    with pytest.raises(InputError, match=r"no stage ''\. Stages: stem"):
        plug(Small3d(), num_classes=7, example=EXAMPLE)


def test_a_trunk_must_end_in_one_row_for_each_clip():
    trunk = nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU())
    with pytest.raises(InputError, match=r"scores or features \(B, D\), got \(1, 4, 2, 30, 30\)"):
        plug(trunk, at="0", num_classes=7, example=EXAMPLE)


def test_an_example_that_the_trunk_does_not_accept_is_named():
    trunk = nn.Sequential(nn.AvgPool3d(8), nn.Flatten(), nn.Linear(3, 4))
    with pytest.raises(InputError, match=r"fails on the example clip \(1, 3, 4, 32, 32\): .* size"):
        plug(trunk, heads=0, num_classes=7, example=EXAMPLE)


class Positions(nn.Module):
    """A trunk with an embedding of each place of a clip of 160 x 160."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv3d(3, 6, 16, 16, padding=(4, 0, 0))
        self.register_buffer("embedding", torch.ones(6, 1, 10, 10))

    def forward(self, clip):
        return (self.patches(clip) + self.embedding).mean((2, 3, 4))


def test_the_clips_that_a_trunk_takes_are_told():
    message = r"clip \(1, 3, 4, 32, 32\): .*\. It takes 16 frames of 160x160\. Give an `example`"
    with pytest.raises(InputError, match=message):
        plug(Positions(), at="patches", num_classes=7, example=EXAMPLE)


@pytest.mark.parametrize(("heads", "glimpse"), [(0, None), (2, "tail"), (2, "pooled")])
def test_a_clip_of_another_size_than_the_trunk_takes_is_told_the_right_one(heads, glimpse):
    model = plug(
        Positions(), at="patches", heads=heads, num_classes=7, glimpse=glimpse,
        example=torch.zeros(1, 3, 8, 160, 160), mean=(127.5,) * 3, std=(127.5,) * 3,
    )  # fmt: skip
    assert model(torch.zeros(2, 3, 8, 160, 160, dtype=torch.uint8)).logits.shape == (2, 7)
    message = (
        r"does not take clips of 8 frames of 64x96 \(The size of tensor .*\)\. It takes 8 frames "
        r"of 160x160; its example clip has 8 frames of 160x160"
    )
    with pytest.raises(InputError, match=message):
        model(torch.zeros(2, 3, 8, 64, 96, dtype=torch.uint8))


def test_plugging_leaves_batch_norm_statistics_and_modes_alone():
    trunk = Small3d().train()
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    plug(trunk, at="stage2", num_classes=7, example=torch.rand(1, 3, 4, 32, 32))
    assert all(module.training for module in trunk.modules())
    for key, value in trunk.state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_pooled_glimpses_share_the_description_of_a_frame_wise_trunk_where_it_fits():
    trunk = build_backbone("timm/tf_efficientnet_lite0", temporal="difference").trunk
    settings = {"heads": 2, "num_classes": 3, "glimpse": "pooled", "temporal": "difference"}
    example = torch.zeros(1, 3, 2, 64, 64)
    model = plug(trunk, at="image.blocks.6", example=example, **settings)
    assert model.placement.describe is trunk.temporal
    other = plug(trunk, at="image.blocks.4", example=example, **settings)
    assert other.placement.describe is not trunk.temporal


@pytest.mark.parametrize("readout", ["attention", "saliency", "foreground", "max", "mean"])
@pytest.mark.parametrize("glimpse", ["tail", "in_line"])
def test_a_readout_without_glimpses_is_pooled(readout, glimpse):
    settings = {"at": "stage2", "heads": 1, "num_classes": 3, "example": EXAMPLE}
    message = rf"readout '{readout}' needs glimpse='pooled', got '{glimpse}': only readout='windows"
    trunk = Small3d()
    with pytest.raises(InputError, match=message):
        plug(trunk, readout=readout, glimpse=glimpse, **settings)
    assert plug(trunk, readout=readout, **settings).placement.describe is not None
    assert plug(trunk, **settings).placement.describe is None  # windows: tail


def test_windows_and_attention_see_the_same_and_learn_at_rates_of_their_own():
    """Attention: a key projection and queries in the trunk's groups; windows have their own."""
    groups = {}
    for name in ("windows", "attention"):
        model = plug(
            Small3d(), at="stage2", heads=3, num_classes=2, readout=name, glimpse="pooled",
            example=EXAMPLE, theta_per="step", motion=False,
        )  # fmt: skip
        groups[name] = {
            group["name"]: {id(parameter) for parameter in group["params"]}
            for group in parameter_groups(model, lr=0.1, relative_lr=1e-3, weight_decay=0.0)
        }
        own = {id(parameter) for parameter in model.readout.parameters()}
        if name == "windows":
            assert groups[name]["localization"] == own
            evidence = model.heads.localization_input
        else:
            assert "localization" not in groups[name]
            queries, weight = model.readout.parameters()
            assert (queries.shape, weight.shape[:2]) == ((3, 128), (128, 64))
            assert {id(queries), id(weight)} <= groups[name]["trunk+classifier"]
            assert model.readout.localization_input == evidence


def test_saliency_takes_its_shares():
    model = plug(
        Small3d(), at="stage2", heads=2, num_classes=2, readout="saliency",
        saliency_share=(0.4, 0.6), example=EXAMPLE,
    )  # fmt: skip
    assert model.readout.shares == pytest.approx([0.4, 0.6])


@pytest.mark.parametrize("readout", ["windows", "attention", "saliency", "foreground", "max"])
def test_a_batch_without_clips_has_no_logits(readout):
    model = plug(Small3d(), "stage2", heads=2, num_classes=3, readout=readout, example=EXAMPLE)
    extents = torch.zeros(0, 4, 2, 4) if readout == "foreground" else None
    prediction = model.eval()(EXAMPLE[:0], extents=extents)
    assert prediction.logits.shape == (0, 3)
    assert len(prediction.focus[0].places) == 0


def test_a_trunk_without_values_needs_the_module_of_its_features():
    trunk = Small3d().to("meta")
    with pytest.raises(InputError, match=r"on the meta device, .*\(features_from\), or plug heads"):
        plug(trunk, "stage2", num_classes=3, example=EXAMPLE)
    model = plug(trunk, "stage2", num_classes=3, example=EXAMPLE, features_from="stage3")
    assert model(EXAMPLE.to("meta")).logits.shape == (1, 3)
