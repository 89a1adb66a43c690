"""The `data.augment` section of a configuration: random changes of training clips.

It is given as a mapping or as a list of steps, `- hflip: 0.5`. A list is short for the mapping that
has these steps and no others; that of the changes of pixels is also their order.
"""

from collections import Counter
from typing import Annotated, Any, Self, get_args

from pydantic import Field, Strict, field_serializer, field_validator, model_validator
from pydantic.config import JsonDict

from stn_action.config.sections import section_of
from stn_action.config.types import (
    Number,
    Positive,
    Probability,
    Section,
    Share,
)
from stn_action.data.data_choices import FixedCrops, PixelStep

STRENGTHS = ("brightness", "contrast", "saturation")
_Few = Annotated[int, Strict(), Field(ge=1, le=20)]
_Pixels = Annotated[Number, Field(gt=0, le=100)]
_Strength = Annotated[Number, Field(ge=0, le=1)]


def _in_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("expected [smallest, largest]")
    return pair


class RandomResizedCropConfig(Section):
    """A view of random area and shape (Szegedy et al. 2015)."""

    scale: tuple[Share, Share] = (0.08, 1.0)
    """Smallest and largest area of the view, as a share of the padded box's area."""
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    """Smallest and largest width over height."""

    _ordered = field_validator("scale", "ratio")(_in_order)


class MultiScaleCropConfig(Section):
    """A view whose sides are two of some sizes, at one of some places (TSN, Wang et al. 2016)."""

    scales: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0, 0.875, 0.75, 0.66)
    """Sizes of a side, as shares of the padded box's shorter side, the largest first."""
    max_wh_scale_gap: Annotated[int, Strict(), Field(ge=0)] = 1
    """How many places in `scales` width and height are apart at most."""
    num_fixed_crops: FixedCrops = 13
    """5: corners and middle; 13: also the middle of each side and of each quarter."""


class ColorJitterConfig(Section):
    """Random brightness, contrast, saturation and hue, drawn once per clip, in this order.

    A number is the strength of brightness, contrast and saturation; 0: none.
    """

    brightness: _Strength = 0.0
    """Strength: the factor is between 1 - strength and 1 + strength."""
    contrast: _Strength = 0.0
    """Strength of contrast, around the mean of each frame."""
    saturation: _Strength = 0.0
    """Strength of saturation."""
    hue: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    """Largest move of the hue, as a share of the circle of colors."""
    p: Probability = 1.0
    """Probability of any change."""

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """Return the settings that a strength stands for."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return (dict.fromkeys(STRENGTHS, value) | {"hue": 0.0, "p": 1.0}) if value else None

    @property
    def strength(self) -> float | None:
        """The number that stands for this section; None: there is none."""
        own = dict.fromkeys(STRENGTHS, self.brightness)
        return self.brightness if self == ColorJitterConfig(**own) else None


class RandAugmentConfig(Section):
    """RandAugment (Cubuk et al. 2019) by what moves no pixel, so that boxes stay exact.

    The operations are identity, brightness, color, contrast, sharpness, posterize, solarize,
    autocontrast and equalize; shear, translation and rotation are left out.
    """

    num_ops: _Few = 2
    """Operations of a clip, one after the other."""
    magnitude: Annotated[int, Strict(), Field(ge=0, le=30)] = 9
    """Strength of the operations."""


class AugMixConfig(Section):
    """AugMix (Hendrycks et al. 2019): chains of operations, mixed with each other and the clip.

    Shear, translation and rotation are left out, as in `rand_augment`.
    """

    severity: Annotated[int, Strict(), Field(ge=1, le=10)] = 3
    """Strength of the operations."""
    mixture_width: _Few = 3
    """Number of chains."""
    alpha: Positive = 1.0
    """Of the Dirichlet and beta distributions of the weights."""


class BlurConfig(Section):
    """Gaussian blur."""

    p: Probability = 0.5
    """Probability."""
    sigma: tuple[_Pixels, _Pixels] = (0.1, 2.0)
    """Smallest and largest standard deviation, in pixels of the clip."""

    _ordered = field_validator("sigma")(_in_order)


class RandomErasingConfig(Section):
    """A rectangle in the color of padding, the same in all frames (Zhong et al. 2017)."""

    p: Probability = 0.25
    """Probability."""
    scale: tuple[Share, Share] = (0.02, 0.33)
    """Smallest and largest area, as a share of the clip's."""
    ratio: tuple[Positive, Positive] = (0.3, 3.3)
    """Smallest and largest height over width."""

    _ordered = field_validator("scale", "ratio")(_in_order)


def allow_strength(schema: JsonDict) -> None:
    """Add a number to the JSON schema of a setting that is a `ColorJitterConfig`."""
    choices = schema["anyOf"]
    assert isinstance(choices, list)
    choices.insert(0, {"maximum": 1, "minimum": 0, "type": "number"})


def allow_list(schema: JsonDict) -> None:
    """Add a list of steps to the JSON schema of a setting that is an `AugmentConfig`."""
    section = {"$ref": schema.pop("$ref")}
    step = {**section, "maxProperties": 1, "minProperties": 1}
    schema["anyOf"] = [section, {"items": step, "type": "array"}]


class AugmentConfig(Section):
    """Random augmentation of training clips, drawn once per clip: the same for all frames.

    A mapping of the settings below, or a list of steps: `[{hflip: 0.5}, {blur: {p: 0.5}}]` is
    mirroring and blur, and nothing else. First a view is cut out of the padded box and mirrored, by
    which the boxes of the clip stay exact; then its pixels are changed in place, by torchvision.
    Where features are cached (train.cache_features), views are augmented when they are stored.
    """

    hflip: Probability = 0.5
    """Probability of mirroring a clip; 0 where left and right are different classes."""
    scale: tuple[Share, Share] = (0.8, 1.0)
    """Smallest and largest side of the training crop, as a share of the padded box's shorter
    side."""
    random_resized_crop: RandomResizedCropConfig | None = None
    """A crop of another area and shape, in place of `scale`."""
    multi_scale_crop: MultiScaleCropConfig | None = None
    """A crop whose width and height are two of some sizes, in place of `scale`."""
    color_jitter: Annotated[ColorJitterConfig | None, Field(json_schema_extra=allow_strength)] = (
        None
    )
    """Strength of random brightness, contrast and saturation; or these, hue and a probability."""
    rand_augment: RandAugmentConfig | None = None
    """Some operations out of nine on colors."""
    aug_mix: AugMixConfig | None = None
    """A mix of chains of such operations."""
    grayscale: Probability | None = None
    """Probability of a clip without colors."""
    blur: BlurConfig | None = None
    """Gaussian blur."""
    random_erasing: RandomErasingConfig | None = None
    """A rectangle without content."""
    order: tuple[PixelStep, ...] | None = None
    """The changes of pixels that come first, in this order; the others follow in that of this
    table. A list of steps sets it."""

    _ordered = field_validator("scale")(_in_order)

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """Return the mapping that a list of steps stands for; a wrong list stays one."""
        if not isinstance(value, list) or _problem_of(value):
            return value
        steps = {name: step for one in value for name, step in one.items()}
        pixels = [name for name in steps if name in get_args(PixelStep)]
        settings: dict[str, Any] = dict.fromkeys(cls.model_fields)
        settings |= {"scale": [1.0, 1.0], "hflip": 0.0, "order": pixels or None}
        return settings | {name: _complete(name, step) for name, step in steps.items()}

    @model_validator(mode="before")
    @classmethod
    def _correct_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            raise ValueError(_problem_of(value))
        return value

    @model_validator(mode="after")
    def _one_crop(self) -> Self:
        if self.random_resized_crop and self.multi_scale_crop:
            raise ValueError("expected one of random_resized_crop and multi_scale_crop, got both")
        return self

    @field_serializer("color_jitter")
    def _in_short(self, jitter: ColorJitterConfig | None) -> Any:
        if jitter is None:
            return 0.0
        return jitter.model_dump() if jitter.strength is None else jitter.strength

    def describe(self) -> str:
        """Return what is done to a clip, in words; previews show it."""
        words = [self._crop_words()]
        words.append(f"{_percent(self.hflip)} are mirrored" if self.hflip else "never mirrored")
        strength = None if self.color_jitter is None else self.color_jitter.strength
        if strength:
            words.append(f"colors change by up to {_percent(strength)}")
        for name in get_args(PixelStep):
            step = getattr(self, name)
            if isinstance(step, Section) and getattr(step, "strength", None) is None:
                settings = ", ".join(f"{key} {value}" for key, value in step)
                words.append(f"{name} ({settings})")
        if self.grayscale:
            words.append(f"{_percent(self.grayscale)} are gray")
        return ", ".join(words)

    def _crop_words(self) -> str:
        if (crop := self.random_resized_crop) is not None:
            (low, high), (narrow, wide) = crop.scale, crop.ratio
            area = f"{_percent(low)} to {_percent(high)} of the crop's area"
            return f"{area} cut out at random, {narrow:.3g} to {wide:.3g} times as wide as high"
        if self.multi_scale_crop is not None:
            sizes = ", ".join(_percent(size) for size in self.multi_scale_crop.scales)
            return f"sides of {sizes} of the crop's shorter side cut out at random"
        low, high = self.scale
        if low == high == 1:
            return "the crop as it is"
        return f"{_percent(low)} to {_percent(high)} of the crop's shorter side cut out at random"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _problem_of(steps: list[Any]) -> str:
    """Return what is wrong with a list of steps, besides names and settings; empty: nothing."""
    if not all(isinstance(step, dict) and len(step) == 1 for step in steps):
        return "expected a list of steps, each a name with its settings: [{hflip: 0.5}]"
    names = [name for step in steps for name in step]
    if "order" in names:
        return "expected steps in their order, without a step `order`"
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        return f"expected each step once, but {twice[0]} is there twice"
    crops = [name for name in names if name == "scale" or name.endswith("_crop")]
    return f"expected one crop at most, got {' and '.join(crops)}" if len(crops) > 1 else ""


def _complete(name: str, step: Any) -> Any:
    """Return the settings of a step with all defaults, which a file below must not change."""
    field = AugmentConfig.model_fields.get(name)
    section = section_of(field.annotation) if field else None
    if section is None:
        return step
    step = section.expanded(step)
    if not isinstance(step, dict):
        return step
    return {key: inner.default for key, inner in section.model_fields.items()} | step
