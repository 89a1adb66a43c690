"""Random changes of a training clip: which view of the region, mirrored or not, its colours."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from stn_action.person.crop import View


@dataclass(frozen=True)
class Augment:
    """What is drawn anew for each training clip; every frame of a clip gets the same."""

    scale: tuple[float, float] = (0.6, 1.0)
    """Range of the side of the view, as a share of the region's shorter side."""
    hflip: float = 0.5
    """Probability of mirroring the clip. 0 for classes that differ in left and right."""
    brightness: float = 0.0
    """The brightness is multiplied by a factor from [1 - this, 1 + this]; the next two likewise."""
    contrast: float = 0.0
    """Strength of the change of contrast."""
    saturation: float = 0.0
    """Strength of the change of saturation."""

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale must be a range in (0, 1], got {self.scale}")
        for name in ("hflip", "brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

    def draw_view(self, generator: torch.Generator) -> View:
        """Draw the share, the place and the side of a view, always in this order."""
        share, x, y, side = torch.rand(4, generator=generator).tolist()
        low, high = self.scale
        return View(low + share * (high - low), (x, y), side < self.hflip)

    def jitter_colours(self, clip: Tensor, generator: torch.Generator) -> Tensor:
        """Change brightness, contrast and saturation, in this order, alike in all frames.

        Args:
            clip: (T, 3, h, w) uint8.
            generator: draws the three factors.

        Returns:
            (T, 3, h, w) uint8.
        """
        strengths = torch.tensor([self.brightness, self.contrast, self.saturation])
        factors = 1 + (torch.rand(3, generator=generator) * 2 - 1) * strengths
        changes = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
        for change, factor, strength in zip(changes, factors, strengths, strict=True):
            if strength > 0:
                clip = change(clip, float(factor))
        return clip
