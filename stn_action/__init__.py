"""Spatial transformer heads that learn where to look in loose person crops."""

from stn_action.errors import InputError
from stn_action.geometry.sampling import pooled, sample
from stn_action.geometry.transforms import Affine, Attention, Translation
from stn_action.models.focus import Cells, Focus, FocusHeads, SpatialTransformer
from stn_action.models.localization import LocalizationNetwork
from stn_action.models.network import FocusedNetwork, Prediction
from stn_action.models.plug import plug

__all__ = [
    "Affine",
    "Attention",
    "Cells",
    "Focus",
    "FocusHeads",
    "FocusedNetwork",
    "InputError",
    "LocalizationNetwork",
    "Prediction",
    "SpatialTransformer",
    "Translation",
    "plug",
    "pooled",
    "sample",
]
