"""All trunks by name. A new one is a row here, a new library a file beside this one."""

import difflib
from collections.abc import Callable

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import (
    IMAGENET,
    Backbone,
    BackboneSpec,
    PackedTrunk,
)
from stn_action.models.backbones.digit_trunks import digit_spec
from stn_action.models.backbones.huggingface_trunks import huggingface_spec, huggingface_specs
from stn_action.models.backbones.pytorchvideo_trunks import pytorchvideo_specs
from stn_action.models.backbones.small3d import build_small3d
from stn_action.models.backbones.svhn_trunks import svhn_spec
from stn_action.models.backbones.temporal_shift import add_temporal_shift
from stn_action.models.backbones.timm_trunks import timm_spec
from stn_action.models.backbones.torchvision_trunks import torchvision_specs
from stn_action.models.backbones.user_trunk import user_trunk_spec
from stn_action.models.model_choices import (
    PUBLISHED_WEIGHTS,
    PYTHON,
    Temporal,
    backbone_choices,
    is_backbone_name,
)

BACKBONES: dict[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        *torchvision_specs(),
        *pytorchvideo_specs(),
        *huggingface_specs(),
        BackboneSpec(
            name="small3d", builder=build_small3d, mean=IMAGENET[0], std=IMAGENET[1],
            num_frames=8, stride=3, size_hw=(96, 96),
            stages=("stem", "stage1", "stage2", "stage3"),
        ),
    )
}  # fmt: skip
"""Trunks with a row of their own."""

LIBRARIES: dict[str, Callable[[str], BackboneSpec]] = {
    "timm": timm_spec,
    "digits": digit_spec,
    "svhn": svhn_spec,
    "hf": huggingface_spec,
}
"""Libraries of which any model is a trunk, as library/model: model name to row."""


def backbone_spec(name: str) -> BackboneSpec:
    """Return the row of a trunk.

    Args:
        name: one of `BACKBONES`, or "timm/<model>" (any model with feature stages), or
            "hf/<owner>/<model>" or "hf/<folder>" (a video transformer of Hugging Face), or
            "python:<module>:<function>" (the user's own).

    Raises:
        InputError: there is no such trunk; lists them.
    """
    if name.startswith(PYTHON) and is_backbone_name(name):
        return user_trunk_spec(name)
    library, _, model = name.partition("/")
    if name in BACKBONES:
        return BACKBONES[name]
    if library in LIBRARIES and model:
        return LIBRARIES[library](model)
    near = _near_names(name)
    hint = f"; near: {', '.join(near)}" if near else ""
    raise InputError(f"model.backbone must be one of {backbone_choices()}, got {name!r}{hint}")


def _near_names(name: str) -> list[str]:
    """Return trunks that are called nearly so, with their library or without."""
    models = {known.rpartition("/")[2]: known for known in BACKBONES}
    alike = difflib.get_close_matches(name.rpartition("/")[2], models, n=3, cutoff=0.5)
    return [models[model] for model in alike]


def build_backbone(
    name: str, *, weights: str | None = None, temporal: Temporal = "mean", temporal_shift: int = 0
) -> Backbone:
    """Build a trunk.

    Args:
        name: as `backbone_spec` takes it.
        weights: None, a file (state dict in .pt, .pth or .safetensors), or the name of a set that
            the trunk's library downloads: "kinetics400", "imagenet" or "pretrained".
        temporal: how a frame-wise trunk joins its frames, see `models.temporal`.
        temporal_shift: of a frame-wise trunk, see `add_temporal_shift`; 0: none.

    Raises:
        InputError: unknown name or weights, weights that cannot be read or do not fit, or a shift
            of a trunk that has no place for it.
    """
    spec = backbone_spec(name)
    if weights in PUBLISHED_WEIGHTS and weights not in spec.published:
        known = "".join(f"{published}, " for published in spec.published)
        raise InputError(
            f"model.weights: {name} has no published weights {weights!r}; expected {known}a file "
            "or none"
        )
    trunk = spec.builder(weights, temporal)
    if temporal_shift:
        add_temporal_shift(trunk, temporal_shift, name)
    return Backbone(trunk if spec.pack is None else PackedTrunk(trunk, spec.pack), spec)
