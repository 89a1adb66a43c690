"""Video networks of pytorchvideo."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.models.backbones.backbone_spec import MIDDLE, BackboneSpec
from stn_action.models.backbones.fitted_pool import fit_pooling
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.weights import download_state_dict

ALPHA = 4
"""Frames of SlowFast's fast pathway for one of the slow one."""


@dataclass(frozen=True)
class _HubModel:
    """A model of `pytorchvideo.models.hub` and the clips that its weights were trained on."""

    file: str
    """Module of the hub that has the model."""
    num_frames: int
    stride: int
    side: int = 224
    """Height and width of the clips, pixels."""
    stages: tuple[str, ...] = ("blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4")
    classifier: str = "blocks.5.proj."
    """Prefix of the classifier's tensors."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the library's constructor."""
    fixed_clip: bool = False
    pack: Callable[[Tensor], list[Tensor]] | None = None


def pack_pathways(clip: Tensor) -> list[Tensor]:
    """Return the slow and the fast pathway of clips (B, 3, T, H, W).

    The fast one has all frames, the slow one every `ALPHA`th on average, the first and the last
    among them, as in the library's tutorial and in the training of the published weights.

    Raises:
        InputError: T is no multiple of `ALPHA`.
    """
    T = clip.shape[2]
    if T % ALPHA:
        raise InputError(
            f"SlowFast's slow pathway sees one of {ALPHA} frames: clips must have a multiple of "
            f"{ALPHA} frames, got {T} (data.clip.num_frames in a configuration)"
        )
    chosen = torch.linspace(0, T - 1, T // ALPHA, device=clip.device).long()
    return [clip.index_select(2, chosen), clip]


# the library's Swish is SiLU, with an outdated backward pass
_X3D = partial(_HubModel, "x3d", options={"inner_act": nn.SiLU})
_POOLED = partial(  # blocks.2 is a pooling layer
    _HubModel, "resnet", classifier="blocks.6.proj.",
    stages=("blocks.0", "blocks.1", "blocks.3", "blocks.4", "blocks.5"),
)  # fmt: skip
_SLOWFAST = partial(
    _HubModel, "slowfast", classifier="blocks.6.proj.", pack=pack_pathways,
    stages=tuple(f"network.blocks.{number}" for number in range(5)),
)  # fmt: skip
_MVIT = partial(
    _HubModel, "vision_transformers", classifier="head.proj.", fixed_clip=True,
    stages=("blocks.0", "blocks.2", "blocks.13", "blocks.15"),
)  # fmt: skip
_MODELS = {
    "x3d_xs": _X3D(4, 12, 160),
    "x3d_s": _X3D(13, 6, 160),
    "x3d_m": _X3D(16, 5),
    "x3d_l": _X3D(16, 5, 312),
    "slow_r50": _HubModel("resnet", 8, 8),
    "c2d_r50": _POOLED(8, 8),
    "i3d_r50": _POOLED(8, 8),
    "csn_r101": _HubModel("csn", 32, 2),
    "r2plus1d_r50": _HubModel("r2plus1d", 16, 4),
    "slowfast_r50": _SLOWFAST(32, 2),
    "slowfast_r101": _SLOWFAST(32, 2),
    "slowfast_16x8_r101_50_50": _SLOWFAST(64, 2),
    "mvit_base_16x4": _MVIT(16, 4),
    "mvit_base_32x3": _MVIT(32, 3),
}
"""Clips of SlowFast as the fast pathway has them: 8x8 means 8 slow frames of 32 at stride 2."""


def pytorchvideo_specs() -> list[BackboneSpec]:
    """Return the rows of pytorchvideo's networks."""
    return [
        BackboneSpec(
            name=f"pytorchvideo/{name}", builder=partial(_build, name),
            published=("kinetics400",), mean=MIDDLE[0], std=MIDDLE[1],
            num_frames=model.num_frames, stride=model.stride, size_hw=(model.side, model.side),
            stages=model.stages, classifier=model.classifier, pack=model.pack,
            fixed_clip=model.fixed_clip,
            outputs=() if model.pack is None else ("slow", "fast"),
        )
        for name, model in _MODELS.items()
    ]  # fmt: skip


def _build(name: str, weights: str | None, temporal: Temporal) -> nn.Module:
    model = _MODELS[name]
    with warnings.catch_warnings():  # fvcore, which it imports, uses torch.jit.script
        warnings.simplefilter("ignore", FutureWarning)
        with needs_extra(f"model.backbone pytorchvideo/{name}"):
            from pytorchvideo.models import hub
    library = getattr(hub, model.file)
    # no softmax and no dropout: a new classifier follows
    trunk = getattr(library, name)(head_activation=None, **model.options)
    for module in trunk.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    fit_pooling(trunk)
    if weights == "kinetics400":
        url = library.checkpoint_paths[name]
        setting, otherwise = "model.weights=kinetics400", "set model.weights to a file or to none"
        trunk.load_state_dict(download_state_dict(url, setting, otherwise))
    elif weights is not None:
        load_weights(trunk, weights, optional=(model.classifier,))
    return trunk
