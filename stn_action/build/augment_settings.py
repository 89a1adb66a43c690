"""The augmentation of a configuration."""

from stn_action.config.schema import Config, to_dict
from stn_action.config.types import Section
from stn_action.data.augment import Augment
from stn_action.data.photometric import AugMix, Blur, ColorJitter, RandAugment, RandomErasing
from stn_action.data.view_draws import MultiScaleCrop, RandomResizedCrop

STEPS = {
    "random_resized_crop": RandomResizedCrop,
    "multi_scale_crop": MultiScaleCrop,
    "color_jitter": ColorJitter,
    "rand_augment": RandAugment,
    "aug_mix": AugMix,
    "blur": Blur,
    "random_erasing": RandomErasing,
}
"""The steps that have settings of their own."""


def augment_of(config: Config) -> Augment:
    """Return the configured changes of training clips."""
    settings = {
        name: STEPS[name](**dict(value)) if isinstance(value, Section) else value
        for name, value in config.data.augment
    }
    return Augment(**settings)


def absent_steps(config: Config) -> tuple[str, ...]:
    """Return the settings of steps that are not taken.

    Fingerprints leave them out, so that they are those from before there was such a step.
    """
    settings = to_dict(config)["data"]["augment"]
    return tuple(f"data.augment.{name}" for name, value in settings.items() if value is None)
