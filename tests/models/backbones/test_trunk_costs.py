"""Parameters and multiplications of the rows against what was published.

The published figures hold for one view in testing, of the length and size given here. torchvision
counts S3D and Swin3D on 16 frames, though their weights were trained on 128 and 32; pytorchvideo
counts on crops of 256 pixels, X3D-XS and S on 182, X3D-L on 356. Most of its figures, not those of
slow_r50 and slowfast_r50, count five operations more for each value that is normalized, as fvcore
did for normalization in training: that is 8 % of an X3D.
"""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from stn_action.models.backbones.backbone_table import BACKBONES
from tests.meta_trunks import meta_trunk

PUBLISHED = {
    "torchvision/r3d_18": (16, 112, 40.697, 33.371),
    "torchvision/mc3_18": (16, 112, 43.343, 11.695),
    "torchvision/r2plus1d_18": (16, 112, 40.519, 31.505),
    "torchvision/s3d": (16, 224, 17.979, 8.320),
    "torchvision/mvit_v1_b": (16, 224, 70.599, 36.611),
    "torchvision/mvit_v2_s": (16, 224, 64.224, 34.538),
    "torchvision/swin3d_t": (16, 224, 43.882, 28.158),
    "torchvision/swin3d_s": (16, 224, 82.841, 49.817),
    "torchvision/swin3d_b": (16, 224, 140.667, 88.049),
    "pytorchvideo/x3d_xs": (4, 182, 0.91, 3.79),
    "pytorchvideo/x3d_s": (13, 182, 2.96, 3.79),
    "pytorchvideo/x3d_m": (16, 256, 6.72, 3.79),
    "pytorchvideo/x3d_l": (16, 356, 26.64, 6.15),
    "pytorchvideo/slow_r50": (8, 256, 54.52, 32.45),
    "pytorchvideo/c2d_r50": (8, 256, 25.89, 24.33),
    "pytorchvideo/i3d_r50": (8, 256, 37.53, 28.04),
    "pytorchvideo/csn_r101": (32, 256, 75.62, 22.21),
    "pytorchvideo/r2plus1d_r50": (16, 256, 76.45, 28.11),
    "pytorchvideo/slowfast_r50": (32, 256, 65.71, 34.57),
    "pytorchvideo/slowfast_r101": (32, 256, 127.20, 62.83),
    "pytorchvideo/slowfast_16x8_r101_50_50": (64, 256, 215.61, 53.77),
    "pytorchvideo/mvit_base_16x4": (16, 224, 70.80, 36.61),
    "pytorchvideo/mvit_base_32x3": (32, 224, 170.37, 36.61),
    "hf/videomae_small": (16, 224, 57, 22),
    "hf/videomae_base": (16, 224, 180, 87),
    "hf/videomae_large": (16, 224, 597, 305),
    "hf/vivit_b_16x2": (32, 224, 455.2, 88.9),
    "hf/timesformer_base": (8, 224, 196, 121.4),
    "hf/timesformer_hr": (16, 448, 1703, 121.4),
}
"""Frames, side, billions of multiplications with an addition each, and millions of parameters."""
WITH_NORMALIZATION = {
    name for name in PUBLISHED if name.startswith("pytorchvideo/")
} - {"pytorchvideo/slow_r50", "pytorchvideo/slowfast_r50"}  # fmt: skip
SMALL = {"pytorchvideo/x3d_xs", "pytorchvideo/slowfast_r50", "hf/timesformer_base"}
ENCODERS = {
    "hf/vjepa2_vitl": 300, "hf/vjepa2_vith": 600, "hf/vjepa2_vitg": 1000, "hf/vjepa2_vitg_384": 1000
}  # fmt: skip
"""Of V-JEPA 2 rounded millions of parameters are published alone."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in SMALL else [pytest.mark.slow]) for n in PUBLISHED]
)
def test_a_row_costs_what_was_published(name):
    frames, side, gmacs, parameters = PUBLISHED[name]
    trunk = meta_trunk(BACKBONES[name])
    normalized = []
    for module in trunk.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm):
            module.register_forward_hook(
                lambda _, inputs, output: normalized.append(output.numel())
            )
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        trunk(torch.zeros(1, 3, frames, side, side, device="meta"))
    found = counter.get_total_flops() / 2
    found += 5 * sum(normalized) if name in WITH_NORMALIZATION else 0
    assert found / 1e9 == pytest.approx(gmacs, rel=0.01)
    count = sum(parameter.numel() for parameter in trunk.parameters())
    assert count / 1e6 == pytest.approx(parameters, rel=0.01)


def test_every_row_that_has_published_weights_has_its_cost():
    published = {name for name, spec in BACKBONES.items() if spec.published}
    assert set(PUBLISHED) | set(ENCODERS) == published


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_as_large_as_published(name):
    trunk = meta_trunk(BACKBONES[name])
    count = sum(parameter.numel() for parameter in trunk.parameters())
    assert count / 1e6 == pytest.approx(ENCODERS[name], rel=0.06)
