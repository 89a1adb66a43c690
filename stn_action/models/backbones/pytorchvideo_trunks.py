"""Video networks of pytorchvideo."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from stn_action.models.backbones.backbone_spec import MIDDLE, BackboneSpec
from stn_action.models.backbones.fitted_pool import fit_pooling
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.weights import download_state_dict


@dataclass(frozen=True)
class _HubModel:
    """A model of `pytorchvideo.models.hub` and the clips that its weights were trained on."""

    file: str
    """Module of the hub that has the model."""
    num_frames: int
    stride: int
    side: int
    """Height and width of the clips, pixels."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the library's constructor."""


# the library's Swish is SiLU, with an outdated backward pass
_MODELS = {
    "x3d_s": _HubModel("x3d", 13, 6, 160, {"inner_act": nn.SiLU}),
    "slow_r50": _HubModel("resnet", 8, 8, 224),
}


def pytorchvideo_specs() -> list[BackboneSpec]:
    """Return the rows of pytorchvideo's networks."""
    return [
        BackboneSpec(
            name=f"pytorchvideo/{name}", builder=partial(_build, name),
            published=("kinetics400",), mean=MIDDLE[0], std=MIDDLE[1],
            num_frames=model.num_frames, stride=model.stride, size_hw=(model.side, model.side),
            stages=("blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4"),
        )
        for name, model in _MODELS.items()
    ]  # fmt: skip


def _build(name: str, weights: str | None, temporal: Temporal) -> nn.Module:
    model = _MODELS[name]
    with warnings.catch_warnings():  # fvcore, which it imports, uses torch.jit.script
        warnings.simplefilter("ignore", FutureWarning)
        from pytorchvideo.models import hub
    library = getattr(hub, model.file)
    # no dropout and no softmax: a new classifier follows
    trunk = getattr(library, name)(dropout_rate=0.0, head_activation=None, **model.options)
    fit_pooling(trunk)
    if weights == "kinetics400":
        url = library.checkpoint_paths[name]
        setting, otherwise = "model.weights=kinetics400", "set model.weights to a file or to none"
        trunk.load_state_dict(download_state_dict(url, setting, otherwise))
    elif weights is not None:
        load_weights(trunk, weights, optional=(f"blocks.{len(trunk.blocks) - 1}.proj.",))
    return trunk
