"""Spatial transformer heads that learn where to look in loose person crops."""

from typing import TYPE_CHECKING, Any

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
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.glimpse_network import GlimpseNetwork
from stn_action.models.heads import FocusHeads
from stn_action.models.localization import LocalizationNetwork
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.models.prediction import Focus, Prediction
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.training.gradient_guard import GradientGuard

if TYPE_CHECKING:
    from stn_action.predictor import Predictor

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
    "transform_points",
]


def __getattr__(name: str) -> Any:
    """Import what needs decoders and configurations when it is first used."""
    if name == "Predictor":
        from stn_action.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
