"""Lines with a dark rim, visible on every background, at fractions of a pixel.

Coordinates are those of images: pixels, 0 and W at the outer edges.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from stn_action.visualize.images import BLACK, WHITE, Color, Image

SUBPIXEL_BITS = 4
_FAR_AWAY = 1e5
"""Coordinates are clamped to this many pixels, because OpenCV takes 32-bit integers."""


def draw_outline(view: Image, corners: np.ndarray, color: Color, width: int) -> None:
    """Draw a closed line through corners (P, 2), in place."""
    draw_lines(view, [corners], color, width, closed=True)


def draw_lines(
    view: Image, lines: Sequence[np.ndarray], color: Color, width: int, *, closed: bool = False
) -> None:
    """Draw lines through points (P, 2) each, in place; no rim is drawn over any of them."""
    points = [fixed_point(line.clip(-_FAR_AWAY, _FAR_AWAY)) for line in lines]
    for line_color, line_width in ((BLACK, width + 2), (color, width)):
        cv2.polylines(
            view, points, closed, line_color, line_width, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS
        )


def draw_dashes(view: Image, corners: np.ndarray, width: int) -> None:
    """Draw a closed dashed white line through corners (P, 2), in place."""
    dash = 4.0 * width + 4
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        for offset in np.arange(0, length, 2 * dash):
            ends = np.array([offset, min(offset + dash, length)]) / max(length, 1e-9)
            a, b = fixed_point(start + ends[:, None] * (end - start))
            for color, line_width in ((BLACK, width + 2), (WHITE, width)):
                cv2.line(view, a, b, color, line_width, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Convert edge coordinates to OpenCV's fixed-point pixel-center coordinates."""
    return np.round((points - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)
