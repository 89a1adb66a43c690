"""Heads on the networks of the installed libraries, small and without weights."""

import warnings
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import PackedTrunk
from stn_action.models.backbones.fitted_pool import FittedAvgPool3d
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.plug import plug
from stn_action.models.temporal import TemporalMean
from tests.pairs import cover_pairs

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
}  # fmt: skip
"""Builder, a stage, and the number of features that the network ends in."""

SMALL = ["torchvision swin3d", "pytorchvideo slow_r50", "pytorchvideo x3d_xs"]
GLIMPSES = ["tail", "pooled", "in_line"]


def check(trunk, at, width, glimpse, clips, *, traced=True):
    """Plug heads in, and check features, windows, cells and gradients."""
    heads = 1 if glimpse == "in_line" else 2
    model = plug(
        trunk, at=at, heads=heads, num_classes=5, glimpse=glimpse, example=clips[:1], gain=1.0
    )
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
    clips = torch.rand(2, 3, 16 if "fast" in name else 8, 64, 80)
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mvit_v1_b", "mvit_v2_s"])
def test_tokens_of_video_transformers_are_refused(name):
    trunk, clip = torchvision_video(name)(), torch.zeros(1, 3, 16, 224, 224)
    for at in ("blocks.3", "blocks.3.attn.pool_q.norm_act"):
        with pytest.raises(InputError, match=r"stage|tokens|no map of the clip"):
            plug(trunk, at=at, num_classes=5, example=clip)
