"""Video networks of pytorchvideo."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.models.backbones.backbone_spec import BackboneSpec
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.weights import download_state_dict

_CLIPS: Mapping[str, tuple[int, int, int]] = {"x3d_s": (13, 6, 160), "slow_r50": (8, 8, 224)}
"""Frames, stride and side of the clips that the published weights were trained on."""


def pytorchvideo_specs() -> list[BackboneSpec]:
    """Return the rows of pytorchvideo's networks."""
    return [
        BackboneSpec(
            name=f"pytorchvideo/{model}", builder=partial(_build, model),
            published=("kinetics400",), mean=(114.75,) * 3, std=(57.375,) * 3,
            num_frames=frames, stride=stride, size_hw=(side, side),
            stages=("blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4"),
        )
        for model, (frames, stride, side) in _CLIPS.items()
    ]  # fmt: skip


class FittedAvgPool3d(nn.AvgPool3d):
    """Average pooling whose kernel is shrunk to maps that are smaller than it.

    The heads of pytorchvideo pool with the kernel of the published clip size: on larger maps they
    average the scores of all positions, on smaller ones they fail.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pool (B, C, T, H, W)."""
        size = self.kernel_size
        sizes = [size] * 3 if isinstance(size, int) else list(size)
        kernel = [min(size, length) for size, length in zip(sizes, input.shape[2:], strict=True)]
        return F.avg_pool3d(input, kernel, self.stride, self.padding)


def _build(model: str, weights: str | None, temporal: Temporal) -> nn.Module:
    network, url = _library()[model]
    trunk = network()
    head = trunk.blocks[-1]
    parent = head if isinstance(head.pool, nn.AvgPool3d) else head.pool
    pool = parent.pool
    parent.pool = FittedAvgPool3d(pool.kernel_size, pool.stride, pool.padding)
    if weights == "kinetics400":
        trunk.load_state_dict(
            download_state_dict(
                url, "model.weights=kinetics400", "set model.weights to a file or to none"
            )
        )
    elif weights is not None:
        head.proj = nn.Identity()
        load_weights(trunk, weights, optional=(f"blocks.{len(trunk.blocks) - 1}.proj.",))
    return trunk


def _library() -> dict[str, tuple[Callable[..., Any], str]]:
    """Return the constructor and the address of the weights of each model."""
    with warnings.catch_warnings():  # fvcore, which it imports, uses torch.jit.script
        warnings.simplefilter("ignore", FutureWarning)
        from pytorchvideo.models.hub import resnet, x3d

    # no dropout and no softmax: a new classifier follows
    bare = {"dropout_rate": 0.0, "head_activation": None}
    # the library's Swish is SiLU, with an outdated backward pass
    x3d_s = partial(x3d.x3d_s, inner_act=nn.SiLU, **bare)
    slow_r50 = partial(resnet.slow_r50, **bare)
    return {
        "x3d_s": (x3d_s, x3d.checkpoint_paths["x3d_s"]),
        "slow_r50": (slow_r50, resnet.checkpoint_paths["slow_r50"]),
    }
