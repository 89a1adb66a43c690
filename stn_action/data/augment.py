"""Random changes of a training clip: view of the region, mirroring and colors."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from stn_action.person.crop import View


@dataclass(frozen=True)
class Augment:
    """Random changes, drawn for each training clip; all frames of a clip get the same."""

    scale: tuple[float, float] = (0.8, 1.0)
    """Range of the side of the view, as a share of the region's shorter side."""
    hflip: float = 0.5
    """Probability of mirroring the clip. 0 for classes that differ in left and right."""
    color_jitter: float = 0.0
    """Brightness, contrast and saturation are each multiplied by a factor from
    [1 - color_jitter, 1 + color_jitter]."""

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale must be a range in (0, 1], got {self.scale}")
        for name in ("hflip", "color_jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

    def draw_view(self, generator: torch.Generator) -> View:
        """Draw the size, the place and the mirroring of a view, always in this order."""
        share, x, y, side = torch.rand(4, generator=generator).tolist()
        low, high = self.scale
        return View(low + share * (high - low), (x, y), side < self.hflip)

    def draw_colors(self, generator: torch.Generator) -> Tensor:
        """Draw the factors (3,) of brightness, contrast and saturation."""
        return 1 + (torch.rand(3, generator=generator) * 2 - 1) * self.color_jitter

    def change_colors(self, clip: Tensor, factors: Tensor) -> Tensor:
        """Change brightness, contrast and saturation, in this order, alike in all frames.

        Args:
            clip: (3, T, h, w) uint8.
            factors: (3,), of `draw_colors`.

        Returns:
            (3, T, h, w) uint8, contiguous.
        """
        if self.color_jitter == 0:
            return clip
        frames = clip.transpose(0, 1)  # (T, 3, h, w)
        changes = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
        for change, factor in zip(changes, factors.tolist(), strict=True):
            frames = change(frames, factor)
        return frames.transpose(0, 1).contiguous()
