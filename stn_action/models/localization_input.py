"""The input of a localization network, made from a clip's feature map.

Letters: S thetas of a clip (1, or one for every time step of the map).
"""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.kernels import resize_area
from stn_action.models.model_choices import InputPer

THETA_PER = get_args(InputPer)
TIME_BINS = 4
"""Parts of the time axis that a volumetric head sees."""


@dataclass(frozen=True)
class LocalizationInput:
    """Features (B, C, T, H, W) to maps (B, S, channels_for(C), H, W), or of `size_hw`.

    With one theta per clip: the mean over time and the mean absolute change between steps. With
    one theta per step: the step's map and its absolute change from the step before. With one
    theta for the volume: the means over `TIME_BINS` equal parts of the time axis.
    """

    theta_per: InputPer = "clip"
    motion: bool = True
    """Whether the change over time is part of the input; images have none."""
    size_hw: tuple[int, int] | None = None
    """Height and width that maps are resampled to, by area; None: as they are. On large maps, such
    as the clip itself, where to look is seen as well on a reduced one, at a fraction of the cost:
    those of the spatial transformer paper see half the image's size (arXiv 1506.02025, A.4)."""

    def __post_init__(self) -> None:
        if self.theta_per not in THETA_PER:
            raise InputError(f"theta_per must be one of {THETA_PER}, got {self.theta_per!r}")

    def channels_for(self, channels: int) -> int:
        """Return the number of channels of the input for features of `channels` channels."""
        if self.theta_per == "volume":
            return TIME_BINS * channels
        return (2 if self.motion else 1) * channels

    def __call__(self, features: Tensor) -> Tensor:
        """Compute the input; see the class for shapes."""
        match self.theta_per:
            case "clip":
                found = self._of_clip(features)
            case "step":
                found = self._of_steps(features)
            case _:
                found = _of_volume(features)
        if self.size_hw is None:
            return found
        return resize_area(found.flatten(0, 1), self.size_hw).unflatten(0, found.shape[:2])

    def _of_clip(self, features: Tensor) -> Tensor:
        mean = features.mean(2)  # (B, C, H, W)
        if not self.motion:
            return mean.unsqueeze(1)
        moving = torch.zeros_like(mean)
        if features.shape[2] > 1:
            moving = features.diff(dim=2).abs().mean(2)
        return torch.cat([mean, moving], dim=1).unsqueeze(1)

    def _of_steps(self, features: Tensor) -> Tensor:
        if not self.motion:
            return features.transpose(1, 2)
        change = torch.zeros_like(features[:, :, :1])
        change = torch.cat([change, features.diff(dim=2).abs()], dim=2)
        return torch.cat([features, change], dim=1).transpose(1, 2)


def _of_volume(features: Tensor) -> Tensor:
    B, C, T, H, W = features.shape
    lines = resize_area(features.reshape(B, C, T, H * W), (TIME_BINS, H * W))
    return lines.reshape(B, 1, C * TIME_BINS, H, W)
