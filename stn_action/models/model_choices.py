"""The choices of models by name. This file imports `typing` alone."""

from typing import Literal, get_args

Glimpse = Literal["tail", "pooled", "in_line", "zoom"]
"""How glimpses are used; see `plug`."""

WindowGradient = Literal["pixels", "map"]
"""What windows of glimpse "zoom" learn from; see `ZoomNetwork`."""

ThetaPer = Literal["clip", "step"]
"""How many windows a head has: one per clip, or one per time step of the map."""

ReadoutName = Literal["windows", "attention", "saliency", "foreground", "max", "mean"]
"""How a stage's map becomes descriptions; see `models.readouts`."""

InputPer = Literal[ThetaPer, "volume"]
"""What one input of a localization network covers; `volume`: of a volumetric transform."""

LocalizationName = Literal["grid", "heatmap", "dense", "convolutional", "svhn", "trunk"]
"""Localization networks; see the `localization` files of `models`."""

LocalizationPadding = Literal["zeros", "replicate"]
"""Values beyond the map in a localization network's convolutions."""

Start = Literal["tiles", "foreground"]
"""Where the windows start: on a tiling of the map, or of the person's box."""

Temporal = Literal["mean", "difference", "convolution", "transformer"]
"""How descriptions of frames become one of the clip; see `models.temporal`."""

PublishedWeights = Literal["kinetics400", "imagenet", "pretrained"]
"""Weights that a trunk's library downloads; `pretrained`: what a repository of Hugging Face holds,
of V-JEPA 2 the encoder as it was trained without labels."""

WINDOW_GRADIENTS: tuple[WindowGradient, ...] = get_args(WindowGradient)
GLIMPSES: tuple[Glimpse, ...] = get_args(Glimpse)
LOCALIZATIONS: tuple[LocalizationName, ...] = get_args(LocalizationName)
LOCALIZATION_PADDINGS: tuple[LocalizationPadding, ...] = get_args(LocalizationPadding)
STARTS: tuple[Start, ...] = get_args(Start)
READOUTS: tuple[ReadoutName, ...] = get_args(ReadoutName)
TEMPORALS: tuple[Temporal, ...] = get_args(Temporal)
PUBLISHED_WEIGHTS: tuple[PublishedWeights, ...] = get_args(PublishedWeights)

BACKBONES_BY_NAME = (
    "torchvision/r3d_18", "torchvision/mc3_18", "torchvision/r2plus1d_18", "torchvision/s3d",
    "torchvision/mvit_v1_b", "torchvision/mvit_v2_s",
    "torchvision/swin3d_t", "torchvision/swin3d_s", "torchvision/swin3d_b",
    "pytorchvideo/x3d_xs", "pytorchvideo/x3d_s", "pytorchvideo/x3d_m", "pytorchvideo/x3d_l",
    "pytorchvideo/slow_r50", "pytorchvideo/c2d_r50", "pytorchvideo/i3d_r50",
    "pytorchvideo/csn_r101", "pytorchvideo/r2plus1d_r50", "pytorchvideo/slowfast_r50",
    "pytorchvideo/slowfast_r101", "pytorchvideo/slowfast_16x8_r101_50_50",
    "pytorchvideo/mvit_base_16x4", "pytorchvideo/mvit_base_32x3",
    "hf/videomae_small", "hf/videomae_base", "hf/videomae_large", "hf/vivit_b_16x2",
    "hf/timesformer_base", "hf/timesformer_hr", "hf/vjepa2_vitl", "hf/vjepa2_vith",
    "hf/vjepa2_vitg", "hf/vjepa2_vitg_384", "small3d",
)  # fmt: skip
"""Trunks with a row of their own in `backbone_table`."""

BACKBONE_LIBRARIES = ("timm", "digits", "svhn", "hf")
"""Libraries of which any model is a trunk, as `timm/<model>`; `digits` and `svhn` have the networks
of the spatial transformer paper, `hf` those of a repository of Hugging Face or of a folder."""


PYTHON = "python:"
"""Begins the name of a network of the user's own: `python:<module>:<function>`."""


def backbone_choices() -> str:
    """Return the names of all trunks for a message."""
    *named, last = BACKBONES_BY_NAME
    models = [f"{name}/<model>" for name in BACKBONE_LIBRARIES]
    return ", ".join([*named, *models, f"{PYTHON}<module>:<function>"]) + f" or {last}"


def is_backbone_name(name: str) -> bool:
    """Return whether a name is valid for a trunk; whether the library has it is not checked."""
    if name.startswith(PYTHON):
        module, colon, function = name.removeprefix(PYTHON).rpartition(":")
        return bool(module.strip() and colon and function.isidentifier())
    library, _, model = name.partition("/")
    return name in BACKBONES_BY_NAME or (library in BACKBONE_LIBRARIES and bool(model.strip()))
