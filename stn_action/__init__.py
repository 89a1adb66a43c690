"""Spatial transformer heads that learn where to look in loose person crops."""

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import sample_clips
from stn_action.geometry.family import Transform
from stn_action.geometry.sampling import pooled, sample
from stn_action.geometry.spatial_transformer import spatial_transformer
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
from stn_action.models.fine_grained import GlimpseNetwork
from stn_action.models.focus import Cells, Focus, FocusHeads
from stn_action.models.in_line import SpatialTransformer
from stn_action.models.localization import LocalizationNetwork
from stn_action.models.looking import RandomWindows
from stn_action.models.network import FocusedNetwork, Prediction
from stn_action.models.plug import plug

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
    "InputError",
    "LocalizationNetwork",
    "Prediction",
    "Projective",
    "RandomWindows",
    "Similarity",
    "SpatialTransformer",
    "ThinPlateSpline",
    "Transform",
    "Translation",
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
    "theta_from_boxes",
    "transform_points",
]
