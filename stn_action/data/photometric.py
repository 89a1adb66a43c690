"""Random changes of the pixels of a clip in place: colors, blur, erased parts.

They are transforms of torchvision, which draw from the global generator and give all frames of a
`Video` the same draw. Where an operation has statistics (contrast, autocontrast, equalize) they are
those of each frame. None moves a pixel, so that all boxes stay what they are.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torchvision.transforms import v2

from stn_action.video.source_frame import RGB

MOVES_PIXELS = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
"""Operations of RandAugment and AugMix that are left out."""
MAX_MAGNITUDE = 30
"""Of RandAugment, whose magnitudes have 31 levels."""
MAX_SEVERITY = 10
"""Of AugMix."""


def _in_place(space: Mapping[str, Any]) -> dict[str, Any]:
    return {name: operation for name, operation in space.items() if name not in MOVES_PIXELS}


class _RandAugmentInPlace(v2.RandAugment):
    _AUGMENTATION_SPACE = _in_place(v2.RandAugment._AUGMENTATION_SPACE)


class _AugMixInPlace(v2.AugMix):
    _AUGMENTATION_SPACE = _in_place(v2.AugMix._AUGMENTATION_SPACE)


@dataclass(frozen=True)
class ColorJitter:
    """Random brightness, contrast, saturation and hue, in this order."""

    brightness: float = 0.0
    """It is multiplied by a factor from [1 - brightness, 1 + brightness]."""
    contrast: float = 0.0
    """As brightness."""
    saturation: float = 0.0
    """As brightness."""
    hue: float = 0.0
    """It is moved by a share of the circle of colors from [-hue, hue], hue at most 0.5."""
    p: float = 1.0
    """Probability of any change."""

    def __post_init__(self) -> None:
        _require_shares(self, "brightness", "contrast", "saturation", "p")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue must be in [0, 0.5], got {self.hue}")

    @property
    def strengths(self) -> tuple[float, float, float]:
        """Those of brightness, contrast and saturation."""
        return self.brightness, self.contrast, self.saturation

    @property
    def changes(self) -> bool:
        """Whether anything can change."""
        return self.p > 0 and max(*self.strengths, self.hue) > 0


@dataclass(frozen=True)
class RandAugment:
    """RandAugment (Cubuk et al. 2019, arXiv 1909.13719) without what moves pixels.

    Its operations are identity, brightness, color, contrast, sharpness, posterize, solarize,
    autocontrast and equalize.
    """

    num_ops: int = 2
    """Operations of a clip, one after the other."""
    magnitude: int = 9
    """Their strength, 0 to 30."""

    def __post_init__(self) -> None:
        if self.num_ops < 1:
            raise ValueError(f"num_ops must be at least 1, got {self.num_ops}")
        if not 0 <= self.magnitude <= MAX_MAGNITUDE:
            raise ValueError(f"magnitude must be in [0, 30], got {self.magnitude}")

    def transform(self) -> v2.Transform:
        """Return it as a module: `Video` (T, 3, h, w) uint8 to the same."""
        return _RandAugmentInPlace(self.num_ops, self.magnitude)


@dataclass(frozen=True)
class AugMix:
    """AugMix (Hendrycks et al. 2019, arXiv 1912.02781) without what moves pixels."""

    severity: int = 3
    """Strength of the operations, 1 to 10."""
    mixture_width: int = 3
    """Chains of operations whose results are mixed."""
    alpha: float = 1.0
    """Of the distributions of the weights of the chains and of the clip itself."""

    def __post_init__(self) -> None:
        if not 1 <= self.severity <= MAX_SEVERITY:
            raise ValueError(f"severity must be in [1, 10], got {self.severity}")
        if self.mixture_width < 1:
            raise ValueError(f"mixture_width must be at least 1, got {self.mixture_width}")
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")

    def transform(self) -> v2.Transform:
        """Return it as a module, as `RandAugment.transform`."""
        return _AugMixInPlace(self.severity, self.mixture_width, alpha=self.alpha)


@dataclass(frozen=True)
class Blur:
    """Gaussian blur, as in SimCLR (Chen et al. 2020, arXiv 2002.05709)."""

    p: float = 0.5
    """Probability."""
    sigma: tuple[float, float] = (0.1, 2.0)
    """Range of the standard deviation, pixels of the clip."""

    KERNEL_SIGMAS: ClassVar[int] = 3
    """Half the side of the kernel, in the largest standard deviation."""

    def __post_init__(self) -> None:
        _require_shares(self, "p")
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma must be a range above 0, got {self.sigma}")

    def transform(self, size_hw: tuple[int, int]) -> v2.Transform:
        """Return it as a module, as `RandAugment.transform`, for clips of this size."""
        half = math.ceil(self.KERNEL_SIGMAS * self.sigma[1])
        # Clips are mirrored at their edges, which has to leave a pixel.
        kernel_wh = [2 * min(half, side - 1) + 1 for side in reversed(size_hw)]
        return v2.RandomApply([v2.GaussianBlur(kernel_wh, self.sigma)], self.p)


@dataclass(frozen=True)
class RandomErasing:
    """A rectangle in the color of padding, the same in all frames (Zhong et al. 2017)."""

    p: float = 0.25
    """Probability."""
    scale: tuple[float, float] = (0.02, 0.33)
    """Range of its area, as a share of the clip's."""
    ratio: tuple[float, float] = (0.3, 3.3)
    """Range of height over width, drawn evenly in its logarithm."""

    def __post_init__(self) -> None:
        _require_shares(self, "p")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale must be a range in (0, 1], got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio must be a range above 0, got {self.ratio}")

    def transform(self, fill: RGB) -> v2.Transform:
        """Return it as a module, as `RandAugment.transform`, that erases by this color."""
        # torchvision takes a single number for a value of all channels, a tuple for a color.
        return v2.RandomErasing(self.p, self.scale, self.ratio, value=fill)  # pyright: ignore[reportArgumentType]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let torchvision draw from a seed: the global generator, of the CPU, is as before behind it.

    `torch.manual_seed` would seed those of accelerators too.
    """
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        yield


def _require_shares(record: object, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], got {value}")
