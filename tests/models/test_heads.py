import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.geometry.theta import VOLUMETRIC
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.geometry.warps import VolumetricAffine
from stn_action.geometry.windows import Attention
from stn_action.models.heads import FocusHeads
from stn_action.models.localization_input import LocalizationInput
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.readouts.window_readout import WindowReadout

CLIP = (2, 5, 3, 8, 6)  # (B, C, T, H, W)
FLAT = [name for name, family in TRANSFORMS.items() if family.theta_shape != VOLUMETRIC]
WAYS = [(name, "clip") for name in TRANSFORMS] + [(name, "step") for name in FLAT]


def heads(name="attention", num_heads=4, *, moved=False, **settings):
    focus_heads = FocusHeads(5, build_transform(name, num_heads), **settings)
    if moved:  # away from the start, where theta is the same for every input
        with torch.no_grad():
            focus_heads.localization.output.weight.normal_().div_(focus_heads.localization.gain)
    return focus_heads


@pytest.mark.parametrize(("name", "theta_per"), WAYS)
def test_theta_starts_at_the_base_for_every_head_and_step(name, theta_per):
    focus_heads = heads(name, theta_per=theta_per, gain=300.0)
    theta = focus_heads(torch.randn(CLIP))
    num_thetas = {"clip": 1, "step": 3}[theta_per]
    assert theta.shape == (2, 4, num_thetas, *TRANSFORMS[name].theta_shape)
    torch.testing.assert_close(theta, focus_heads.base[:, None].expand_as(theta))


def test_heads_look_at_what_is_there():
    theta = heads(moved=True)(torch.randn(CLIP))
    assert (theta[0] - theta[1]).abs().max() > 0.005


def test_one_theta_a_clip_sees_what_moves():
    focus_heads = heads(moved=True)
    still = torch.zeros(CLIP)
    moving = still.clone()
    moving[:, 0, 0, 1:3, 1:3] = 1
    moving[:, 0, 2, 1:3, 1:3] = -1  # the mean over time is the same
    assert (focus_heads(still) - focus_heads(moving)).abs().max() > 0.005


@pytest.mark.parametrize("theta_per", ["clip", "step"])
def test_a_reduced_map_is_what_the_localization_network_sees(theta_per):
    reduced = heads(moved=True, theta_per=theta_per, motion=False, localization_size=(4, 3))
    seen = F.avg_pool3d(torch.randn(2, 5, 3, 8, 6), (1, 2, 2))  # (2, 5, 3, 4, 3)
    features = seen.repeat_interleave(2, 3).repeat_interleave(2, 4)
    assert reduced.evidence(features).shape[-2:] == (4, 3)
    theta = reduced(features)
    reduced.localization_input = LocalizationInput(theta_per, motion=False)
    torch.testing.assert_close(theta, reduced(seen))


def test_one_theta_a_step_follows_the_steps():
    focus_heads = heads(moved=True, theta_per="step")
    frame = torch.randn(2, 5, 1, 8, 6)
    still = focus_heads(frame.expand(CLIP))
    torch.testing.assert_close(still, still[:, :, :1].expand_as(still))
    changing = focus_heads(torch.randn(CLIP))
    assert (changing[:, :, 0] - changing[:, :, 1]).abs().max() > 0.005


@pytest.mark.parametrize(("name", "theta_per"), WAYS)
def test_theta_stays_float32_under_autocast(name, theta_per):
    focus_heads = heads(name, moved=True, theta_per=theta_per)
    features = torch.randn(CLIP).bfloat16()
    expected = focus_heads(features.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theta = focus_heads(features)
        glimpses = focus_heads.glimpses(features, theta, (8, 6))
    assert theta.dtype == torch.float32
    assert glimpses.dtype == torch.bfloat16
    # the evidence (means and differences over time) is bfloat16, nothing behind it
    torch.testing.assert_close(theta, expected, atol=0.03, rtol=0)


@pytest.mark.parametrize(("detach", "reaches"), [(True, False), (False, True)])
def test_the_localization_networks_gradient_reaches_the_trunk_only_if_asked(detach, reaches):
    features = torch.randn(CLIP, requires_grad=True)
    focus_heads = heads(moved=True, detach=detach)
    theta = focus_heads(features)
    theta.square().sum().backward()
    assert (features.grad is not None) is reaches
    assert all(parameter.grad is not None for parameter in focus_heads.parameters())


def tiles(name="attention"):
    """Windows on the quarters of a map, (1, 4, 1, *kind)."""
    quarters = [[-1.0, -1, 0, 0], [0, -1, 1, 0], [-1, 0, 0, 1], [0, 0, 1, 1]]
    return build_transform(name, 4).from_boxes(torch.tensor(quarters))[None, :, None]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_glimpses_of_tiles_are_slices_of_the_map(name):
    features = torch.randn(CLIP)
    theta = tiles(name).expand(2, -1, -1, -1, -1)
    glimpses = heads(name).glimpses(features, theta, (4, 3))
    slices = [
        features[..., rows, columns]
        for rows in (slice(0, 4), slice(4, 8))
        for columns in (slice(0, 3), slice(3, 6))
    ]
    torch.testing.assert_close(glimpses, torch.stack(slices, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", FLAT)
def test_every_step_has_its_own_glimpse(name):
    features = torch.randn(CLIP)
    # one head: a tile for each of three steps
    theta = tiles(name)[:, [0, 3, 1]].transpose(1, 2).expand(2, -1, -1, -1, -1)
    glimpses = heads(name, 1).glimpses(features, theta, (4, 3))
    assert glimpses.shape == (2, 1, 5, 3, 4, 3)
    slices = [features[:, :, 0, :4, :3], features[:, :, 1, 4:, 3:], features[:, :, 2, :4, 3:]]
    torch.testing.assert_close(glimpses[:, 0], torch.stack(slices, 2), atol=1e-5, rtol=0)


def test_theta_for_another_number_of_steps_is_refused():
    theta = tiles().expand(2, -1, 2, -1, -1)
    with pytest.raises(
        ValueError,
        match=r"S = 1 or 3 time steps, got \(2, 4, 2, 2, 3\)",
    ):
        heads().glimpses(torch.randn(CLIP), theta, (4, 3))


def test_a_wrong_choice_lists_the_right_ones():
    with pytest.raises(InputError, match=r"one of \('clip', 'step', 'volume'\), got 'frame'"):
        FocusHeads(5, Attention(4), theta_per="frame")  # pyright: ignore
    with pytest.raises(InputError, match=r"volumetric theta is one per clip: .* got 'step'"):
        FocusHeads(5, VolumetricAffine(4), theta_per="step")


def test_a_sampler_that_would_leave_rotation_out_is_refused():
    for sampler in ("separable", "area"):
        heads("anisotropic", sampler=sampler)
        with pytest.raises(InputError, match=f"{sampler!r} is for axis-aligned families; affine"):
            heads("affine", sampler=sampler)
    with pytest.raises(InputError, match=r"sampler must be one of .* padding one of"):
        heads(padding="reflection")


def test_a_volumetric_head_sees_when_something_happens():
    focus_heads = heads("volumetric", moved=True)
    early, late = torch.zeros(CLIP), torch.zeros(CLIP)
    early[:, :, 0], late[:, :, 2] = 1, 1  # equal means, equal changes
    assert (focus_heads(early) - focus_heads(late)).abs().max() > 0.005


def test_a_volumetric_head_resamples_time():
    features = torch.randn(1, 5, 4, 8, 6)
    theta = torch.zeros(1, 1, 1, 3, 4)
    theta[..., 0, 0] = theta[..., 1, 1] = 1
    theta[..., 2, 2], theta[..., 2, 3] = 0.5, 0.5  # the last two frames, at half speed
    glimpses = heads("volumetric", 1).volume_glimpses(features, theta, (2, 8, 6))
    torch.testing.assert_close(glimpses[:, 0], features[:, :, 2:], atol=1e-5, rtol=0)


def test_a_localization_network_of_ones_own_takes_the_evidence():
    class Constant(nn.Module):
        def forward(self, shown):
            assert shown.shape[1:] == (5, 8, 6)
            return torch.full((len(shown), 4 * 3), 0.1)

    focus_heads = heads(localization=Constant(), motion=False)
    theta = focus_heads(torch.randn(CLIP))
    expected = focus_heads.transform.build(torch.full((2, 1, 4, 3), 0.1)).transpose(1, 2)
    torch.testing.assert_close(theta, expected)
    assert focus_heads.gain == 1.0


def test_centered_cells_share_out_the_clip():
    cells = Cells.centered((4, 14, 7), (16, 112, 112))
    assert cells.first_thw == (1.5, 3.5, 7.5)
    assert cells.step_thw == (4.0, 8.0, 16.0)


OPTIMIZERS = {
    "sgd": (300.0, lambda params, lr: torch.optim.SGD(params, lr=lr * 0.05, momentum=0.9)),
    "adamw": (1e4, lambda params, lr: torch.optim.AdamW(params, lr=lr * 3e-3, weight_decay=0)),
}


def marked_maps(num):
    """Maps (num, 4, 1, 8, 8) of noise with a patch, whose channel is the label, anywhere."""
    labels = torch.randint(3, (num,))
    maps = 0.3 * torch.randn(num, 4, 1, 8, 8)
    for one, label, (y, x) in zip(maps, labels, torch.randint(6, (num, 2)), strict=True):
        one[label, 0, y : y + 3, x : x + 3] += 1
        one[3, 0, y : y + 3, x : x + 3] += 2
    return maps, labels


def spread_after_training(gain, optimizer, relative_lr):
    """Standard deviation of the windows' centers over maps; 0 before training."""
    focus_heads = FocusHeads(4, Attention(2), gain=gain)
    classifier = nn.Linear(8, 3)
    localization = optimizer(focus_heads.parameters(), relative_lr)
    rest = optimizer(classifier.parameters(), 1.0)
    for _ in range(100):
        maps, labels = marked_maps(8)
        means = WindowReadout(focus_heads)(maps).descriptions
        loss = F.cross_entropy(classifier(means.flatten(1)), labels)
        loss.backward()
        for one in (localization, rest):
            one.step()
            one.zero_grad()
    with torch.no_grad():
        theta = focus_heads(marked_maps(64)[0])
    assert theta.isfinite().all()
    return theta[..., 2].std(0).mean().item()


@pytest.mark.parametrize("relative_lr", [1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_windows_move_at_every_documented_relative_learning_rate(name, relative_lr):
    gain, optimizer = OPTIMIZERS[name]
    spread = spread_after_training(gain, optimizer, relative_lr)
    assert spread > 0.02


def test_without_a_gain_the_windows_stay_where_they_are():
    spread = spread_after_training(1.0, OPTIMIZERS["sgd"][1], 1e-3)
    assert spread < 2e-3


def person(*boxes, num_frames=4):
    """Extents of one clip per box: the image is the map, the person is there in every frame."""
    image = torch.tensor([-1.0, -1, 1, 1])
    pairs = [torch.stack([image, torch.tensor(box)]) for box in boxes]
    return torch.stack(pairs)[:, None].expand(-1, num_frames, -1, -1)


@pytest.mark.parametrize("localization", ["grid", "heatmap"])
@pytest.mark.parametrize("theta_per", ["clip", "step"])
def test_windows_start_on_tiles_of_each_clips_person(localization, theta_per):
    focus_heads = heads(
        "anisotropic", start="foreground", localization=localization, theta_per=theta_per
    )
    extents = person([-0.6, -0.8, 0.6, 0.2], [-1.0, -1, 1, 1])
    base = focus_heads.base_of(extents)
    assert base.shape == (2, 4, 2, 3)
    # of half-widths 0.6 and 0.5 about (0, -0.3): tiles of half of that, 0.4 of it off the center
    first = torch.tensor([[0.3, 0, -0.24], [0, 0.25, -0.5]])
    torch.testing.assert_close(base[0, 0], first)
    torch.testing.assert_close(base[1], focus_heads.base)
    theta = focus_heads(torch.randn(CLIP), extents)
    torch.testing.assert_close(theta, base[:, :, None].expand_as(theta), atol=1e-5, rtol=0)


@pytest.mark.parametrize("localization", ["grid", "heatmap"])
def test_without_extents_windows_start_on_tiles_of_the_map(localization):
    focus_heads = heads(start="foreground", localization=localization)
    assert focus_heads.base_of(None) is focus_heads.base
    theta = focus_heads(torch.randn(CLIP))
    expected = focus_heads.base[:, None].expand_as(theta)
    torch.testing.assert_close(theta, expected, atol=1e-5, rtol=0)


def test_theta_is_smoothed_over_steps_in_its_bounded_parametrization():
    raw = torch.randn(2, 3, 4, 3)

    class Given(nn.Module):
        def forward(self, shown):
            return raw.flatten(0, 1).flatten(1)

    focus_heads = heads(localization=Given(), theta_per="step", theta_smoothing=3)
    theta = focus_heads(torch.randn(CLIP))
    smooth = torch.stack([raw[:, 0], raw.mean(1), raw[:, 2]], dim=1)
    torch.testing.assert_close(theta, focus_heads.transform.build(smooth).transpose(1, 2))


def test_settings_of_the_start_and_of_smoothing_are_checked():
    with pytest.raises(InputError, match=r"needs theta_per 'step', got 'clip' with .* 3"):
        heads(theta_smoothing=3)
    with pytest.raises(InputError, match="an odd number of steps, got 4"):
        heads(theta_smoothing=4, theta_per="step")
    with pytest.raises(InputError, match=r"start must be one of \('tiles', 'foreground'\), got"):
        heads(start="person")
    with pytest.raises(
        InputError, match=r"start 'foreground' is for axis-aligned .* affine is not"
    ):
        heads("affine", start="foreground")
    with pytest.raises(InputError, match=r"localization must be one of \('grid', .*\), got 'heat'"):
        heads(localization="heat")


def test_replicate_padding_reaches_the_localization_network():
    for name in ("grid", "heatmap"):
        focus_heads = heads(localization=LocalizationSettings(name, padding="replicate"))
        assert {layer.padding for layer in focus_heads.localization.convolutions} == {"replicate"}


def test_kernels_channels_and_grid_reach_the_localization_network():
    settings = LocalizationSettings(kernels=(3,), channels=8, grid=1)
    network = heads(localization=settings).localization
    assert [tuple(layer.weight.shape) for layer in network.convolutions] == [(8, 8, 3, 3)]
    assert network.output.weight.shape[1] == 8 + 1  # pooled globally, and the constant
    drawn = LocalizationSettings("heatmap", kernels=(5, 3), channels=6)
    network = heads(localization=drawn).localization
    assert [layer.weight.shape[-1] for layer in network.convolutions] == [5, 3]
    for wrong in ({"kernels": (4,)}, {"channels": 0}, {"grid": 0}):
        with pytest.raises(InputError, match=r"localization_\w+ .*must be"):
            LocalizationSettings(**wrong)
