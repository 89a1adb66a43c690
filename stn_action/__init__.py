"""Spatial transformer heads that learn where to look in loose person crops."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stn_action.extras import needs_extra

__version__ = "0.1.0"

if TYPE_CHECKING:
    from stn_action.errors import InputError
    from stn_action.evaluation.video_prediction import VideoPrediction
    from stn_action.geometry.cells import Cells
    from stn_action.geometry.clip_sampling import sample_clips, spatial_transformer
    from stn_action.geometry.family import Transform
    from stn_action.geometry.sampling import pooled, sample
    from stn_action.geometry.tensorflow_interface import spatial_transformer_network
    from stn_action.geometry.theta import (
        compose,
        enclosing_boxes,
        invert,
        invert_points,
        outline,
        theta_from_boxes,
        transform_points,
    )
    from stn_action.geometry.transforms import TRANSFORMS, build_transform
    from stn_action.geometry.warps import (
        Affine,
        Projective,
        Similarity,
        ThinPlateSpline,
        VolumetricAffine,
    )
    from stn_action.geometry.windows import AnisotropicAttention, Attention, Translation
    from stn_action.models.backbones.token_trunks import token_trunk
    from stn_action.models.glimpse_hook import RandomWindows
    from stn_action.models.glimpse_network import GlimpseNetwork
    from stn_action.models.heads import FocusHeads
    from stn_action.models.localization import LocalizationNetwork
    from stn_action.models.network import FocusedNetwork
    from stn_action.models.plug import plug
    from stn_action.models.prediction import Focus, Prediction
    from stn_action.models.spatial_transformer import SpatialTransformer
    from stn_action.predictor import Predictor
    from stn_action.runs.experiment import TrainResult
    from stn_action.runs.experiment import train_experiment as train
    from stn_action.training.gradient_guard import GradientGuard

__all__ = [
    "TRANSFORMS",
    "Affine",
    "AnisotropicAttention",
    "Attention",
    "Cells",
    "Focus",
    "FocusHeads",
    "FocusedNetwork",
    "GlimpseNetwork",
    "GradientGuard",
    "InputError",
    "LocalizationNetwork",
    "Prediction",
    "Predictor",
    "Projective",
    "RandomWindows",
    "Similarity",
    "SpatialTransformer",
    "ThinPlateSpline",
    "TrainResult",
    "Transform",
    "Translation",
    "VideoPrediction",
    "VolumetricAffine",
    "build_transform",
    "compose",
    "enclosing_boxes",
    "invert",
    "invert_points",
    "outline",
    "plug",
    "pooled",
    "sample",
    "sample_clips",
    "spatial_transformer",
    "spatial_transformer_network",
    "theta_from_boxes",
    "token_trunk",
    "train",
    "transform_points",
]
_PLACES = {
    "errors": ("InputError",),
    "evaluation.video_prediction": ("VideoPrediction",),
    "geometry.cells": ("Cells",),
    "geometry.clip_sampling": ("sample_clips", "spatial_transformer"),
    "geometry.family": ("Transform",),
    "geometry.sampling": ("pooled", "sample"),
    "geometry.tensorflow_interface": ("spatial_transformer_network",),
    "geometry.theta": (
        "compose",
        "enclosing_boxes",
        "invert",
        "invert_points",
        "outline",
        "theta_from_boxes",
        "transform_points",
    ),
    "geometry.transforms": ("TRANSFORMS", "build_transform"),
    "geometry.warps": ("Affine", "Projective", "Similarity", "ThinPlateSpline", "VolumetricAffine"),
    "geometry.windows": ("AnisotropicAttention", "Attention", "Translation"),
    "models.backbones.token_trunks": ("token_trunk",),
    "models.glimpse_hook": ("RandomWindows",),
    "models.glimpse_network": ("GlimpseNetwork",),
    "models.heads": ("FocusHeads",),
    "models.localization": ("LocalizationNetwork",),
    "models.network": ("FocusedNetwork",),
    "models.plug": ("plug",),
    "models.prediction": ("Focus", "Prediction"),
    "models.spatial_transformer": ("SpatialTransformer",),
    "predictor": ("Predictor",),
    "runs.experiment": ("TrainResult", "train_experiment"),
    "training.gradient_guard": ("GradientGuard",),
}
"""Module to the names that it gives: it is imported when one of them is first used, so that
`import stn_action`, and with it every tool's `--help`, does not wait for PyTorch."""
_MODULES = {name: module for module, names in _PLACES.items() for name in names}
_ALIASES = {"train": "train_experiment"}
"""Public names that differ from those inside."""


def __getattr__(name: str) -> Any:
    """Import what is used for the first time."""
    inside = _ALIASES.get(name, name)
    if inside not in _MODULES or name in _ALIASES.values():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_extra(f"{__name__}.{name}"):
        value = getattr(import_module(f"{__name__}.{_MODULES[inside]}"), inside)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted([*globals(), *__all__])
