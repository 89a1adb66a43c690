"""Heads on the networks of the installed libraries, small and without weights."""

import warnings
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import PackedTrunk
from stn_action.models.backbones.backbone_table import BACKBONES, build_backbone
from stn_action.models.backbones.fitted_pool import FittedAvgPool3d
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.huggingface_trunks import build_token_trunk
from stn_action.models.map_layout import StageLayout
from stn_action.models.plug import plug
from stn_action.models.receptive_field import trace_cells
from stn_action.models.stage_maps import stage_map
from stn_action.models.temporal import TemporalMean
from tests.pairs import cover_pairs
from tests.token_models import MIDDLE_LAYERS, TOKEN_MODELS

NUM_CLASSES = 11
"""Of the networks' own classifiers; no stage is as wide."""


def torchvision_video(name):
    def build():
        from torchvision.models import video

        return getattr(video, name)(num_classes=NUM_CLASSES)

    return build


def s3d():
    trunk = torchvision_video("s3d")()
    trunk.avgpool = nn.AvgPool3d(1)  # its own needs 224 x 224
    return trunk


def swin3d():
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    return SwinTransformer3d(
        patch_size=[2, 4, 4], embed_dim=24, depths=[1, 2], num_heads=[2, 2], window_size=[2, 4, 4],
        num_classes=NUM_CLASSES,
    )  # fmt: skip


def pytorchvideo(name, **settings):
    """A network of the hub, a quarter as wide or less; its head pools what there is."""

    def build():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of fvcore
            from pytorchvideo.models import hub
        trunk = getattr(hub, name)(pretrained=False, model_num_class=NUM_CLASSES, **settings)
        for module in trunk.modules():
            if isinstance(getattr(module, "pool", None), nn.AvgPool3d):
                pool = module.pool
                module.pool = FittedAvgPool3d(pool.kernel_size, pool.stride, pool.padding)
        return trunk

    return build


def efficient_x3d():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from pytorchvideo.models.accelerator.mobile_cpu.efficient_x3d import create_x3d
    return create_x3d(num_classes=NUM_CLASSES, expansion="XS")


def slowfast():
    trunk = pytorchvideo("slowfast_r50")()
    for pathway in range(2):
        trunk.blocks[-2].pool[pathway] = nn.AdaptiveAvgPool3d(1)
    return PackedTrunk(trunk, lambda clip: [clip[:, :, ::4], clip.clone()])


def mvit(*, second_version):
    """MViT of three blocks whose second one pools the grid; class token first."""

    def build():
        from torchvision.models.video.mvit import MSBlockConfig, MViT

        three, ones, pooled = [3, 3, 3], [1, 1, 1], [1, 2, 2]
        if second_version:
            sizes = [(8, 8, three, ones), (8, 16, three, pooled), (16, 16, three, ones)]
        else:
            sizes = [(8, 16, [], []), (16, 16, three, pooled), (16, 24, [], [])]
        blocks = [
            MSBlockConfig(2, inputs, outputs, kernel, three, stride, [1, 4, 4])
            for inputs, outputs, kernel, stride in sizes
        ]
        return MViT(
            (64, 64), 8, blocks, residual_pool=second_version, residual_with_cls_embed=False,
            rel_pos_embed=second_version, proj_after_attn=second_version, num_classes=NUM_CLASSES,
        )  # fmt: skip

    return build


def pytorchvideo_mvit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from pytorchvideo.models.vision_transformers import create_multiscale_vision_transformers
    return create_multiscale_vision_transformers(
        spatial_size=64, temporal_size=8, depth=3, patch_embed_dim=8, num_heads=1,
        embed_dim_mul=[[1, 2.0]], atten_head_mul=[[1, 2.0]], pool_q_stride_size=[[1, 1, 2, 2]],
        pool_kv_stride_adaptive=[1, 4, 4], pool_kvq_kernel=[3, 3, 3], head_num_classes=NUM_CLASSES,
    )  # fmt: skip


def huggingface(family):
    """A video transformer of three layers for clips of 8 frames of 64 x 64."""

    def build():
        changes = {"image_size": 64, "num_frames": 8, "num_labels": NUM_CLASSES}
        if family == "vjepa2":
            changes = {"crop_size": 64, "frames_per_clip": 8}
        return build_token_trunk(family, TOKEN_MODELS[family] | changes)

    return build


NARROW = {"stem_dim_out": 8}
VIDEO = {
    "torchvision r3d_18": (torchvision_video("r3d_18"), "layer2", 512),
    "torchvision mc3_18": (torchvision_video("mc3_18"), "layer3", 512),
    "torchvision r2plus1d_18": (torchvision_video("r2plus1d_18"), "layer3.0", 512),
    "torchvision s3d": (s3d, "features.12", 1024),
    "torchvision swin3d": (swin3d, "features.0", 48),
    "pytorchvideo slow_r50": (pytorchvideo("slow_r50", **NARROW), "blocks.2", 256),
    "pytorchvideo c2d_r50": (pytorchvideo("c2d_r50", **NARROW), "blocks.3", 256),
    "pytorchvideo i3d_r50": (pytorchvideo("i3d_r50", **NARROW), "blocks.3.res_blocks.1", 256),
    "pytorchvideo csn_r101": (pytorchvideo("csn_r101", **NARROW), "blocks.1", 256),
    "pytorchvideo r2plus1d_r50": (pytorchvideo("r2plus1d_r50", **NARROW), "blocks.3", 256),
    "pytorchvideo x3d_xs": (pytorchvideo("x3d_xs", inner_act=nn.SiLU), "blocks.3", 2048),
    "pytorchvideo efficient_x3d": (efficient_x3d, "s3", 2048),
    "pytorchvideo slowfast_r50": (
        slowfast, "network.blocks.3.multipathway_blocks.0", 2048 + 256
    ),
    "torchvision mvit v1": (mvit(second_version=False), "blocks.1", 24),
    "torchvision mvit v2": (mvit(second_version=True), "blocks.0", 16),
    "pytorchvideo mvit": (pytorchvideo_mvit, "blocks.1", 16),
    **{f"hf {name}": (huggingface(name), at, 16) for name, at in MIDDLE_LAYERS.items()},
}  # fmt: skip
"""Builder, a stage, and the number of features that the network ends in."""

SMALL = [
    "torchvision swin3d",
    "torchvision mvit v1",
    "torchvision mvit v2",
    "pytorchvideo mvit",
    "pytorchvideo slow_r50",
    "pytorchvideo x3d_xs",
]
GLIMPSES = ["tail", "pooled", "in_line"]


def check(trunk, at, width, glimpse, clips, *, traced=True, output=None):
    """Plug heads in, and check features, windows, cells and gradients.

    The trunk's number of features, `width`, is not compared if it is None.
    """
    heads = 1 if glimpse == "in_line" else 2
    model = plug(
        trunk, at=at, heads=heads, num_classes=5, glimpse=glimpse, example=clips[:1], gain=1.0,
        output=output,
    )  # fmt: skip
    width = model.branch_classifiers[0].in_features if width is None else width
    nn.init.normal_(model.heads.localization.output.weight, std=0.1)
    glimpse_width = {"tail": width, "pooled": model.heads.channels, "in_line": 0}[glimpse]
    assert model.classifier.in_features == width + heads * glimpse_width  # never NUM_CLASSES
    with nullcontext() if traced else pytest.warns(UserWarning, match="could not be traced"):
        prediction = model.eval()(clips)
    (focus,) = prediction.focus
    assert focus.theta.shape == (len(clips), heads, 1, 2, 3)
    for axis in range(1, 3):  # rows and columns: cells lie on the clip, and cover most of it
        first, step = focus.cells.first_thw[axis], focus.cells.step_thw[axis]
        last = first + step * (focus.cells.size_thw[axis] - 1)
        assert -step <= first < step
        assert clips.shape[2 + axis] - 2 * step <= last < clips.shape[2 + axis] + step
    prediction.branch_logits.square().sum().backward()
    for parameter in model.localization_parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()


def some_slow(rows, small):
    """Rows, name first, of which those of small networks are in the default suite."""
    return [pytest.param(*row, marks=[] if row[0] in small else pytest.mark.slow) for row in rows]


# pytorchvideo's Swish reads its saved tensors by an outdated name
@pytest.mark.filterwarnings("ignore:'saved_variables' is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "glimpse"), some_slow(cover_pairs(list(VIDEO), GLIMPSES), SMALL)
)  # fmt: skip
def test_heads_on_video_networks(name, glimpse):
    build, at, width = VIDEO[name]
    square = "mvit" in name or name.startswith("hf ")
    clips = torch.rand(2, 3, 16 if "fast" in name else 8, 64, 64 if square else 80)
    if "fast" in name and glimpse == "tail":
        with pytest.raises(InputError, match=r"one of several paths .* glimpse='pooled'"):
            check(build().eval(), at, width, glimpse, clips)
    else:
        check(build().eval(), at, width, glimpse, clips)


IMAGE = {
    "test_resnet": ("image.layer2", 96),
    "test_convnext": ("image.stages_1", 64),
    "test_efficientnet": ("image.blocks.2", 64),
    "test_byobnet": ("image.stages_1", 256),
    "test_nfnet": ("image.stages_0", 192),
    "test_mambaout": ("image.stages_1", 64),
    "resnet10t": ("image.layer3", 512),
    "mobilenetv4_conv_small_035": ("image.blocks.1", 336),
    "regnetx_002": ("image.s2", 368),
    "hgnetv2_b0": ("image.stages_2.blocks", 1024),
    "ghostnet_050": ("image.blocks_3", 80),
    "repvit_m0_9": ("image.stages_1.blocks", 384),
    "lcnet_035": ("image.blocks.2", 176),
    "densenet121": ("image.features_transition1", 1024),
    "poolformer_s12": ("image.stages_1.blocks", 512),
    "inception_next_atto": ("image.stages_1.blocks", 320),
    "dla46_c": ("image.level2.root", 256),
    "tiny_vit_5m_224": ("image.stages_1.blocks", 320),
    "fasternet_t0": ("image.stages_1", 320),
    "swin_tiny_patch4_window7_224": ("image.layers_1", 768),
    "swinv2_tiny_window8_256": ("image.layers_1", 768),
}
"""timm's model, a stage, and the number of features of its last map."""
SMALL_IMAGE = [name for name in IMAGE if name.startswith("test_")]
UNTRACED = {"test_mambaout", "fasternet_t0", "hgnetv2_b0"}
"""Cells that are drawn as if they divided the clip evenly: a warning says so."""


@pytest.mark.filterwarnings("ignore:.*torch.meshgrid:UserWarning")
@pytest.mark.parametrize(
    ("name", "glimpse"), some_slow(cover_pairs(list(IMAGE), GLIMPSES), SMALL_IMAGE)
)
def test_heads_on_image_networks(name, glimpse):
    import timm

    at, width = IMAGE[name]
    settings = {"img_size": 64, "window_size": 4} if name.startswith("swin") else {}
    image = timm.create_model(name, features_only=True, **settings)
    last = getattr(image, "output_fmt", "NCHW") == "NHWC"
    trunk = FrameWise(image, TemporalMean(width), channels_last=last).eval()
    check(trunk, at, width, glimpse, torch.rand(2, 3, 2, 64, 64), traced=name not in UNTRACED)


@pytest.mark.parametrize(
    "name", ["torchvision mvit v1", "torchvision mvit v2", "pytorchvideo mvit"]
)
def test_every_stage_of_a_grid_of_tokens_has_its_cells(name):
    trunk = VIDEO[name][0]().eval()
    example, stages = torch.zeros(1, 3, 8, 64, 64), {}
    with torch.no_grad():
        for at in ("blocks.0", "blocks.1", "blocks.2"):
            features, layout = stage_map(trunk, at, example)
            assert layout == StageLayout(grid=tuple(features.shape[2:]), num_leading=1, output=0)
            cells = trace_cells(trunk, at, (8, 64, 64), tuple(features.shape[2:]), layout=layout)
            stages[at] = cells.first_thw, cells.step_thw
    assert stages == {
        "blocks.0": ((0, 0, 0), (2, 4, 4)),
        "blocks.1": ((0, 0, 0), (2, 8, 8)),
        "blocks.2": ((0, 0, 0), (2, 8, 8)),
    }


@pytest.mark.parametrize("glimpse", ["tail", "in_line"])
def test_glimpses_beside_a_class_token_that_is_read_at_once_are_refused(glimpse):
    trunk, example = mvit(second_version=False)().eval(), torch.zeros(1, 3, 8, 64, 64)
    for at in ("blocks.2", "norm"):
        with pytest.raises(InputError, match=f"{glimpse}' behind '{at}' changes nothing.*earlier"):
            plug(trunk, at=at, heads=1, num_classes=5, glimpse=glimpse, example=example)
    pooled = plug(trunk, at="norm", heads=1, num_classes=5, glimpse="pooled", example=example)
    assert pooled.classifier.in_features == 2 * 24


@pytest.mark.slow
def test_what_attention_returns_is_refused():
    trunk, clip = mvit(second_version=True)(), torch.zeros(1, 3, 8, 64, 64)
    with pytest.raises(InputError, match=r"stage|tokens|no map of the clip"):
        plug(trunk, at="blocks.1.attn.pool_q.norm_act", num_classes=5, example=clip)


SLOWFAST = [(f"network.blocks.{block}", output) for block in (1, 3) for output in (0, 1)]


@pytest.mark.parametrize(
    ("at", "output", "glimpse"),
    some_slow(cover_pairs(SLOWFAST, GLIMPSES), []),
)
def test_heads_on_a_pathway_of_slowfast(at, output, glimpse):
    clips = torch.rand(2, 3, 16, 64, 80)
    trunk = slowfast().eval()
    check(trunk, at, 2048 + 256, glimpse, clips, output=output)


@pytest.mark.slow
@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_heads_on_both_pathways_of_slowfast(glimpse):
    clips = torch.rand(2, 3, 16, 64, 80)
    at = ["network.blocks.3"] * 2
    model = plug(
        slowfast(), at=at, output=[1, 0], heads=2, num_classes=5, glimpse=glimpse, example=clips[:1]
    )
    found = model(clips)
    assert [focus.stage for focus in found.focus] == ["network.blocks.3[0]", "network.blocks.3[1]"]
    assert [focus.cells.size_thw[0] for focus in found.focus] == [4, 16]
    found.logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.localization_parameters())


ROWS = {
    name: (spec, spec.stages[len(spec.stages) // 2])
    for name, spec in BACKBONES.items()
    if not spec.fixed_clip
}
"""A stage in the middle of each; those of fixed clips are as large as they are, see below."""
FIXED = [name for name, spec in BACKBONES.items() if spec.fixed_clip and not name.startswith("hf/")]
"""Those of Hugging Face are too large for every run; see `huggingface`."""
SMALL_ROWS = ["small3d"]


@pytest.mark.parametrize(
    ("name", "glimpse"),
    [
        pytest.param(name, glimpse, marks=[] if name in SMALL_ROWS else [pytest.mark.slow])
        for name in ROWS
        for glimpse in ("tail", "pooled")
    ],
)
def test_heads_on_every_row_of_the_table(name, glimpse):
    spec, at = ROWS[name]
    trunk = build_backbone(name).trunk.eval()
    output = 0 if spec.outputs else None
    clips = torch.rand(2, 3, 16 if name != "pytorchvideo/x3d_xs" else 4, 64, 64)
    check(trunk, at, None, glimpse, clips, output=output)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "glimpse"), cover_pairs(FIXED, ["tail", "pooled"]))
def test_heads_on_every_row_of_a_fixed_clip(name, glimpse):
    spec = BACKBONES[name]
    clips = torch.rand(1, 3, spec.num_frames, *spec.size_hw)
    check(build_backbone(name).trunk.eval(), spec.stages[-2], 768, glimpse, clips)
