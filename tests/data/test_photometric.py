"""Settings of the changes of pixels; what they do is in `test_augment.py`."""

import pytest

from stn_action.data.photometric import AugMix, Blur, ColorJitter, RandAugment, RandomErasing


@pytest.mark.parametrize(
    ("step", "settings", "message"),
    [
        (ColorJitter, {"brightness": 1.5}, r"brightness must be in \[0, 1\], got 1.5"),
        (ColorJitter, {"hue": 0.6}, r"hue must be in \[0, 0.5\], got 0.6"),
        (RandAugment, {"num_ops": 0}, "num_ops must be at least 1, got 0"),
        (RandAugment, {"magnitude": 31}, r"magnitude must be in \[0, 30\], got 31"),
        (AugMix, {"severity": 11}, r"severity must be in \[1, 10\], got 11"),
        (AugMix, {"mixture_width": 0}, "mixture_width must be at least 1, got 0"),
        (AugMix, {"alpha": 0.0}, "alpha must be above 0, got 0.0"),
        (Blur, {"p": 2.0}, r"p must be in \[0, 1\], got 2.0"),
        (Blur, {"sigma": (2.0, 1.0)}, "sigma must be a range above 0"),
        (RandomErasing, {"scale": (0.0, 0.5)}, r"scale must be a range in \(0, 1\]"),
        (RandomErasing, {"ratio": (0.0, 1.0)}, "ratio must be a range above 0"),
    ],
)
def test_settings_out_of_range_are_refused(step, settings, message):
    with pytest.raises(ValueError, match=message):
        step(**settings)


def test_the_kernel_of_the_blur_fits_into_small_clips():
    module = Blur(sigma=(0.1, 2.0)).transform((4, 40))
    assert module.transforms[0].kernel_size == [13, 7]  # width, height
