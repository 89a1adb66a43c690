"""The conversion of luma and chroma to RGB.

Sources: ITU-R BT.601-7, BT.709-6 and BT.2020-2 (shares in luma, ranges of the values).
"""

from functools import cache
from typing import NamedTuple

LUMA_COEFFICIENTS = {
    **dict.fromkeys((2, 5, 6), (0.299, 0.114)),
    1: (0.2126, 0.0722),
    9: (0.2627, 0.0593),
}
"""Shares of red and blue in luma, by FFmpeg's number (`colorspace`): BT.601, which unknown is taken
for as libswscale does; BT.709; BT.2020."""


class ColorMatrix(NamedTuple):
    """RGB, in [0, 255], from luma and chroma as they are stored: a weighted sum and a constant."""

    luma: float
    red_v: float
    green_u: float
    green_v: float
    blue_u: float
    black: float
    """Luma of black."""
    gray: float
    """Chroma of all grays."""


@cache
def color_matrix(colorspace: int, bits: int, *, full: bool) -> ColorMatrix:
    """Return the conversion of a color space.

    Args:
        colorspace: FFmpeg's number of it, a key of `LUMA_COEFFICIENTS`.
        bits: of a sample.
        full: the values use all of the range.
    """
    red, blue = LUMA_COEFFICIENTS[colorspace]
    green = 1 - red - blue
    unit = 2 ** (bits - 8)
    luma, chroma = (1 / unit, 1 / unit) if full else (255 / 219 / unit, 255 / 224 / unit)
    red_v, blue_u = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    return ColorMatrix(
        luma=luma,
        red_v=red_v,
        green_u=-blue_u * blue / green,
        green_v=-red_v * red / green,
        blue_u=blue_u,
        black=0 if full else 16 * unit,
        gray=128 * unit,
    )
