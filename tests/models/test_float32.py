import pytest
import torch
from torch import nn

from stn_action.geometry.transforms import build_transform
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.float32 import PixelNormalization
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.glimpse_network import GlimpseNetwork
from stn_action.models.heads import FocusHeads
from stn_action.models.plug import plug
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.models.temporal import TemporalMean
from tests.pairs import cover_pairs

CLIPS = (2, 3, 4, 16, 24)
TOLERANCE = {torch.bfloat16: 3e-2, torch.half: 4e-3, torch.float64: 1e-6, torch.float32: 1e-6}
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def trunk():
    return nn.Sequential(
        nn.Conv3d(3, 6, (1, 3, 3), (1, 2, 2), (0, 1, 1)), nn.BatchNorm3d(6), nn.Tanh(),
        nn.Conv3d(6, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
    )  # fmt: skip


def frame_wise():
    image = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.Tanh(), nn.Conv2d(6, 8, 3, 1, 1))
    return FrameWise(image, TemporalMean(8))


def build(glimpse="tail", transform="attention", random=False, base=None, at="2", **settings):
    torch.manual_seed(1)
    model = plug(
        base or trunk(), at=at, heads=1 if glimpse == "in_line" else 2, num_classes=5,
        glimpse=glimpse, transform=transform, mean=MEAN, std=STD,
        example=torch.zeros(1, *CLIPS[1:]),
        random_windows=RandomWindows() if random and glimpse != "in_line" else None, gain=1.0,
        **settings,
    )  # fmt: skip
    torch.manual_seed(2)
    nn.init.normal_(model.heads.localization.output.weight, std=0.3)
    return model


def pixels():
    return torch.randint(256, CLIPS, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("dtype", "glimpse", "transform", "temporal", "random"),
    cover_pairs(
        [torch.bfloat16, torch.half, torch.float64],
        ["tail", "pooled", "in_line"],
        ["attention", "affine", "tps", "volumetric"],
        ["mean", "difference"],
        [True, False],
    ),
)
def test_a_network_of_another_precision_keeps_its_windows(
    dtype, glimpse, transform, temporal, random
):
    model = build(glimpse, transform, random, temporal=temporal)
    expected = model.eval()(pixels())
    before = {name: value.clone() for name, value in model.heads.state_dict().items()}
    model.to(dtype)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert model.trunk[0].weight.dtype == model.classifier.weight.dtype == dtype
    assert model.normalization.mean.dtype == model.heads.base.dtype == wide
    for name, value in model.heads.state_dict().items():
        assert torch.equal(value, before[name].to(wide))  # not rounded in between
    found = model(pixels())
    assert found.focus[0].theta.dtype == wide
    assert found.logits.dtype == torch.float32
    for one, other in [
        (found.logits, expected.logits),
        (found.focus[0].theta, expected.focus[0].theta),
    ]:
        torch.testing.assert_close(one.float(), other, atol=TOLERANCE[dtype], rtol=0)
    prediction = model.train()(pixels())
    prediction.branch_logits.square().sum().backward()
    for parameter in model.localization_parameters():
        assert parameter.grad.dtype == wide
        assert parameter.grad.any()


@pytest.mark.parametrize(
    ("memory_format", "glimpse", "transform"),
    cover_pairs(
        [torch.channels_last_3d, torch.channels_last],
        ["tail", "pooled", "in_line"],
        ["attention", "affine", "volumetric"],
    ),
)
def test_the_memory_format_of_a_network_changes_nothing(memory_format, glimpse, transform):
    if memory_format == torch.channels_last_3d:
        model = build(glimpse, transform).eval()
        weight = model.trunk[0].weight
    else:
        model = build(glimpse, transform, base=frame_wise(), at="image.1").eval()
        weight = model.trunk.image[0].weight
    expected = model(pixels())
    model.to(memory_format=memory_format)
    assert weight.is_contiguous(memory_format=memory_format)
    for clips in (pixels(), pixels().to(memory_format=torch.channels_last_3d)):
        found = model(clips)
        torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            found.focus[0].theta, expected.focus[0].theta, atol=1e-5, rtol=0
        )  # fmt: skip
    found.logits.sum().backward()
    assert all(parameter.grad.any() for parameter in model.localization_parameters())


def test_a_trunk_of_half_precision_is_plugged_as_it_is():
    model = build(base=trunk().bfloat16())
    assert model.trunk[0].weight.dtype == model.classifier.weight.dtype == torch.bfloat16
    assert model.heads.localization.output.weight.dtype == torch.float32
    clips = (pixels().float() - 110) / 57
    without = plug(
        trunk().bfloat16(), at="2", num_classes=5, example=torch.zeros(1, *CLIPS[1:])
    )  # fmt: skip
    for network, given in ((model, pixels()), (without, clips), (without, clips.bfloat16())):
        prediction = network(given)
        assert prediction.focus[0].theta.dtype == torch.float32
        assert torch.isfinite(prediction.logits).all()


def test_autocast_keeps_theta_and_the_windows():
    model = build().eval()
    expected = model(pixels())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(pixels())
    assert found.focus[0].theta.dtype == torch.float32
    torch.testing.assert_close(
        found.focus[0].theta, expected.focus[0].theta, atol=3e-2, rtol=0
    )  # fmt: skip


def test_pixels_are_normalized_in_float32():
    normalization = PixelNormalization(torch.tensor(MEAN), torch.tensor(STD)).half()
    found = normalization(torch.full((1, 3, 1, 1, 1), 124, dtype=torch.uint8))
    assert found.flatten()[0] == pytest.approx((124 - 123.675) / 58.395, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half, torch.float64])
def test_a_transformer_in_line_keeps_its_theta(dtype):
    layer = SpatialTransformer(6, "affine")
    nn.init.normal_(layer.heads.localization.output.weight, std=0.3)
    maps = torch.randn(2, 6, 8, 10)
    expected, theta = layer(maps, return_theta=True)
    result, found = layer.to(dtype)(maps.to(dtype), return_theta=True)
    assert result.dtype == dtype
    torch.testing.assert_close(found.float(), theta, atol=TOLERANCE[dtype], rtol=0)
    torch.testing.assert_close(result.float(), expected, atol=5 * TOLERANCE[dtype], rtol=0)


class OwnLocalization(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2 * 6, 6)

    def forward(self, features):
        return self.layer(features.mean((2, 3)))


@pytest.mark.parametrize("autocast", [True, False])
def test_a_localization_network_of_your_own_sees_float32(autocast):
    heads = FocusHeads(6, build_transform("attention", 2), localization=OwnLocalization())
    features = torch.randn(2, 6, 3, 8, 10, dtype=torch.bfloat16)
    if not autocast:
        heads.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        assert heads(features).dtype == torch.float32


def test_a_glimpse_network_of_half_precision_keeps_its_theta():
    maps = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU())
    describe = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    heads = FocusHeads(4, build_transform("translation", 2), detach=False)
    model = GlimpseNetwork(
        maps, heads, describe, num_features=5, num_classes=3, glimpse_size=(8, 8), trunk_size=(9, 9)
    ).bfloat16()
    prediction = model(torch.rand(2, 3, 16, 16).bfloat16())
    assert prediction.focus[0].theta.dtype == torch.float32
    assert prediction.logits.dtype == torch.float32
