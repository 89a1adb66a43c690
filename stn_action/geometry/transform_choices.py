"""The choices of geometry by name. This file imports `typing` alone."""

from typing import Literal, get_args

TransformName = Literal[
    "translation", "attention", "anisotropic", "similarity",
    "affine", "projective", "tps", "volumetric",
]  # fmt: skip
"""Families of transforms; see `geometry.transforms`."""

TrainableSampler = Literal["auto", "grid", "separable", "area"]
"""Samplers with a gradient for theta; see `geometry.sampling`."""

Sampler = Literal[TrainableSampler, "nearest"]
"""All samplers."""

Padding = Literal["zeros", "border"]
"""Values beyond the map."""

AXIS_ALIGNED: tuple[TransformName, ...] = ("translation", "attention", "anisotropic")
"""Families without rotation or shear."""

TRANSFORM_NAMES: tuple[TransformName, ...] = get_args(TransformName)
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
PADDINGS: tuple[Padding, ...] = get_args(Padding)
