import warnings

import pytest
import timm
import torch
from torch import nn
from torchvision.models.video.swin_transformer import SwinTransformer3d

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.map_layout import StageLayout
from stn_action.models.plug import plug
from stn_action.models.stage_maps import features_at, stage_map
from stn_action.models.temporal import TemporalMean
from stn_action.models.trunk_split import trunk_behind
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
    assert last.placement.layout.channels_last
    assert not first.placement.layout.channels_last
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
        features, layout = stage_map(trunk, at, example)
        assert features.shape == (1, *shape)
        assert layout == StageLayout(channels_last=True)
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
    features, layout = stage_map(trunk, "image.layers_1", example)
    assert features.shape == (1, 48, 2, 8, 8)
    assert layout.channels_last
    model = plug(trunk, at="image.layers_0", num_classes=5, example=example)
    (focus,) = model(torch.rand(2, 3, 2, 64, 64)).focus
    assert model.classifier.in_features == 5 * 48
    assert focus.cells.step_thw == pytest.approx((1, 4, 4))


@pytest.mark.parametrize("channels_last", [True, False])
def test_equal_height_width_and_channels_are_told_apart_by_another_size(channels_last):
    torch.manual_seed(0)
    trunk = Layouts(frames=True, channels_last=channels_last)
    example = torch.zeros(1, 3, 2, 24, 24)  # 6 channels, 6 rows, 6 columns
    assert stage_map(trunk, "out", example)[1].channels_last is channels_last


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
    assert model.placement.layout.channels_last
    assert model.heads.channels == 6


def test_a_convolution_behind_linear_layers_has_its_channels_first():
    image = timm.create_model("test_convnext", features_only=True)
    trunk = FrameWise(image, TemporalMean(64))
    for at in ("image.stages_1", "image.stages_2.blocks.0", "image.stem_0"):
        features, layout = stage_map(trunk, at, torch.zeros(1, 3, 2, 64, 96))
        assert not layout.channels_last
        assert features.shape[-1] * 2 == features.shape[-2] * 3


class Tokens(nn.Module):
    """A transformer of patches, frame by frame or all at once, with a few tokens before them.

    Every token becomes the sum of itself and of all others' mean.
    """

    def __init__(self, *, frames=False, num_leading=1, shape=None):
        super().__init__()
        convolution, kernel = (nn.Conv2d, (4, 4)) if frames else (nn.Conv3d, (1, 4, 4))
        self.patches = convolution(3, 8, kernel, kernel)
        self.leading = nn.Parameter(torch.rand(num_leading, 8))
        self.mixed = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.LayerNorm(4)
        self.frames, self.shape = frames, shape

    def forward(self, clip):
        x = clip.transpose(1, 2).flatten(0, 1) if self.frames else clip
        x = self.patches(x).flatten(2).transpose(1, 2)  # (N, L, C)
        x = self.mixed(torch.cat([self.leading.expand(len(x), -1, -1), x], 1))
        x = self.norm(x + x.mean(1, keepdim=True))
        self.attention(x.unflatten(-1, (2, 4)).transpose(1, 2).unsqueeze(2))  # (N, 2, 1, L, 4)
        x = x.relu().mean(1)
        return x.unflatten(0, (-1, clip.shape[2])).mean(1) if self.frames else x


@pytest.mark.parametrize(
    ("frames", "num_leading", "glimpse"),
    cover_pairs([False, True], [0, 1, 5], ["tail", "pooled", "in_line"]),
)
def test_heads_look_at_tokens_that_are_made_of_a_map(frames, num_leading, glimpse):
    torch.manual_seed(0)
    trunk, clips = Tokens(frames=frames, num_leading=num_leading).eval(), torch.rand(CLIPS)
    features, layout = stage_map(trunk, "mixed", clips)
    grid = (8, 12) if frames else (4, 8, 12)
    assert layout == StageLayout(grid=grid, num_leading=num_leading)
    maps = trunk.patches(clips.transpose(1, 2).flatten(0, 1) if frames else clips)
    maps = trunk.mixed(maps.movedim(1, -1))  # (N, ..., C)
    maps = maps.unflatten(0, (2, 4)) if frames else maps
    torch.testing.assert_close(features, maps.movedim(-1, 1))
    heads = 1 if glimpse == "in_line" else 2
    example = torch.zeros(1, *CLIPS[1:])
    model = plug(
        trunk, at="mixed", heads=heads, num_classes=5, example=example, glimpse=glimpse
    ).eval()
    full = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).expand(2, heads, 1, 2, 3)
    prediction = model(clips, theta=[full])
    if glimpse == "tail":  # a full window shows what the trunk sees; class tokens stay beside it
        plain = trunk(clips)
        pairs = zip(model.branch_classifiers, prediction.branch_logits.unbind(1), strict=True)
        for classifier, logits in pairs:
            torch.testing.assert_close(logits, classifier(plain))
    if glimpse == "in_line":
        torch.testing.assert_close(prediction.logits, model.classifier(trunk(clips)))
    if glimpse == "pooled":
        torch.testing.assert_close(
            prediction.branch_logits[:, 1], model.branch_classifiers[1](features.mean((2, 3, 4)))
        )
    model.train()(clips).logits.square().sum().backward()
    assert trunk.get_parameter("patches.weight").grad.any()


def test_tokens_without_a_map_before_them_need_their_grid():
    class Given(nn.Module):
        def __init__(self):
            super().__init__()
            self.mixed, self.behind = nn.Linear(3, 6), nn.Linear(6, 4)

        def forward(self, clip):  # of every fourth pixel
            x = self.mixed(clip[..., ::4, ::4].flatten(2).transpose(1, 2))
            return self.behind(x.relu()).mean(1)

    example = torch.zeros(1, *CLIPS[1:])
    message = (
        r"returns \(1, 384, 6\), not a map .*rows and columns are not known.*by grid=\(T, H, W"
    )
    with pytest.raises(InputError, match=message):
        plug(Given(), at="mixed", num_classes=5, example=example)
    with pytest.raises(InputError, match=r"384 tokens, fewer than the 392 of the grid \(8, 7, 7\)"):
        plug(Given(), at="mixed", num_classes=5, example=example, grid=(8, 7, 7))
    model = plug(Given(), at="mixed", num_classes=5, example=example, grid=(4, 8, 12))
    assert model(torch.rand(CLIPS)).logits.shape == (2, 5)
    with pytest.raises(InputError, match=r"768 tokens .*expected 384 of a grid \(4, 8, 12\)"):
        model(torch.rand(2, 3, 4, 64, 48))


def test_what_has_no_rows_of_the_clip_is_refused():
    example = torch.zeros(1, 3, 2, 32, 32)
    message = r"'attention' returns \(1, 2, 1, 129, 4\) for clips .* no map of the clip"
    with pytest.raises(InputError, match=message):
        plug(Tokens(), at="attention", num_classes=5, example=example)
    assert features_at(Tokens(), "patches", example).shape == (1, 8, 2, 8, 8)


def test_tokens_cannot_be_stored_as_maps():
    with pytest.raises(InputError, match=r"cannot be split behind 'mixed': .*class token.*cache"):
        trunk_behind(Tokens(), "mixed", torch.zeros(1, *CLIPS[1:]))


class Pathways(nn.Module):
    """Two maps of one clip side by side, the second of more frames; overwrites what it is given."""

    class Step(nn.Module):
        def __init__(self, width, container):
            super().__init__()
            self.slow, self.fast = nn.Conv3d(width, 6, 1), nn.Conv3d(width, 4, 1)
            self.container = container

        def forward(self, maps):
            slow, fast, *others = maps
            return self.container([self.slow(slow), self.fast(fast), *others])

    def __init__(self, container=list):
        super().__init__()
        self.first = self.Step(3, container)
        self.second = nn.Linear(6 + 4, 7)

    def forward(self, clip):
        x = self.first([clip[:, :, ::2, ::4, ::4], clip[..., ::4, ::4], (2, 8, 12)])
        slow, fast = x[0].mean((2, 3, 4)), x[1].amax((2, 3, 4))
        return self.second(torch.cat([slow, fast], 1).relu())


@pytest.mark.parametrize(("output", "glimpse", "container"), cover_pairs(
    [0, 1], ["tail", "pooled", "in_line"], [list, tuple]
))  # fmt: skip
def test_heads_look_at_one_of_several_maps(output, glimpse, container):
    torch.manual_seed(0)
    trunk, clips = Pathways(container).eval(), torch.rand(CLIPS)
    heads = 1 if glimpse == "in_line" else 2
    model = plug(
        trunk, at="first", output=output, heads=heads, num_classes=5, glimpse=glimpse,
        example=torch.zeros(1, *CLIPS[1:]),
    ).eval()  # fmt: skip
    assert model.placement.layout == StageLayout(output=output)
    assert model.heads.channels == (4 if output else 6)
    small = torch.tensor([[0.5, 0, 0], [0, 0.5, 0]]).expand(2, heads, 1, 2, 3)
    prediction = model(clips, theta=[small])
    assert prediction.focus[0].cells.size_thw == (4 if output else 2, 8, 12)
    if glimpse == "tail":  # the glimpse of one map beside the other, as it is
        slow, fast, _ = trunk.first([clips[:, :, ::2, ::4, ::4], clips[..., ::4, ::4], None])
        (glimpses,) = model.heads.glimpses(fast if output else slow, small[:, :1], (8, 12)).unbind(
            1
        )
        slow, fast = (slow, glimpses) if output else (glimpses, fast)
        seen = torch.cat([slow.mean((2, 3, 4)), fast.amax((2, 3, 4))], 1).relu()
        torch.testing.assert_close(
            prediction.branch_logits[:, 1], model.branch_classifiers[1](seen)
        )
    model.train()(clips).logits.square().sum().backward()
    assert trunk.get_parameter("first.fast.weight").grad.any()


def test_the_layer_that_made_a_map_decides_before_the_widths_of_others():
    class Fused(Pathways.Step):
        def forward(self, maps):
            slow, fast = self.slow(maps[0]), self.fast(maps[1])
            self.fusion(fast)  # as many channels as the fast map has columns
            return [slow, fast]

    trunk = Pathways()
    trunk.first = Fused(3, list)
    trunk.first.fusion = nn.Conv3d(4, 12, 1, (2, 1, 1))
    example = torch.zeros(1, *CLIPS[1:])
    features, layout = stage_map(trunk, "first", example, output=1)
    assert features.shape == (1, 4, 4, 8, 12)
    assert not layout.channels_last


def test_the_map_must_be_named_where_a_stage_returns_several():
    example = torch.zeros(1, *CLIPS[1:])
    message = (
        r"'first' returns a list of \(1, 6, 2, 8, 12\), \(1, 4, 4, 8, 12\), \(2, 8, 12\){}: name "
        r"the map by output=0 or output=1 \(model.focus.output"
    )
    with pytest.raises(InputError, match=message.format("")):
        plug(Pathways(), at="first", num_classes=5, example=example)
    with pytest.raises(InputError, match=message.format(", got output=2")):
        plug(Pathways(), at="first", output=2, num_classes=5, example=example)
    with pytest.raises(InputError, match=r"\(1, 4, 4, 8, 12\): it has no outputs to ch.*output=0"):
        plug(Pathways(), at="first.fast", output=0, num_classes=5, example=example)


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
