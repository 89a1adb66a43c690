"""Frames in memory, read like a video."""

from pathlib import Path

import numpy as np
from torch import Tensor

from stn_action.errors import InputError
from stn_action.video.reader import VideoReader


class FrameArray(VideoReader):
    """A reader of decoded frames, for example from a camera or another program."""

    backend = "array"

    def __init__(
        self, frames: Tensor | np.ndarray, *, fps: float = 25.0, name: str = "frames"
    ) -> None:
        """Wrap frames without copying them.

        Args:
            frames: (T, H, W, 3) or (T, 3, H, W) uint8 RGB; a tensor may be on any device.
            fps: frames per second.
            name: of the frames, for messages.

        Raises:
            InputError: the shape or type is wrong, or there is no frame.
        """
        array = frames.detach().cpu().numpy() if isinstance(frames, Tensor) else np.asarray(frames)
        if array.ndim == 4 and array.shape[-1] != 3 and array.shape[1] == 3:
            array = array.transpose(0, 2, 3, 1)  # (T, H, W, 3)
        if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8 or not array.size:
            raise InputError(
                f"{name}: expected frames (T, H, W, 3) or (T, 3, H, W), uint8 RGB, T >= 1; got "
                f"{tuple(array.shape)} {array.dtype}"
            )
        if not fps > 0:
            raise InputError(f"{name}: fps must be above 0, got {fps}")
        self.path = Path(name)
        self.fps = float(fps)
        self._frames = array

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
        return self._frames.shape[1], self._frames.shape[2]

    def __len__(self) -> int:
        return len(self._frames)

    def close(self) -> None:
        """Do nothing: the frames belong to the caller."""

    def seconds_at(self, index: int) -> float:
        """Return `index` / `fps`."""
        return index / self.fps

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        return self._frames[index], self.seconds_at(index)
