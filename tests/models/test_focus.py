import pytest
import torch
from torch import nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.geometry.transforms import TRANSFORMS, Attention, window_theta
from stn_action.models.focus import Cells, FocusHeads, SpatialTransformer, build_transform

CLIP = (2, 5, 3, 8, 6)  # (B, C, T, H, W)


def heads(name="attention", num_heads=4, *, moved=False, **settings):
    focus_heads = FocusHeads(5, build_transform(name, num_heads), num_heads, **settings)
    if moved:  # away from the start, where theta is the same for every input
        with torch.no_grad():
            focus_heads.localization.output.weight.normal_().div_(focus_heads.localization.gain)
    return focus_heads


@pytest.mark.parametrize(("theta_per", "num_thetas"), [("clip", 1), ("step", 3)])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_theta_starts_at_the_base_for_every_head_and_step(name, theta_per, num_thetas):
    focus_heads = heads(name, theta_per=theta_per, gain=300.0)
    theta = focus_heads(torch.randn(CLIP))
    assert theta.shape == (2, 4, num_thetas, 2, 3)
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


def test_one_theta_a_step_follows_the_steps():
    focus_heads = heads(moved=True, theta_per="step")
    frame = torch.randn(2, 5, 1, 8, 6)
    still = focus_heads(frame.expand(CLIP))
    torch.testing.assert_close(still, still[:, :, :1].expand_as(still))
    changing = focus_heads(torch.randn(CLIP))
    assert (changing[:, :, 0] - changing[:, :, 1]).abs().max() > 0.005


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("name", TRANSFORMS)
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


def tiles():
    """Windows on the quarters of a map, (1, 4, 1, 2, 3)."""
    centres = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    return window_theta(torch.full((4, 2), 0.5), centres).view(1, 4, 1, 2, 3)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_glimpses_of_tiles_are_slices_of_the_map(name):
    features = torch.randn(CLIP)
    theta = tiles().expand(2, -1, -1, -1, -1)
    glimpses = heads(name).glimpses(features, theta, (4, 3))
    slices = [
        features[..., rows, columns]
        for rows in (slice(0, 4), slice(4, 8))
        for columns in (slice(0, 3), slice(3, 6))
    ]
    torch.testing.assert_close(glimpses, torch.stack(slices, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_step_has_its_own_glimpse(name):
    features = torch.randn(CLIP)
    theta = tiles().transpose(1, 2)[:, :, [0, 3, 1]]  # one head: a tile for each of three steps
    theta = theta.transpose(1, 2).reshape(1, 1, 3, 2, 3).expand(2, -1, -1, -1, -1)
    glimpses = heads(name, 1).glimpses(features, theta, (4, 3))
    assert glimpses.shape == (2, 1, 5, 3, 4, 3)
    slices = [features[:, :, 0, :4, :3], features[:, :, 1, 4:, 3:], features[:, :, 2, :4, 3:]]
    torch.testing.assert_close(glimpses[:, 0], torch.stack(slices, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_pooled_glimpses_are_the_means_of_the_glimpses(name, theta_per):
    features = torch.randn(CLIP)
    focus_heads = heads(name, moved=True, theta_per=theta_per)
    theta = focus_heads(features)
    means = focus_heads.pooled_glimpses(features, theta, (7, 5))
    assert means.shape == (2, 4, 5, 3)
    expected = focus_heads.glimpses(features, theta, (7, 5)).mean((-2, -1))
    torch.testing.assert_close(means, expected, atol=1e-5, rtol=0)


def test_theta_for_another_number_of_steps_is_refused():
    theta = tiles().expand(2, -1, 2, -1, -1)
    with pytest.raises(ValueError, match="theta must be for 1 or 3 time steps, got 2"):
        heads().glimpses(torch.randn(CLIP), theta, (4, 3))


def test_a_wrong_choice_lists_the_right_ones():
    with pytest.raises(InputError, match=r"one of \['affine', 'attention', 'translation'\], got"):
        build_transform("rotation", 4)
    with pytest.raises(InputError, match=r"one of \('clip', 'step'\), got 'frame'"):
        FocusHeads(5, Attention(4), 4, theta_per="frame")  # pyright: ignore


def test_an_affine_spatial_transformer_in_line_starts_at_the_identity():
    layers = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), SpatialTransformer(channels=5))
    images = torch.randn(2, 3, 8, 6)
    torch.testing.assert_close(layers(images), layers[0](images), atol=1e-5, rtol=0)


def test_an_attention_spatial_transformer_starts_at_the_middle():
    layer = SpatialTransformer(channels=5, transform="attention", size=(4, 3))
    features = torch.randn(2, 5, 8, 6)
    # half of the map about its centre: rows 2 to 5; columns 1.5 to 4.5, so between two each
    expected = (features[:, :, 2:6, 1:4] + features[:, :, 2:6, 2:5]) / 2
    torch.testing.assert_close(layer(features), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_spatial_transformer_takes_images_and_clips(transform, theta_per):
    layer = SpatialTransformer(channels=5, transform=transform, size=(14, 12), theta_per=theta_per)
    assert layer(torch.randn(2, 5, 8, 6)).shape == (2, 5, 14, 12)
    assert layer(torch.randn(CLIP)).shape == (2, 5, 3, 14, 12)


def test_an_image_is_a_clip_of_one_frame():
    layer = SpatialTransformer(channels=5)
    nn.init.normal_(layer.heads.localization.output.weight, std=0.1)
    image = torch.randn(2, 5, 8, 6)
    torch.testing.assert_close(layer(image), layer(image.unsqueeze(2)).squeeze(2))
    assert (layer(image) - image).abs().max() > 0.01


def test_a_spatial_transformer_learns_from_what_comes_behind_it():
    layer = SpatialTransformer(channels=5)
    layer(torch.randn(2, 5, 8, 6)).square().sum().backward()
    gradient = layer.heads.localization.output.weight.grad
    assert gradient is not None
    assert gradient.abs().amax(1).min() > 0


@pytest.mark.parametrize("shape", [(2, 4, 8, 6), (5, 8, 6), (2, 4, 3, 8, 6)])
def test_wrong_features_are_told(shape):
    with pytest.raises(ValueError, match=r"\(B, 5, H, W\) or \(B, 5, T, H, W\), got \("):
        SpatialTransformer(channels=5)(torch.zeros(shape))


def test_centred_cells_share_out_the_clip():
    cells = Cells.centred((4, 14, 7), (16, 112, 112))
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
    """Standard deviation of the windows' centres over maps; 0 before training."""
    focus_heads = FocusHeads(4, Attention(2), 2, gain=gain)
    classifier = nn.Linear(8, 3)
    localization = optimizer(focus_heads.parameters(), relative_lr)
    rest = optimizer(classifier.parameters(), 1.0)
    for _ in range(100):
        maps, labels = marked_maps(8)
        means = focus_heads.pooled_glimpses(maps, focus_heads(maps), (8, 8))
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
