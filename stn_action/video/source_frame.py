"""A decoded frame, of which only what is asked for is converted to RGB."""

from collections.abc import Sequence

import numpy as np

RGB = tuple[int, int, int]
"""A color, 0 to 255."""
BLACK: RGB = (0, 0, 0)


class SourceFrame:
    """A frame whose colors are RGB already; base class of frames whose colors are not.

    It is valid until the reader decodes the next one.
    """

    def __init__(self, image: np.ndarray) -> None:
        """Refer to an image without copying it.

        Args:
            image: (H, W, 3) uint8 RGB.
        """
        self._image = image

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width as it is shown, pixels."""
        return self._image.shape[0], self._image.shape[1]

    @property
    def image(self) -> np.ndarray:
        """All of the frame, (H, W, 3) uint8 RGB; do not write to it."""
        return self._image

    def part(self, box: Sequence[int]) -> np.ndarray:
        """Return the pixels in a box, (y1 - y0, x1 - x0, 3) uint8 RGB; do not write to it.

        Args:
            box: x0, y0, x1, y1, inside the frame, at least one pixel large.
        """
        x0, y0, x1, y1 = box
        return self._image[y0:y1, x0:x1]

    def shrink(self, box: Sequence[int], out: np.ndarray, fill: RGB = BLACK) -> bool:
        """Scale a box before its colors are converted, if this is possible and saves time.

        Args:
            box: x0, y0, x1, y1, at least one pixel of it inside the frame.
            out: uint8 (3, h, w) to write to, RGB; each channel is contiguous.
            fill: color of what is beyond the frame.

        Returns:
            Whether it was done; else scale what `part` returns.
        """
        return False
