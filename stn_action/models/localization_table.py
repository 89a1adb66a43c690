"""The localization networks by name, with the settings that make them."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.family import Transform
from stn_action.models.heatmap_localization import HeatmapLocalization
from stn_action.models.localization import LocalizationNetwork
from stn_action.models.model_choices import LOCALIZATIONS, LocalizationName, LocalizationPadding
from stn_action.models.plain_localization import (
    PlainLocalization,
    convolutional_localization,
    dense_localization,
    svhn_localization,
)
from stn_action.models.trunk_localization import TrunkLocalization

PLAIN: dict[LocalizationName, Callable[[int, tuple[int, int], int], PlainLocalization]] = {
    "dense": dense_localization,
    "convolutional": convolutional_localization,
    "svhn": svhn_localization,
}
"""Those made for maps of one size: (channels, height and width, number of outputs) to a network."""


@dataclass(frozen=True)
class LocalizationSettings:
    """A localization network, with the settings of all; each takes those it has."""

    name: LocalizationName = "grid"
    """"grid": numbers from a small grid of features; "heatmap": one heat map per head; "dense",
    "convolutional" or "svhn": the paper's plain ones for digits and numbers, without a gain;
    "trunk": copies of stages of the trunk."""
    padding: LocalizationPadding = "zeros"
    """Beyond the map in its convolutions."""
    kernels: tuple[int, ...] = (7, 5)
    """Sides of its convolutions behind the reduction, odd."""
    channels: int = 32
    """Of its hidden layers."""
    grid: int = 7
    """Height and width of the grid; 1: pooled globally, which loses where things are."""
    map_hw: tuple[int, int] | None = None
    """Height and width of the maps, which those of `PLAIN` are made for."""
    trunk: nn.Module | None = None
    """Whose stages are copied."""
    stages: tuple[str, ...] = ()
    """Module paths of these, which follow the heads' own one behind the other."""
    pretrained: bool = True
    """Whether the copies keep the trunk's weights."""

    def __post_init__(self) -> None:
        if self.name not in LOCALIZATIONS:
            raise InputError(f"localization must be one of {LOCALIZATIONS}, got {self.name!r}")
        if any(side < 1 or side % 2 == 0 for side in self.kernels):
            raise InputError(f"localization_kernels must be odd numbers, got {list(self.kernels)}")
        if self.channels < 1 or self.grid < 1:
            raise InputError(
                "localization_channels and localization_grid must be at least 1, got "
                f"{self.channels} and {self.grid}"
            )
        if self.stages and self.name != "trunk":
            raise InputError(f"localization_stages are of localization 'trunk', not {self.name!r}")


def build_localization(
    settings: LocalizationSettings, in_channels: int, transform: Transform, *, gain: float
) -> nn.Module:
    """Build a localization network.

    Args:
        settings: which one.
        in_channels: of its input.
        transform: the family, made for K windows.
        gain: see `EqualizedConv2d`.

    Raises:
        InputError: it does not suit the family or the map, or the map's size is not known.
    """
    num_outputs = transform.num_heads * transform.num_parameters
    match settings.name:
        case "grid":
            return LocalizationNetwork(
                in_channels, num_outputs, gain=gain, hidden_channels=settings.channels,
                kernel_sizes=settings.kernels, grid_size=settings.grid, padding=settings.padding,
            )  # fmt: skip
        case "heatmap":
            return HeatmapLocalization(
                in_channels, transform, gain=gain, hidden_channels=settings.channels,
                kernel_sizes=settings.kernels, padding=settings.padding,
            )  # fmt: skip
    if settings.map_hw is None:
        raise InputError(
            f"localization {settings.name!r} is made for maps of one size: give map_hw, their "
            "height and width"
        )
    if settings.name == "trunk":
        if settings.trunk is None:
            raise InputError("localization 'trunk' copies stages of a trunk: give it")
        return TrunkLocalization(
            settings.trunk, settings.stages, (in_channels, *settings.map_hw), num_outputs,
            pretrained=settings.pretrained, gain=gain, grid_size=settings.grid,
        )  # fmt: skip
    return PLAIN[settings.name](in_channels, settings.map_hw, num_outputs)
