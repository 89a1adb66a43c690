"""Image networks of timm, on every frame."""

from functools import partial
from typing import Any

import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.models.backbones.backbone_spec import BackboneSpec
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.models.temporal import build_temporal
from stn_action.weights import short_reason


def timm_spec(model: str) -> BackboneSpec:
    """Return the row of a timm model.

    Raises:
        InputError: timm has no such model; names similar ones.
    """
    timm = _library(model)
    if not timm.is_model(model):
        near = ", ".join(timm.list_models(f"*{model.split('_')[0]}*")[:8])
        raise InputError(f"model.backbone: timm has no model {model!r}; near: {near or 'none'}")
    config = timm.get_pretrained_cfg(model)
    mean = config.mean if config else (0.485, 0.456, 0.406)
    std = config.std if config else (0.229, 0.224, 0.225)
    size = config.input_size if config else (3, 224, 224)
    return BackboneSpec(
        name=f"timm/{model}", builder=partial(_build, model), published=("imagenet",),
        mean=tuple(255 * m for m in mean), std=tuple(255 * s for s in std),
        num_frames=1, stride=1, size_hw=(size[1], size[2]), frame_wise=True,
    )  # fmt: skip


def _build(model: str, weights: str | None, temporal: Temporal) -> nn.Module:
    timm = _library(model)
    try:
        image = timm.create_model(model, features_only=True)
    except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
        raise InputError(f"model.backbone: timm/{model} has no feature stages: {error}") from None
    if weights == "imagenet":
        image = _pretrained(model)
    elif weights is not None:
        load_weights(image, weights, optional=_behind_features(model, image))
    info: Any = image.feature_info
    channels_last = getattr(image, "output_fmt", "NCHW") == "NHWC"
    described = build_temporal(temporal, info.channels()[-1])
    return FrameWise(image, described, channels_last=channels_last)


def _pretrained(model: str) -> nn.Module:
    timm = _library(model)
    try:
        return timm.create_model(model, features_only=True, pretrained=True)
    except Exception as error:  # noqa: BLE001  (hub, network and timm errors of many kinds)
        raise InputError(
            f"model.weights=imagenet: the weights of timm/{model} could not be downloaded "
            f"({short_reason(error)}). Get them on a machine with a network, and set "
            "model.weights to the file"
        ) from None


def _behind_features(model: str, image: nn.Module) -> set[str]:
    """Return the names of the tensors that the model has beyond its feature stages."""
    timm = _library(model)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        complete = timm.create_model(model)
    return set(complete.state_dict()) - set(image.state_dict())


def _library(model: str) -> Any:
    with needs_extra(f"model.backbone timm/{model}"):
        import timm

    return timm
