"""The frames of a stream that windows or drawings still need."""

from array import array
from collections import deque

import numpy as np

from stn_action.runs.window_layout import WindowLayout
from stn_action.visualize.images import Image, resize_image

DRAWN_HEIGHTS = 320, 720
"""Least and greatest height of drawn frames, pixels; others are resized."""


class StreamFootage:
    """Frames of a stream: at full size those that windows take, at drawn size all of them."""

    def __init__(self, layout: WindowLayout, fps: float, *, drawn: bool) -> None:
        """Start without frames.

        Args:
            layout: of the windows.
            fps: frames per second, for the time behind the last frame.
            drawn: keep frames for drawing.
        """
        self.images: dict[int, np.ndarray] = {}
        """Full size, by number."""
        self.size_hw = (0, 0)
        """Of full size."""
        self._layout, self._fps, self._drawn = layout, fps, drawn
        self._waiting: deque[tuple[int, Image]] = deque()
        self._seconds = array("d")

    @property
    def num_frames(self) -> int:
        """Frames so far."""
        return len(self._seconds)

    def add(self, index: int, image: np.ndarray, seconds: float) -> None:
        """Add the next frame."""
        self._seconds.append(seconds)
        self.size_hw = image.shape[0], image.shape[1]
        if self._layout.takes(index):
            self.images[index] = image
        if self._drawn:
            height = min(image.shape[0], DRAWN_HEIGHTS[1])
            size_hw = height, max(1, round(image.shape[1] * height / image.shape[0]))
            same = height == image.shape[0]
            self._waiting.append((index, image if same else resize_image(image, size_hw)))

    def drop_before(self, frame: int) -> None:
        """Drop the frames that no window takes any more."""
        for index in [index for index in self.images if index < frame]:
            del self.images[index]

    def to_draw(self, until: int) -> list[tuple[int, Image]]:
        """Return the frames before a frame that were not returned yet."""
        found = []
        while self._waiting and self._waiting[0][0] < until:
            found.append(self._waiting.popleft())
        return found

    def seconds_at(self, frame: int) -> float:
        """Return when a frame is shown; the one behind the last follows at the usual distance."""
        if frame < len(self._seconds):
            return self._seconds[frame]
        return self._seconds[-1] + 1 / self._fps if self._seconds else 0.0
