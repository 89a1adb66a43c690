import warnings

import pytest
import timm
import torch
from torch import nn
from torchvision.models.video.swin_transformer import SwinTransformer3d

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.plug import plug
from stn_action.models.stages import features_at, stage_map, trunk_behind
from stn_action.models.temporal import TemporalMean
from tests.pairs import cover_pairs

CLIPS = (2, 3, 4, 32, 48)


class Layouts(nn.Module):
    """A trunk of clips or of their frames whose stage has its channels first or last."""

    def __init__(self, *, frames, channels_last):
        super().__init__()
        convolution = nn.Conv2d if frames else nn.Conv3d
        kernel = (4, 4) if frames else (1, 4, 4)
        self.stem = convolution(3, 8, kernel, kernel)
        self.stage = nn.Sequential(nn.Linear(8, 6), nn.Tanh())
        self.out = nn.Identity()
        self.behind = nn.Linear(6, 7)
        self.frames, self.channels_last = frames, channels_last

    def forward(self, clip):
        T = clip.shape[2]
        x = clip.transpose(1, 2).flatten(0, 1) if self.frames else clip
        x = self.stage(self.stem(x).movedim(1, -1))  # (N, ..., C)
        if not self.channels_last:
            x = self.out(x.movedim(-1, 1)).movedim(1, -1)
        else:
            x = self.out(x)
        x = self.behind(x.relu()).flatten(1, -2).mean(1)
        return x.unflatten(0, (-1, T)).mean(1) if self.frames else x


def build(*, frames, channels_last, **settings):
    torch.manual_seed(0)
    trunk = Layouts(frames=frames, channels_last=channels_last)
    model = plug(trunk, at="out", num_classes=5, example=torch.zeros(1, *CLIPS[1:]), **settings)
    nn.init.normal_(model.heads.localization.output.weight, std=1 / model.gain)
    return model.eval()


@pytest.mark.parametrize(
    ("frames", "glimpse", "theta_per", "transform"),
    cover_pairs(
        [True, False],
        ["tail", "pooled", "in_line"],
        ["clip", "step"],
        ["attention", "affine", "tps"],
    ),
)
def test_the_layout_of_a_stage_changes_no_prediction(frames, glimpse, theta_per, transform):
    settings = {
        "heads": 1 if glimpse == "in_line" else 2, "glimpse": glimpse, "theta_per": theta_per,
        "transform": transform,
    }  # fmt: skip
    last = build(frames=frames, channels_last=True, **settings)
    first = build(frames=frames, channels_last=False, **settings)
    assert last.channels_last
    assert not first.channels_last
    clips = torch.rand(CLIPS)
    found, expected = last(clips), first(clips)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(found.focus[0].theta, expected.focus[0].theta)
    assert found.focus[0].cells == expected.focus[0].cells
    assert found.focus[0].cells.size_thw == (4, 8, 12)


@pytest.mark.parametrize("frames", [True, False])
def test_the_rest_behind_a_stage_with_channels_last_takes_its_maps(frames):
    model = build(frames=frames, channels_last=True, heads=2)
    clips = torch.rand(CLIPS)
    rest = model.behind("out", clips[:1])
    with torch.no_grad():
        found, expected = rest(model.stage_features(clips, "out")), model(clips)
        torch.testing.assert_close(found.logits, expected.logits)
        trunk = trunk_behind(model.trunk, "stage", clips[:1])
        torch.testing.assert_close(
            trunk(model.stage_features(clips, "stage")), model.trunk(clips)
        )  # fmt: skip


def test_the_rest_of_a_video_swin_transformer_takes_its_maps():
    trunk, clips = swin3d().eval(), torch.rand(2, 3, 4, 32, 32)
    with torch.no_grad():
        rest = trunk_behind(trunk, "features.1", clips[:1])
        torch.testing.assert_close(rest(features_at(trunk, "features.1", clips)), trunk(clips))


def swin3d():
    return SwinTransformer3d(
        patch_size=[2, 4, 4], embed_dim=24, depths=[2, 2], num_heads=[2, 2], window_size=[2, 4, 4],
        num_classes=9,
    )  # fmt: skip


def test_a_video_swin_transformer_is_laid_out():
    trunk, example = swin3d(), torch.zeros(1, 3, 4, 64, 96)
    for at, shape in {
        "patch_embed": (24, 2, 16, 24),
        "features.0": (24, 2, 16, 24),
        "features.0.1": (24, 2, 16, 24),
        "features.1": (48, 2, 8, 12),
        "norm": (48, 2, 8, 12),
    }.items():
        features, channels_last = stage_map(trunk, at, example)
        assert features.shape == (1, *shape)
        assert channels_last
    model = plug(trunk, at="features.1", num_classes=5, example=example)
    assert model.classifier.in_features == 5 * 48
    assert model.heads.channels == 48
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # its cells are traced
        (focus,) = model(torch.rand(2, 3, 4, 64, 96)).focus
    assert focus.cells.size_thw == (2, 8, 12)
    assert focus.cells.first_thw == pytest.approx((0.5, 3.5, 3.5))
    assert focus.cells.step_thw == pytest.approx((2, 8, 8))


@pytest.mark.filterwarnings("ignore:.*torch.meshgrid:UserWarning")
def test_an_image_swin_transformer_of_timm_is_laid_out():
    image = timm.create_model(
        "swin_tiny_patch4_window7_224", features_only=True, img_size=64, window_size=4,
        embed_dim=24, depths=(1, 1), num_heads=(2, 2), out_indices=(0, 1),
    )  # fmt: skip
    trunk = FrameWise(image, TemporalMean(48), channels_last=True)
    example = torch.zeros(1, 3, 2, 64, 64)
    features, channels_last = stage_map(trunk, "image.layers_1", example)
    assert features.shape == (1, 48, 2, 8, 8)
    assert channels_last
    model = plug(trunk, at="image.layers_0", num_classes=5, example=example)
    (focus,) = model(torch.rand(2, 3, 2, 64, 64)).focus
    assert model.classifier.in_features == 5 * 48
    assert focus.cells.step_thw == pytest.approx((1, 4, 4))


@pytest.mark.parametrize("channels_last", [True, False])
def test_equal_height_width_and_channels_are_told_apart_by_another_size(channels_last):
    torch.manual_seed(0)
    trunk = Layouts(frames=True, channels_last=channels_last)
    example = torch.zeros(1, 3, 2, 24, 24)  # 6 channels, 6 rows, 6 columns
    assert stage_map(trunk, "out", example)[1] is channels_last


class FixedSize(Layouts):
    def forward(self, clip):
        assert clip.shape[-2:] == (24, 24)
        return super().forward(clip)


def test_a_layout_that_cannot_be_found_out_is_asked_for():
    trunk, example = FixedSize(frames=True, channels_last=True), torch.zeros(1, 3, 2, 24, 24)
    with pytest.raises(
        InputError, match=r"second axis or the last cannot be found out. Tell by ch"
    ):
        plug(trunk, at="out", num_classes=5, example=example)
    model = plug(trunk, at="out", num_classes=5, example=example, channels_last=True)
    assert model.channels_last
    assert model.heads.channels == 6


def test_a_convolution_behind_linear_layers_has_its_channels_first():
    image = timm.create_model("test_convnext", features_only=True)
    trunk = FrameWise(image, TemporalMean(64))
    for at in ("image.stages_1", "image.stages_2.blocks.0", "image.stem_0"):
        features, channels_last = stage_map(trunk, at, torch.zeros(1, 3, 2, 64, 96))
        assert not channels_last
        assert features.shape[-1] * 2 == features.shape[-2] * 3


class Tokens(nn.Module):
    """Patches as tokens; the attention of two heads keeps them in rows."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv3d(3, 8, (1, 4, 4), (1, 4, 4))
        self.mixed = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(4)

    def forward(self, clip):
        x = self.mixed(self.patches(clip).flatten(2).transpose(1, 2))  # (B, L, C)
        x = self.norm(x.unflatten(-1, (2, 4)).transpose(1, 2).unsqueeze(2))  # (B, 2, 1, L, 4)
        return x.mean((1, 2, 3))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("mixed", r"returns \(1, 128, 8\), .*those are tokens without rows and columns"),
        ("norm", r"'norm' returns \(1, 2, 1, 128, 4\) for clips .* no map of the clip"),
    ],
)
def test_tokens_are_refused(at, message):
    example = torch.zeros(1, 3, 2, 32, 32)
    with pytest.raises(InputError, match=message):
        plug(Tokens(), at=at, num_classes=5, example=example)
    assert features_at(Tokens(), "patches", example).shape == (1, 8, 2, 8, 8)


class Squeezing(nn.Module):
    """Forgets the batch of a single clip, at the stage or at the end."""

    def __init__(self, *, early):
        super().__init__()
        self.stage = nn.Conv3d(3, 6, 3, padding=1)
        self.out = nn.Identity()
        self.early = early

    def forward(self, clip):
        x = self.out(self.stage(clip).squeeze(0 if self.early else 2))
        return x.mean((-3, -2, -1)).squeeze()


@pytest.mark.parametrize("heads", [0, 2])
def test_a_trunk_that_squeezes_a_batch_of_one_is_told_so(heads):
    example = torch.zeros(1, 3, 2, 16, 16)
    with pytest.raises(
        InputError, match=r"got \(6,\) for one clip and \(2, 6\) for two. .*squeeze"
    ):
        plug(Squeezing(early=False), at="out", heads=heads, num_classes=5, example=example)
    two = torch.zeros(2, 3, 2, 16, 16)
    model = plug(
        Squeezing(early=False), at="out", heads=heads, num_classes=5, example=two, glimpse="pooled"
    )
    assert model(torch.rand(3, 3, 2, 16, 16)).logits.shape == (3, 5)
    with pytest.raises(InputError, match=r"features \(1, D\) for 1 clips.*got \(6,\).*squeeze"):
        model(torch.rand(1, 3, 2, 16, 16))


def test_a_stage_that_squeezes_a_batch_of_one_is_told_so():
    with pytest.raises(InputError, match=r"\(6, 2, 16, 16\) for one clip, but \(2, 6.*squeeze"):
        plug(Squeezing(early=True), at="out", num_classes=5, example=torch.zeros(1, 3, 2, 16, 16))
