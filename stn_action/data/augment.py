"""Random changes of a training clip: its view of the region, mirroring, and its pixels.

All that moves pixels is in the view, so that boxes, extents and drawings of a clip are exact; all
other steps change pixels in place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, get_args

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF
from torchvision.tv_tensors import Video

from stn_action.data.data_choices import PixelStep
from stn_action.data.photometric import (
    AugMix,
    Blur,
    ColorJitter,
    RandAugment,
    RandomErasing,
    seeded,
)
from stn_action.data.view_draws import MultiScaleCrop, RandomResizedCrop
from stn_action.person.crop import View
from stn_action.video.source_frame import RGB

SEEDS = 2**62
NUMBERS_AT_ONCE = 2**18
"""Of frames whose colors are changed together: a large clip as a whole leaves the processor's
cache, which takes twice as long."""
PIXEL_STEPS: tuple[PixelStep, ...] = get_args(PixelStep)
"""In the order in which they are applied."""


class PixelDraw(NamedTuple):
    """What is drawn for the pixels of a clip before it is decoded."""

    factors: Tensor
    """(3,) in [-1, 1], of brightness, contrast and saturation."""
    seed: int
    """Of all other draws."""


@dataclass(frozen=True)
class Augment:
    """Random changes, drawn for each training clip; all frames of a clip get the same."""

    scale: tuple[float, float] = (0.8, 1.0)
    """Range of the side of the view, as a share of the region's shorter side."""
    random_resized_crop: RandomResizedCrop | None = None
    """A view of another shape, in place of `scale`."""
    multi_scale_crop: MultiScaleCrop | None = None
    """A view of another shape, in place of `scale`."""
    hflip: float = 0.5
    """Probability of mirroring the clip. 0 for classes that differ in left and right."""
    color_jitter: ColorJitter | None = None
    """Brightness, contrast, saturation and hue."""
    rand_augment: RandAugment | None = None
    """Operations drawn from a list."""
    aug_mix: AugMix | None = None
    """A mix of chains of operations."""
    grayscale: float | None = None
    """Probability of a clip without colors."""
    blur: Blur | None = None
    """Gaussian blur."""
    random_erasing: RandomErasing | None = None
    """A rectangle without content."""
    order: tuple[PixelStep, ...] | None = None
    """The changes of pixels that come first, in this order; the others follow in their own."""

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"scale must be a range in (0, 1], got {self.scale}")
        for name in ("hflip", "grayscale"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if self.random_resized_crop and self.multi_scale_crop:
            raise ValueError("random_resized_crop and multi_scale_crop exclude each other")

    def draw_view(self, region_wh: Sequence[float], generator: torch.Generator) -> View:
        """Draw the size, the place and the mirroring of a view, always in this order.

        Args:
            region_wh: width and height of the region; (1, 1) if shares are of each side.
            generator: draws.
        """
        crop = self.random_resized_crop or self.multi_scale_crop
        if crop is not None:
            view = crop.draw(region_wh, generator)
            return replace(view, mirror=float(torch.rand((), generator=generator)) < self.hflip)
        share, x, y, side = torch.rand(4, generator=generator).tolist()
        low, high = self.scale
        return View(low + share * (high - low), (x, y), side < self.hflip)

    def draw_pixels(self, generator: torch.Generator) -> PixelDraw:
        """Draw what `change_pixels` does to a clip."""
        factors = torch.rand(3, generator=generator) * 2 - 1
        if not self._draws_more:
            return PixelDraw(factors, 0)
        return PixelDraw(factors, int(torch.randint(SEEDS, (), generator=generator)))

    def change_pixels(self, clip: Tensor, drawn: PixelDraw, fill: RGB) -> Tensor:
        """Change the pixels of a clip, alike in all frames.

        Args:
            clip: (3, T, h, w) uint8.
            drawn: of `draw_pixels`.
            fill: color of what is erased.

        Returns:
            (3, T, h, w) uint8, contiguous. The global generator is as before.
        """
        steps = self._steps(drawn.factors, (clip.shape[2], clip.shape[3]), fill)
        if not steps:
            return clip
        frames: Tensor = Video(clip.transpose(0, 1))  # (T, 3, h, w)
        with seeded(drawn.seed):
            for step in steps:
                frames = step(frames)
        return frames.as_subclass(Tensor).transpose(0, 1).contiguous()

    @property
    def _draws_more(self) -> bool:
        """Whether anything but the factors is drawn."""
        jitter = self.color_jitter
        others = any(getattr(self, name) for name in PIXEL_STEPS if name != "color_jitter")
        return others or (jitter is not None and (jitter.p < 1 or jitter.hue > 0))

    def _steps(
        self, factors: Tensor, size_hw: tuple[int, int], fill: RGB
    ) -> list[Callable[[Tensor], Tensor]]:
        steps: dict[PixelStep, Callable[[Tensor], Tensor]] = {}
        if self.color_jitter is not None and self.color_jitter.changes:
            jitter = self.color_jitter
            steps["color_jitter"] = lambda frames: _jittered(frames, jitter, factors)
        if self.rand_augment is not None:
            steps["rand_augment"] = self.rand_augment.transform()
        if self.aug_mix is not None:
            steps["aug_mix"] = self.aug_mix.transform()
        if self.grayscale:
            gray = v2.RandomGrayscale(self.grayscale)  # leaves a `Video` as it is
            steps["grayscale"] = lambda frames: Video(gray(frames.as_subclass(Tensor)))
        if self.blur is not None:
            steps["blur"] = self.blur.transform(size_hw)
        if self.random_erasing is not None:
            steps["random_erasing"] = self.random_erasing.transform(fill)
        order = dict.fromkeys([*(self.order or ()), *PIXEL_STEPS])
        return [steps[name] for name in order if name in steps]


def _jittered(frames: Tensor, jitter: ColorJitter, factors: Tensor) -> Tensor:
    """Return frames with other colors; torchvision's transform draws the order too."""
    applies, hue = torch.rand(2).tolist()
    if applies >= jitter.p:
        return frames

    def changed(part: Tensor) -> Tensor:
        changes = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
        for change, strength, factor in zip(changes, jitter.strengths, factors, strict=True):
            part = change(part, float(1 + factor * strength))
        return TF.adjust_hue(part, (hue * 2 - 1) * jitter.hue) if jitter.hue else part

    at_once = max(1, NUMBERS_AT_ONCE // frames[0].numel())
    parts = [changed(part) for part in frames.as_subclass(Tensor).split(at_once)]
    return Video(torch.cat(parts))
