"""The networks of the spatial transformer paper for distorted digits.

Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.4: two fully connected layers (FCN), or two
convolutions, each followed by a maximum over 2 x 2 pixels (CNN), and a classifier; a spatial
transformer, if any, stands before the first layer, at the stage `input`. Behind it the images of
RTS and TC are averaged over 2 x 2 pixels (the names with `_half`).

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

NUM_CLASSES = 10
FCN_PARAMETERS = 400_000
FILTERS = 32, 64
KERNELS = 9, 7
SIZES = {"28": (28, 28), "42": (42, 42), "60": (60, 60), "42_half": (42, 21), "60_half": (60, 30)}
"""Height and width of the images, and of what the first layer sees."""


class DigitTrunk(nn.Module):
    """Images of one frame to class scores; stages: `input` and `layers`.

    Args:
        layers: maps (B, 1, h, w) to scores.
        pool: side of the squares of pixels that are averaged behind `input`.
    """

    def __init__(self, layers: nn.Module, pool: int) -> None:
        super().__init__()
        self.input = nn.Identity()
        self.pool = nn.AvgPool2d(pool)
        self.layers = layers

    def forward(self, clip: Tensor) -> Tensor:
        """Compute (B, 10) from (B, 3, 1, H, W), of which the first channel is used.

        Raises:
            ValueError: there is more than one frame.
        """
        if clip.shape[2] != 1:
            raise ValueError(f"digits are images: clips must have 1 frame, got {clip.shape[2]}")
        return self.layers(self.pool(self.input(clip[:, :1]).squeeze(2)))


def digit_spec(model: str) -> BackboneSpec:
    """Return the row of a digit network.

    Args:
        model: `fcn_<size>` or `cnn_<size>`, size being a key of `SIZES`.

    Raises:
        InputError: there is no such network; lists them.
    """
    kind, _, size = model.partition("_")
    if kind not in _LAYERS or size not in SIZES:
        known = ", ".join(f"digits/{kind}_{size}" for kind in _LAYERS for size in SIZES)
        raise InputError(f"model.backbone: there is no digits/{model}; expected one of {known}")
    side = SIZES[size][0]
    return BackboneSpec(
        name=f"digits/{model}", builder=partial(_build, kind, size), mean=(0.0,) * 3,
        std=(255.0,) * 3, num_frames=1, stride=1, size_hw=(side, side), stages=("input",),
    )  # fmt: skip


def _build(kind: str, size: str, weights: str | None, temporal: Temporal) -> DigitTrunk:
    side, seen = SIZES[size]
    trunk = DigitTrunk(_LAYERS[kind](seen), side // seen)
    if weights is not None:
        load_weights(trunk, weights)
    return trunk


def _fully_connected(side: int) -> nn.Sequential:
    inputs = side * side
    # inputs * width + width^2 + width * classes = parameters, biases aside
    slope = inputs + NUM_CLASSES
    width = round((math.sqrt(slope * slope + 4 * FCN_PARAMETERS) - slope) / 2)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, NUM_CLASSES),
    )  # fmt: skip


def _convolutional(side: int) -> nn.Sequential:
    first, second = KERNELS
    mid = (side - first + 1) // 2
    padding = 0 if mid >= second else second // 2 - 1
    last = (mid + 2 * padding - second + 1) // 2
    return nn.Sequential(
        nn.Conv2d(1, FILTERS[0], first), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(FILTERS[0], FILTERS[1], second, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(FILTERS[1] * last * last, NUM_CLASSES),
    )  # fmt: skip


_LAYERS: dict[str, Callable[[int], nn.Module]] = {"fcn": _fully_connected, "cnn": _convolutional}
