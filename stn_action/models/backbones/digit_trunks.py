"""The networks of the spatial transformer paper for distorted digits.

Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.4: two fully connected layers (FCN), or two
convolutions, each followed by a maximum over 2 x 2 pixels (CNN), and a classifier; a spatial
transformer, if any, stands before the first layer, at the stage `input`. Behind it the images of
RTS and TC are averaged over 2 x 2 pixels (the names with `_half`).

`loc` is the localization network of the ST-CNN as a classifier, to give it pretrained layers.

MNIST addition (appendix A.5) has two digits in two channels; behind two parallel transformers
their outputs stand side by side, which makes four (the names with `sum2`).

The paper gives the CNN 32 to 64 filters and all networks about 400 thousand parameters; with 32
and 64 filters of its sizes they are 105 to 200 thousand, which is what is built here. The FCN's
width is chosen for 400 thousand. The second convolution of `cnn_42_half` is padded, as its map is
smaller than its kernel.
"""

import math
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import BackboneSpec
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.models.plain_localization import convolutional_localization

NUM_CLASSES = 10
"""Of the classifier that is replaced; the width of the fully connected layers counts on it."""
FCN_PARAMETERS = 400_000
FILTERS = 32, 64
KERNELS = 9, 7
SIZES = {"28": (28, 28), "42": (42, 42), "60": (60, 60), "42_half": (42, 21), "60_half": (60, 30)}
"""Height and width of the images, and of what the first layer sees."""
CHANNELS = {"": (1, 1), "sum": (2, 2), "sum2": (2, 4)}
"""Channels of the images, and of what the first layer sees."""


class DigitTrunk(nn.Module):
    """Images of one frame to class scores; stages: `input` and `layers`.

    Args:
        layers: maps (B, C', h, w) to scores.
        pool: side of the squares of pixels that are averaged behind `input`.
        channels: of the images, and C'; if fewer arrive from `input`, they are repeated, which is
            what transformers at the identity do.
    """

    def __init__(self, layers: nn.Module, pool: int, channels: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.channels = channels
        self.input = nn.Identity()
        self.pool = nn.AvgPool2d(pool)
        self.layers = layers

    def forward(self, clip: Tensor) -> Tensor:
        """Compute (B, 10) from (B, 3, 1, H, W), of which the first one or two channels are used.

        Raises:
            ValueError: there is more than one frame.
        """
        if clip.shape[2] != 1:
            raise ValueError(f"digits are images: clips must have 1 frame, got {clip.shape[2]}")
        given, wanted = self.channels
        x = self.input(clip[:, :given]).squeeze(2)  # (B, C, H, W)
        return self.layers(self.pool(x.repeat(1, wanted // x.shape[1], 1, 1)))


def digit_spec(model: str) -> BackboneSpec:
    """Return the row of a digit network.

    Args:
        model: `<kind>_<size>` or `<channels>_<kind>_<size>`: fcn, cnn or loc, a key of `SIZES`, and
            a key of `CHANNELS`.

    Raises:
        InputError: there is no such network; lists them.
    """
    first, _, rest = model.partition("_")
    channels = first if first in CHANNELS else ""
    kind, _, size = (rest if channels else model).partition("_")
    if kind not in _LAYERS or size not in SIZES:
        known = ", ".join(f"digits/{kind}_{size}" for kind in _LAYERS for size in SIZES)
        raise InputError(
            f"model.backbone: there is no digits/{model}; expected one of {known}, or with sum_ or "
            "sum2_ before the kind, as in digits/sum_cnn_42"
        )
    side = SIZES[size][0]
    return BackboneSpec(
        name=f"digits/{model}", builder=partial(_build, kind, size, CHANNELS[channels]),
        mean=(0.0,) * 3, std=(255.0,) * 3, num_frames=1, stride=1, size_hw=(side, side),
        stages=("input",),
    )  # fmt: skip


def _build(
    kind: str, size: str, channels: tuple[int, int], weights: str | None, temporal: Temporal
) -> DigitTrunk:
    side, seen = SIZES[size]
    trunk = DigitTrunk(_LAYERS[kind](channels[1], seen), side // seen, channels)
    if weights is not None:
        load_weights(trunk, weights)
    return trunk


def _fully_connected(channels: int, side: int) -> nn.Sequential:
    inputs = channels * side * side
    # inputs * width + width^2 + width * classes = parameters, biases aside
    slope = inputs + NUM_CLASSES
    width = round((math.sqrt(slope * slope + 4 * FCN_PARAMETERS) - slope) / 2)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, NUM_CLASSES),
    )  # fmt: skip


def _convolutional(channels: int, side: int) -> nn.Sequential:
    first, second = KERNELS
    mid = (side - first + 1) // 2
    padding = 0 if mid >= second else second // 2 - 1
    last = (mid + 2 * padding - second + 1) // 2
    return nn.Sequential(
        nn.Conv2d(channels, FILTERS[0], first), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(FILTERS[0], FILTERS[1], second, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(FILTERS[1] * last * last, NUM_CLASSES),
    )  # fmt: skip


def _localization_layers(channels: int, side: int) -> nn.Sequential:
    return convolutional_localization(channels, (side, side), NUM_CLASSES, at_zero=False).layers


_LAYERS: dict[str, Callable[[int, int], nn.Module]] = {
    "fcn": _fully_connected,
    "cnn": _convolutional,
    "loc": _localization_layers,
}
