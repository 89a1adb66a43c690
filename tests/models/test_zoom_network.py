"""Networks that look twice: at a reduced clip, and at windows of the full one."""

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.clip_theta import clip_theta
from stn_action.geometry.outlines import focus_outlines
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.plug import plug

EXAMPLE = torch.zeros(1, 3, 4, 64, 48)
SIZES = {"look_size": (32, 24), "glimpse_size": (16, 20)}


def zoomed(**settings):
    given = {"at": "stage1", "heads": 2, "num_classes": 5, "glimpse": "zoom", **SIZES}
    return plug(Small3d(), example=EXAMPLE, **{**given, **settings})


def clips(number=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, 3, 4, 64, 48, generator=generator)


class Means(nn.Module):
    """Glimpses to the mean of each channel."""

    def forward(self, glimpses):
        return glimpses.mean((2, 3, 4))


def test_the_trunk_sees_the_reduced_clip_and_then_the_glimpses():
    model = zoomed()
    model(clips())  # the cells are traced once
    seen = []
    model.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    prediction = model(clips())
    assert [tuple(shape) for shape in seen] == [(2, 3, 4, 32, 24), (4, 3, 4, 16, 20)]
    assert prediction.logits.shape == (2, 5)
    assert prediction.branch_logits.shape == (2, 3, 5)
    (focus,) = prediction.focus
    assert focus.cells.clip_thw == (4, 64, 48)


def test_a_glimpse_is_what_its_outline_on_the_clip_encloses():
    model = zoomed()
    ramp = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij"))
    clip = torch.cat([ramp, ramp[:1]])[None, :, None].expand(-1, -1, 4, -1, -1) + 0.5
    (focus,) = model(clip).focus
    edges = torch.tensor([[0.0, 0.0, 48.0, 64.0]]).expand(4, -1)
    corners = focus_outlines(focus.theta[0], focus.cells, edges)[0]  # (K, 4, 2), clip pixels
    glimpses = model.second_look.glimpses(clip, focus.theta, focus.cells, axis_aligned=True)
    centers = glimpses[0, :, :2, 0].mean((-2, -1)).flip(-1)  # (K, 2), x and y
    torch.testing.assert_close(centers, corners.mean(1), atol=0.1, rtol=0)


@pytest.mark.parametrize("theta_per", ["clip", "step"])
def test_pixels_move_the_windows(theta_per):
    torch.manual_seed(0)
    model = zoomed(theta_per=theta_per)
    model(clips()).logits.square().sum().backward()
    assert model.heads.localization.output.weight.grad.abs().sum() > 0


def test_the_scale_of_a_window_has_the_gradient_of_what_it_averages():
    model = zoomed(glimpse_trunk=Means())
    (focus,) = model(clips()).focus
    clip = clips().double()

    def means(theta):
        glimpses = model.second_look.glimpses(clip, theta, focus.cells, axis_aligned=True)
        return glimpses.mean((3, 4, 5))

    theta = focus.theta.double() * 0.9 + 0.011  # off the kinks at pixels' centers
    assert torch.autograd.gradcheck(means, theta.requires_grad_())


def test_the_map_stands_in_for_the_gradient_of_pixels():
    torch.manual_seed(0)
    model = zoomed(window_gradient="map")
    prediction = model(clips())
    assert prediction.branch_logits.shape == (2, 1 + 2 + 2, 5)
    weight = model.heads.localization.output.weight
    assert torch.autograd.grad(
        prediction.logits.square().sum(), weight, allow_unused=True, retain_graph=True
    ) == (None,)
    prediction.branch_logits.square().sum().backward()
    assert weight.grad.abs().sum() > 0


def test_glimpses_may_have_a_trunk_of_their_own():
    model = zoomed(glimpse_trunk=Means())
    assert model.classifier.in_features == model.branch_classifiers[0].in_features + 2 * 3
    model(clips()).logits.sum().backward()


@pytest.mark.parametrize("readout", ["saliency", "attention"])
def test_other_readouts_give_windows_too(readout):
    model = zoomed(readout=readout, window_gradient="map")
    prediction = model(clips())
    (focus,) = prediction.focus
    assert focus.theta.shape == (2, 2, 1, 2, 3)
    other = focus.theta.flip(0)
    again = model(clips(), [other])
    assert torch.equal(again.focus[0].theta, other)
    assert not torch.equal(again.logits, prediction.logits)


def test_glimpses_are_cut_out_of_sharper_sources():
    model = zoomed().eval()
    clip = clips()
    prediction = model(clip)
    sources = [clip[0].repeat_interleave(2, 2).repeat_interleave(2, 3), clip[1].flip(3)]
    again = model(clip, sources=sources)
    torch.testing.assert_close(again.logits[0], prediction.logits[0])  # averaged over areas
    assert not torch.equal(again.logits[1], prediction.logits[1])
    assert torch.equal(again.focus[0].theta, prediction.focus[0].theta)
    seen = {}
    model.trunk.register_forward_pre_hook(lambda module, inputs: seen.update(last=inputs[0]))
    ramp = torch.linspace(0, 1, 480).expand(3, 4, 640, -1)
    model(clip, sources=[ramp, ramp])
    (focus,) = prediction.focus
    centers = (clip_theta(focus.theta, focus.cells)[:, :, 0, 0, 2] + 1) / 2
    got = seen["last"].mean((1, 2, 3, 4)).view(2, 2)
    torch.testing.assert_close(got, centers, atol=0.002, rtol=0)


def test_wrong_windows_and_sources_are_named():
    model = zoomed().eval()
    (focus,) = model(clips()).focus
    with pytest.raises(ValueError, match=r"sources must be 2 clips \(3, 4, H, W\), got"):
        model(clips(), sources=list(clips(1)))
    with pytest.raises(ValueError, match="theta must be a sequence of one tensor"):
        model(clips(), [focus.theta[:, :1]])


@pytest.mark.parametrize("own_trunk", [False, True])
def test_behind_a_frozen_stage_features_and_pixels_give_the_same(own_trunk):
    torch.manual_seed(0)
    model = zoomed(glimpse_trunk=Means() if own_trunk else None, mean=[0.5] * 3, std=[0.2] * 3)
    model.freeze_until("stage1", EXAMPLE)
    model.eval()
    rest = model.behind("stage1", EXAMPLE, clip_thw=(4, 64, 48))
    expected = model(clips())
    features = model.stage_features(clips(), "stage1")
    found = rest(features, sources=list(clips()))
    torch.testing.assert_close(found.logits, expected.logits)
    assert found.focus[0].cells == expected.focus[0].cells
    weight = model.heads.localization.output.weight
    gradients = [
        torch.autograd.grad(one.logits.square().sum(), weight)[0] for one in (found, expected)
    ]
    assert gradients[0].abs().sum() > 0
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="behind a stage, sources must be the clips"):
        rest(features)


def test_a_window_beyond_the_clip_shows_its_border():
    model = zoomed(bounded=False).eval()
    clip = clips()
    (focus,) = model(clip).focus
    theta = focus.theta.clone()
    theta[..., 0, 2] = 9.0  # far to the right
    theta[..., 1, 1], theta[..., 1, 2] = 1.0, 0.0
    glimpses = model.glimpses(clip, theta, focus.cells)
    border = clip[..., -1].mean(-1)  # (B, 3, T)
    torch.testing.assert_close(glimpses.mean((-2, -1))[:, 0], border, atol=0.03, rtol=0)
    assert glimpses.std(-1).max() < 1e-5
    assert torch.isfinite(model(clip, [theta]).logits).all()


class OneSize(Small3d):
    """A trunk with position embeddings: it takes clips of one size."""

    def forward(self, x):
        if tuple(x.shape[3:]) != (112, 112):
            raise AssertionError("input size must be 112x112.")
        return super().forward(x)


@pytest.mark.parametrize(
    ("name", "other"), [("look_size", "glimpse_size"), ("glimpse_size", "look_size")]
)
def test_the_sizes_that_a_trunk_takes_are_told(name, other):
    sizes = {name: 96, other: 112}
    message = (
        rf"{name} 96x96: .*\(input size must be 112x112\)\. It takes 16 frames of 112x112: set both"
    )
    with pytest.raises(InputError, match=message):
        plug(OneSize(), at="stage1", heads=1, num_classes=2, glimpse="zoom", **sizes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"look_size": None}, "'zoom' needs look_size, a side or height and width in pixels, got"),
        ({"glimpse_size": 0}, "'zoom' needs glimpse_size, .* got 0"),
        ({"look_size": 96}, "clips of 64x48 are smaller than look_size 96x96"),
        ({"readout": "max"}, "it needs readout 'windows' .*, 'saliency' or 'attention'"),
        ({"transform": "volumetric"}, "of another family than volumetric"),
        ({"readout": "attention"}, "'attention' needs window_gradient 'map'"),
        ({"window_gradient": "mean"}, r"window_gradient must be one of .*, got 'mean'"),
    ],
)
def test_what_zoom_cannot_do_is_named(settings, message):
    with pytest.raises((InputError, ValueError), match=message):
        zoomed(**settings)
