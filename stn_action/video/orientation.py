"""How decoded frames are mirrored and turned to be shown: a display matrix or a photo's EXIF."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

EXIF_TAG = 0x0112
"""EXIF's number of the orientation."""


class Orientation(NamedTuple):
    """One of the eight combinations of mirroring and quarter turns."""

    mirrored: bool = False
    """Left and right are exchanged, before the turn."""

    quarter_turns: int = 0
    """Turns by 90 degrees counterclockwise, 0 to 3."""

    def size_hw(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of a frame as it is shown."""
        return (width, height) if self.quarter_turns % 2 else (height, width)

    def shown(self, image: np.ndarray) -> np.ndarray:
        """Mirror and turn a decoded image (H, W, 3); a view of it.

        >>> Orientation(mirrored=True, quarter_turns=1).shown(np.array([[1, 2], [3, 4]]))
        array([[1, 3],
               [2, 4]])
        """
        return np.rot90(image[:, ::-1] if self.mirrored else image, self.quarter_turns)

    def stored_box(self, box: Sequence[int], size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return where a box of the shown frame is in the decoded one.

        Args:
            box: x0, y0, x1, y1, pixels.
            size_hw: height and width of the frame as it is shown.

        >>> Orientation(mirrored=True, quarter_turns=1).stored_box((0, 0, 1, 2), (5, 3))
        (0, 0, 2, 1)
        """
        x0, y0, x1, y1 = box
        height, width = size_hw
        for _ in range(self.quarter_turns):
            x0, y0, x1, y1 = height - y1, x0, height - y0, x1
            height, width = width, height
        return (width - x1, y0, width - x0, y1) if self.mirrored else (x0, y0, x1, y1)


def matrix_orientation(matrix: Sequence[int]) -> Orientation:
    """Find the orientation that a display matrix describes.

    Source: ISO/IEC 14496-12, section 8.3.2 (`tkhd`): the decoded pixel (x, y) is shown at
    (a x + c y, b x + d y), y downwards. As the ffmpeg command line does, scales are ignored;
    other angles than quarter turns are rounded to them.

    Args:
        matrix: a, b, u, c, d, v, x, y, w.

    >>> matrix_orientation([-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30])
    Orientation(mirrored=True, quarter_turns=0)
    >>> matrix_orientation([0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30])
    Orientation(mirrored=False, quarter_turns=1)
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    mirrored = a * d < b * c
    if mirrored:
        a, b = -a, -b
    return Orientation(mirrored, round(math.atan2(-b, a) / (math.pi / 2)) % 4)


PHOTO_ORIENTATIONS = (
    *(Orientation(), Orientation(mirrored=True)),
    *(Orientation(quarter_turns=2), Orientation(mirrored=True, quarter_turns=2)),
    *(Orientation(mirrored=True, quarter_turns=1), Orientation(quarter_turns=3)),
    *(Orientation(mirrored=True, quarter_turns=3), Orientation(quarter_turns=1)),
)
"""In the order of EXIF's values, the first is 1."""


def photo_orientation(path: Path) -> Orientation | None:
    """Read the orientation that the EXIF of an image file gives; an invalid one is none.

    Returns:
        None if the file is no image that Pillow can open.
    """
    try:
        with Image.open(path) as photo:
            value = photo.getexif().get(EXIF_TAG, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    valid = isinstance(value, int) and 1 <= value <= len(PHOTO_ORIENTATIONS)
    return PHOTO_ORIENTATIONS[value - 1] if valid else Orientation()
