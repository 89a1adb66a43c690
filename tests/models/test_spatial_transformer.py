import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.theta import VOLUMETRIC
from stn_action.geometry.transforms import TRANSFORMS
from stn_action.models.spatial_transformer import SpatialTransformer

CLIP = (2, 5, 3, 8, 6)  # (B, C, T, H, W)
FLAT = [name for name, family in TRANSFORMS.items() if family.theta_shape != VOLUMETRIC]


def moved(layer):
    """The layer with its windows away from their start."""
    nn.init.normal_(layer.heads.localization.output.weight, std=0.1)
    return layer


@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_it_starts_at_the_identity(transform, padding):
    layer = SpatialTransformer(channels=5, transform=transform, padding=padding)
    clips = torch.randn(CLIP)
    torch.testing.assert_close(layer(clips), clips, atol=2e-5, rtol=0)
    if transform in FLAT:
        images = torch.randn(2, 5, 8, 6)
        torch.testing.assert_close(layer(images), images, atol=2e-5, rtol=0)


def test_a_bounded_one_starts_at_the_middle():
    layer = SpatialTransformer(channels=5, transform="attention", size=(4, 3), bounded=True)
    features = torch.randn(2, 5, 8, 6)
    # half of the map about its center: rows 2 to 5; columns 1.5 to 4.5, so between two each
    expected = (features[:, :, 2:6, 1:4] + features[:, :, 2:6, 2:5]) / 2
    torch.testing.assert_close(layer(features), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("theta_per", ["clip", "step"])
@pytest.mark.parametrize("transform", FLAT)
def test_it_takes_images_and_clips(transform, theta_per):
    layer = SpatialTransformer(channels=5, transform=transform, size=(14, 12), theta_per=theta_per)
    assert layer(torch.randn(2, 5, 8, 6)).shape == (2, 5, 14, 12)
    assert layer(torch.randn(CLIP)).shape == (2, 5, 3, 14, 12)


def test_a_volumetric_one_resamples_space_and_time():
    layer = SpatialTransformer(channels=5, transform="volumetric", size=(2, 4, 3))
    assert layer(torch.randn(CLIP)).shape == (2, 5, 2, 4, 3)
    with pytest.raises(ValueError, match=r"must be \(B, 5, T, H, W\), got \(2, 5, 8, 6\)"):
        layer(torch.randn(2, 5, 8, 6))


def test_flat_vectors_are_images_again_and_flat_again():
    flat = moved(SpatialTransformer(channels=3, size=(4, 5), image_size=(8, 6)))
    maps = SpatialTransformer(channels=3, size=(4, 5))
    maps.load_state_dict(flat.state_dict())
    vectors = torch.randn(2, 3 * 8 * 6)
    result = flat(vectors)
    assert result.shape == (2, 3 * 4 * 5)
    torch.testing.assert_close(result, maps(vectors.view(2, 3, 8, 6)).flatten(1))
    with pytest.raises(ValueError, match=r"flat images \(B, 144\), got \(2, 143\)"):
        flat(vectors[:, 1:])


def test_an_image_is_a_clip_of_one_frame():
    layer = moved(SpatialTransformer(channels=5))
    image = torch.randn(2, 5, 8, 6)
    torch.testing.assert_close(layer(image), layer(image.unsqueeze(2)).squeeze(2))
    assert (layer(image) - image).abs().max() > 0.01


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_theta_is_given_back_for_later_layers(transform):
    layer = moved(SpatialTransformer(channels=5, transform=transform))
    kind = TRANSFORMS[transform].theta_shape
    clips = torch.randn(CLIP)
    result, theta = layer(clips, return_theta=True)
    assert theta.shape == (2, *kind)
    torch.testing.assert_close(result, layer(clips))
    later = nn.Linear(kind[0] * kind[1], 3)
    later(theta.flatten(1)).sum().backward()
    assert layer.heads.localization.output.weight.grad.abs().max() > 0


def test_one_theta_a_step_is_given_back_for_every_step():
    layer = SpatialTransformer(channels=5, theta_per="step")
    assert layer(torch.randn(CLIP), return_theta=True)[1].shape == (2, 3, 2, 3)
    assert layer(torch.randn(2, 5, 8, 6), return_theta=True)[1].shape == (2, 2, 3)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_it_learns_from_what_comes_behind_it(transform):
    layer = SpatialTransformer(channels=5, transform=transform)
    layer(torch.randn(CLIP)).square().sum().backward()
    gradient = layer.heads.localization.output.weight.grad
    assert gradient is not None
    assert gradient.abs().amax(1).min() > 0


def strokes(count):
    """Images (N, 1, 12, 12) of a small sign anywhere, and which of two signs it is."""
    labels = torch.randint(2, (count,))
    images = torch.zeros(count, 1, 12, 12)
    places = torch.randint(9, (count, 2)).tolist()
    for image, label, (y, x) in zip(images, labels.tolist(), places, strict=True):
        sign = image[0, y : y + 4, x : x + 4]
        sign[:, 1 : 3 - label] = 1
        sign[1 : 2 + label] = 1
    return images, labels


@pytest.mark.slow
def test_several_in_one_network_learn_to_find_a_sign():
    network = nn.Sequential(
        SpatialTransformer(channels=1, transform="translation", padding="border"),
        nn.Conv2d(1, 4, 3, padding=1),
        SpatialTransformer(channels=4, transform="attention"),
        nn.Flatten(),
        nn.Linear(4 * 12 * 12, 2),
    )
    slow = [p for name, p in network.named_parameters() if "localization" in name]
    fast = [p for name, p in network.named_parameters() if "localization" not in name]
    optimizer = torch.optim.Adam([{"params": fast}, {"params": slow, "lr": 3e-4}], lr=0.01)
    for _ in range(250):
        images, labels = strokes(16)
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        images, labels = strokes(200)
        accuracy = (network(images).argmax(1) == labels).float().mean()
    # the same layers without transformers stay at 0.6: a linear layer cannot tell the signs
    assert accuracy > 0.9


@pytest.mark.parametrize("shape", [(2, 4, 8, 6), (5, 8, 6), (2, 4, 3, 8, 6)])
def test_wrong_features_are_reported(shape):
    with pytest.raises(ValueError, match=r"\(B, 5, H, W\) or \(B, 5, T, H, W\), got \("):
        SpatialTransformer(channels=5)(torch.zeros(shape))


def test_wrong_names_are_reported():
    with pytest.raises(InputError, match=r"transform must be one of \['affine', 'anisotropic'"):
        SpatialTransformer(channels=5, transform="rotation")
    with pytest.raises(InputError, match="translation has no setting max_angle; it has bounded"):
        SpatialTransformer(channels=5, transform="translation", max_angle=1.0)


def test_one_number_is_the_size_of_all_sides():
    assert SpatialTransformer(3, size=7)(torch.rand(2, 3, 9, 8)).shape == (2, 3, 7, 7)
    assert SpatialTransformer(3, "volumetric", 4).size == (4, 4, 4)
    with pytest.raises(InputError, match=r"size must be 2 positive numbers for transform 'affine'"):
        SpatialTransformer(3, size=(4, 5, 6))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_empty_batches_meta_tensors_and_vmap(transform):
    layer = SpatialTransformer(3, transform, size=5)
    nn.init.normal_(layer.heads.localization.output.weight, std=0.1)
    assert layer(torch.rand(0, 3, 4, 8, 8)).shape == layer(torch.rand(2, 3, 4, 8, 8))[:0].shape
    clips = torch.rand(3, 2, 3, 4, 8, 8)
    expected = torch.stack([layer(clip) for clip in clips])
    torch.testing.assert_close(torch.func.vmap(layer)(clips), expected)
    abstract = layer.to("meta")(torch.rand(2, 3, 4, 8, 8, device="meta"))
    assert abstract.is_meta
    assert abstract.shape == expected.shape[1:]


def test_a_layer_tells_family_size_and_channels():
    text = repr(SpatialTransformer(64, "tps", size=(14, 12)))
    assert "64, tps, size=(14, 12)" in text
    assert "64, 1 tps window per clip" in text
    assert "(reduction): EqualizedConv2d(64, 32, kernel_size=1, gain=1)" in text
