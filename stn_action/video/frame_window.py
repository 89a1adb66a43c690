"""Some frames of a stream, read like a video of their own."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stn_action.video.reader import VideoReader


class FrameWindow(VideoReader):
    """A reader of a part of a stream; frame 0 is the first of the part."""

    backend = "window"

    def __init__(
        self, images: Mapping[int, np.ndarray], start: int, length: int, *, fps: float, name: str
    ) -> None:
        """Refer to images without copying them.

        Args:
            images: of the stream by number, (H, W, 3) uint8 RGB; those that are read must be there.
            start: number of the first frame of the part.
            length: frames of the part.
            fps: frames per second.
            name: of the stream, for messages.
        """
        self.path = Path(name)
        self.fps = fps
        self._images, self._start, self._length = images, start, length

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
        height, width = next(iter(self._images.values())).shape[:2]
        return height, width

    def __len__(self) -> int:
        return self._length

    def close(self) -> None:
        """Do nothing: the images belong to the caller."""

    def seconds_at(self, index: int) -> float:
        """Return `index` / `fps`."""
        return index / self.fps

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        return self._images[self._start + index], self.seconds_at(index)
