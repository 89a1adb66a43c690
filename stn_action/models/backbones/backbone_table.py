"""Trunks by name, with their weights and the pixel statistics these were made for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.model_choices import Temporal
from stn_action.models.temporal import build_temporal
from stn_action.weights import downloaded, read_state_dict, short_reason

IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
KINETICS = (110.2008, 100.63983, 95.99475), (58.14765, 56.46975, 55.332195)


@dataclass(frozen=True)
class Backbone:
    """A trunk and what its input has to look like."""

    trunk: nn.Module
    """Clips (B, 3, T, H, W), normalised, to scores or features (B, D)."""

    mean: tuple[float, ...]
    """Of the red, green and blue pixel values, in [0, 255]."""

    std: tuple[float, ...]
    """Likewise."""


def build_backbone(
    name: str, *, weights: str | None = None, temporal: Temporal = "mean"
) -> Backbone:
    """Build a trunk.

    Args:
        name: "torchvision/NAME" (r3d_18, mc3_18, r2plus1d_18), "timm/NAME" (any model with
            feature stages, run on every frame) or "small3d".
        weights: None, a file (state dict in .pt, .pth or .safetensors), "kinetics400"
            (torchvision) or "imagenet" (timm), which are downloaded by those libraries.
        temporal: how a frame-wise trunk joins its frames: "mean" or "difference".

    Raises:
        InputError: unknown name or weights, or weights that cannot be had or do not fit.
    """
    match name.split("/", 1):
        case ["torchvision", model] if model in TORCHVISION:
            return _torchvision(model, weights)
        case ["timm", model]:
            return _timm(model, weights, temporal)
        case ["small3d"]:
            trunk = Small3d()
            if weights is not None:
                load_weights(trunk, weights)
            return Backbone(trunk, *IMAGENET)
    raise InputError(
        f"model.backbone must be one of {', '.join(f'torchvision/{m}' for m in TORCHVISION)}, "
        f"timm/<model> or small3d, got {name!r}"
    )


TORCHVISION = {
    "r3d_18": "R3D_18_Weights",
    "mc3_18": "MC3_18_Weights",
    "r2plus1d_18": "R2Plus1D_18_Weights",
}


class Small3d(nn.Module):
    """A small 3-D convolutional trunk for demonstrations and tests: 0.2 M parameters.

    It sees the differences between neighbouring frames only: from a few hundred clips a network
    learns what moves, but not what the world looks like. Stages: stem, stage1 (stride 2 in space),
    stage2 (stride 2 in time and space), stage3.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 64, 64)) -> None:
        super().__init__()
        self.motion = FrameDifference()
        self.stem = _convolution(3, widths[0], (1, 5, 5), (1, 2, 2))
        self.stage1 = _convolution(widths[0], widths[1], (3, 3, 3), (1, 2, 2))
        self.stage2 = _convolution(widths[1], widths[2], (3, 3, 3), (2, 2, 2))
        self.stage3 = _convolution(widths[2], widths[3], (3, 3, 3), (1, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, widths[-1])."""
        x = self.stem(self.motion(clip))
        x = self.stage3(self.stage2(self.stage1(x)))
        return x.mean((2, 3, 4))


class FrameDifference(nn.Module):
    """The change from each frame to the next; of the last frame, that of the one before it."""

    def forward(self, clip: Tensor) -> Tensor:
        """(B, C, T, H, W) to the same shape; zeros for a single frame."""
        if clip.shape[2] == 1:
            return torch.zeros_like(clip)
        change = clip.diff(dim=2)
        return 2 * torch.cat([change, change[:, :, -1:]], dim=2)


class FrameWise(nn.Module):
    """An image network on every frame, the frames' features joined over time.

    Args:
        image: images (N, 3, H, W) to maps (N, channels, h, w), or a list of maps, the last of
            which counts.
        channels: of that map.
        temporal: (N, T, channels) to (N, out_channels).
    """

    def __init__(self, image: nn.Module, temporal: nn.Module) -> None:
        super().__init__()
        self.image = image
        self.temporal = temporal

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W), or the (B, C, T, H, W) of a stage if cut there, to (B, out_channels)."""
        T = clip.shape[2]
        maps = self.image(clip.transpose(1, 2).flatten(0, 1))
        last = maps[-1] if isinstance(maps, list | tuple) else maps
        return self.temporal(last.mean((2, 3)).unflatten(0, (-1, T)))


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load a state dict; what the file has beyond the network (a classifier) is left.

    Raises:
        InputError: no such file, no state dict, or the network's parameters are not all in it.
    """
    state = read_state_dict(path, "model.weights")
    own = network.state_dict()
    wrong = [
        key for key, value in own.items()
        if (key not in state or state[key].shape != value.shape)
        and not key.endswith("num_batches_tracked") and not key.startswith("temporal.")
    ]  # fmt: skip
    if wrong:
        raise InputError(
            f"{path}: the weights do not fit the backbone: {len(wrong)} of {len(own)} tensors are "
            f"missing or of another shape, the first {wrong[0]!r}; expected the state dict of this "
            "very model (timm's or torchvision's names)"
        )
    network.load_state_dict({key: state[key] for key in own if key in state}, strict=False)


def _torchvision(model: str, weights: str | None) -> Backbone:
    from torchvision.models import video

    trunk = getattr(video, model)()
    if weights == "kinetics400":
        chosen = getattr(video, TORCHVISION[model]).KINETICS400_V1
        trunk.load_state_dict(
            downloaded(
                chosen, "model.weights=kinetics400", "set model.weights to a file or to none"
            )
        )
    elif weights is not None:
        trunk.fc = nn.Identity()
        load_weights(trunk, weights)
    return Backbone(trunk, *KINETICS)


def _timm(model: str, weights: str | None, temporal: Temporal) -> Backbone:
    import timm

    if not timm.is_model(model):
        near = ", ".join(timm.list_models(f"*{model.split('_')[0]}*")[:8])
        raise InputError(f"model.backbone: timm has no model {model!r}; near: {near or 'none'}")
    try:
        image = timm.create_model(model, features_only=True)
    except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
        raise InputError(f"model.backbone: timm/{model} has no feature stages: {error}") from None
    if weights == "imagenet":
        image = _timm_pretrained(model)
    elif weights is not None:
        load_weights(image, weights)
    info: Any = image.feature_info
    channels = info.channels()[-1]
    config = timm.get_pretrained_cfg(model)
    mean = config.mean if config else (0.485, 0.456, 0.406)
    std = config.std if config else (0.229, 0.224, 0.225)
    return Backbone(
        FrameWise(image, build_temporal(temporal, channels)),
        tuple(255 * m for m in mean),
        tuple(255 * s for s in std),
    )


def _timm_pretrained(model: str) -> nn.Module:
    import timm

    try:
        return timm.create_model(model, features_only=True, pretrained=True)
    except Exception as error:  # noqa: BLE001  (hub, network and timm errors of many kinds)
        raise InputError(
            f"model.weights=imagenet: the weights of timm/{model} could not be downloaded "
            f"({short_reason(error)}). Get them on a machine with a network, and set "
            "model.weights to the file"
        ) from None


def _convolution(
    in_channels: int, out_channels: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=False),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(inplace=True),
    )
