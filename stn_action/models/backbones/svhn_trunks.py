"""The networks of the spatial transformer paper for house numbers (SVHN).

Jaderberg et al. 2015 (arXiv 1506.02025), section 4.2 and appendix A.5: eight convolutions of 5 x 5
and three fully connected layers, and a classifier of five digits. ST-CNN Single has one spatial
transformer on the image, at the stage `input`; ST-CNN Multi, `cnn_multi_<size>`, has its own
before each of the first four convolutions, with localization networks of two layers.

The paper does not tell how weights start, and eleven layers without normalization hardly learn from
PyTorch's own start. Here their variance is 2 (1 - p) / inputs: what He et al. 2015 propose (arXiv
1502.01852), less what dropout at rate p adds to the squares of its output.
"""

import math
from functools import partial

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import BackboneSpec
from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal
from stn_action.models.plain_localization import dense_localization
from stn_action.models.spatial_transformer import SpatialTransformer

CONVOLUTIONS = (
    (48, True), (64, False), (128, True), (160, False), (192, True), (192, False), (192, True),
    (192, False),
)  # fmt: skip
"""Filters of 5 x 5, and whether a maximum over 2 x 2 pixels follows."""
WIDTH = 3072
"""Of the fully connected layers."""
NUM_SCORES = 5 * 11
"""Of the classifier that is replaced."""
NUM_TRANSFORMERS = 4
"""Of ST-CNN Multi."""
LOCALIZATION_LAYERS = 2
"""Hidden layers of their localization networks."""
KINDS = {"cnn": 0, "cnn_multi": NUM_TRANSFORMERS}
"""Number of transformers of its own."""
SIDES = ("64", "128")


class SvhnTrunk(nn.Module):
    """Images of one frame to scores of digits; stages: `input` and those of `layers`.

    Args:
        side: of the images, pixels.
        num_transformers: spatial transformers, each before one of the first convolutions.
        dropout: behind all layers but the first convolution and the last before the classifier,
            which a `FocusedNetwork` has its own for.
    """

    def __init__(self, side: int, *, num_transformers: int = 0, dropout: float = 0.5) -> None:
        super().__init__()
        self.input = nn.Identity()
        self.layers = nn.Sequential()
        channels = 3
        for place, (filters, halved) in enumerate(CONVOLUTIONS, start=1):
            if place <= num_transformers:
                self.layers.add_module(f"transformer{place}", _transformer(channels, side))
            layers: list[nn.Module] = [nn.Conv2d(channels, filters, 5, padding=2), nn.ReLU()]
            if halved:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            if place > 1:
                layers.append(nn.Dropout(dropout))
            self.layers.add_module(f"conv{place}", _initialized(layers, dropout))
            channels = filters
        self.layers.add_module("flatten", nn.Flatten())
        width = channels * side * side
        for place in (1, 2, 3):
            layers = [nn.Linear(width, WIDTH), nn.ReLU()]
            if place < 3:
                layers.append(nn.Dropout(dropout))
            self.layers.add_module(f"dense{place}", _initialized(layers, dropout))
            width = WIDTH
        self.layers.add_module("classifier", nn.Linear(WIDTH, NUM_SCORES))

    def forward(self, clip: Tensor) -> Tensor:
        """Compute (B, 55) from (B, 3, 1, H, W).

        Raises:
            ValueError: there is more than one frame.
        """
        if clip.shape[2] != 1:
            raise ValueError(f"numbers are images: clips must have 1 frame, got {clip.shape[2]}")
        return self.layers(self.input(clip).squeeze(2))


def svhn_spec(model: str) -> BackboneSpec:
    """Return the row of a network for house numbers.

    Args:
        model: `<kind>_<side>`: a key of `KINDS`, and one of `SIDES`.

    Raises:
        InputError: there is no such network; lists them.
    """
    kind, _, side = model.rpartition("_")
    if kind not in KINDS or side not in SIDES:
        known = ", ".join(f"svhn/{kind}_{side}" for kind in KINDS for side in SIDES)
        raise InputError(f"model.backbone: there is no svhn/{model}; expected one of {known}")
    return BackboneSpec(
        name=f"svhn/{model}", builder=partial(_build, int(side), KINDS[kind]),
        mean=(127.5,) * 3, std=(127.5,) * 3, num_frames=1, stride=1,
        size_hw=(int(side), int(side)),
        stages=("input", *(f"layers.conv{place + 1}" for place in range(len(CONVOLUTIONS)))),
    )  # fmt: skip


def _build(side: int, num_transformers: int, weights: str | None, temporal: Temporal) -> SvhnTrunk:
    trunk = SvhnTrunk(side, num_transformers=num_transformers)
    if weights is not None:
        load_weights(trunk, weights)
    return trunk


def _transformer(channels: int, side: int) -> SpatialTransformer:
    localization = dense_localization(
        channels, (side, side), num_outputs=6, num_layers=LOCALIZATION_LAYERS
    )
    return SpatialTransformer(channels, "affine", sampler="grid", localization=localization)


def _initialized(layers: list[nn.Module], dropout: float) -> nn.Sequential:
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            num_inputs = layer.weight[0].numel()
            nn.init.normal_(layer.weight, std=math.sqrt(2 * (1 - dropout) / num_inputs))
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
