"""The plain localization networks of the spatial transformer paper's experiments on digits.

Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.4 and section 4.2. Their layers are not
equalized (gain 1), and they see the map as it is, so that they fit maps of one size. The last layer
starts at zero: theta starts at its base, the identity.
"""

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.theta import at_least_float32

DENSE_WIDTH = 32
FILTERS = 20


class PlainLocalization(nn.Module):
    """Layers of a plain localization network, maps (N, C, H, W) to raw numbers (N, P).

    Args:
        layers: the last one is linear.
        at_zero: let it start at zero.
    """

    def __init__(self, layers: nn.Sequential, *, at_zero: bool = True) -> None:
        super().__init__()
        self.layers = layers
        last = layers[-1]
        assert isinstance(last, nn.Linear)
        if at_zero:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Compute raw numbers (N, num_outputs), float32 or wider, of features (N, C, H, W)."""
        return self.layers(at_least_float32(features))


def dense_localization(
    in_channels: int, map_hw: tuple[int, int], num_outputs: int, num_layers: int = 3
) -> PlainLocalization:
    """Build layers of 32 units: three as in the paper's ST-FCN, two as in its ST-CNN Multi."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = in_channels * map_hw[0] * map_hw[1]
    for _ in range(num_layers):
        layers += [nn.Linear(width, DENSE_WIDTH), nn.ReLU()]
        width = DENSE_WIDTH
    return PlainLocalization(nn.Sequential(*layers, nn.Linear(width, num_outputs)))


def convolutional_localization(
    in_channels: int, map_hw: tuple[int, int], num_outputs: int, *, at_zero: bool = True
) -> PlainLocalization:
    """Build the localization network of the paper's ST-CNN.

    The map at half of its size, two convolutions of 20 filters of 5 x 5 with a maximum over 2 x 2
    pixels between them, a layer of 20 units.

    Raises:
        InputError: the map is too small.
    """
    height, width = ((side // 2 - 4) // 2 - 4 for side in map_hw)
    if height < 1 or width < 1:
        raise InputError(
            f"localization 'convolutional' needs maps of at least 28x28, got {map_hw[1]}x"
            f"{map_hw[0]}; use 'grid' or 'dense'"
        )
    return PlainLocalization(
        nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(in_channels, FILTERS, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(FILTERS, FILTERS, 5), nn.ReLU(), nn.Flatten(),
            nn.Linear(FILTERS * height * width, FILTERS), nn.ReLU(),
            nn.Linear(FILTERS, num_outputs),
        ),
        at_zero=at_zero,
    )  # fmt: skip


def svhn_localization(
    in_channels: int, map_hw: tuple[int, int], num_outputs: int
) -> PlainLocalization:
    """Build the localization network of the paper's ST-CNN Single, for house numbers.

    Two convolutions of 32 filters of 5 x 5, padded, with a maximum over 2 x 2 pixels between them,
    and two layers of 32 units.

    Raises:
        InputError: the map is too small.
    """
    height, width = (side // 2 for side in map_hw)
    if height < 1 or width < 1:
        raise InputError(
            f"localization 'svhn' needs maps of at least 2x2, got {map_hw[1]}x{map_hw[0]}"
        )
    return PlainLocalization(
        nn.Sequential(
            nn.Conv2d(in_channels, DENSE_WIDTH, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(DENSE_WIDTH, DENSE_WIDTH, 5, padding=2), nn.ReLU(), nn.Flatten(),
            nn.Linear(DENSE_WIDTH * height * width, DENSE_WIDTH), nn.ReLU(),
            nn.Linear(DENSE_WIDTH, DENSE_WIDTH), nn.ReLU(),
            nn.Linear(DENSE_WIDTH, num_outputs),
        )
    )  # fmt: skip
