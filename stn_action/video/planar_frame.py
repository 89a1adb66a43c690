"""Frames as FFmpeg decodes them: what a box shows is cut out before its colors are converted."""

from collections.abc import Sequence
from functools import cached_property

import av
import numpy as np

from stn_action.video.orientation import Orientation
from stn_action.video.plane_converter import PlaneConverter
from stn_action.video.source_frame import BLACK, RGB, SourceFrame
from stn_action.video.stored_planes import StoredFrame, stored_frame


class PlanarFrame(SourceFrame):
    """A frame in planes of luma and chroma, or in any format that FFmpeg can convert."""

    def __init__(
        self, frame: av.VideoFrame, converter: PlaneConverter, orientation: Orientation
    ) -> None:
        """Refer to a decoded frame without copying it.

        Args:
            frame: as it is stored.
            converter: of its video.
            orientation: how it is mirrored and turned to be shown.
        """
        self._frame, self._converter, self._orientation = frame, converter, orientation
        self._shown: np.ndarray | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width as it is shown, pixels."""
        return self._orientation.size_hw(self._frame.height, self._frame.width)

    @property
    def image(self) -> np.ndarray:
        """All of the frame, (H, W, 3) uint8 RGB."""
        if self._shown is None:
            self._shown = self._orientation.shown(self._converter.rgb(self._frame))
        return self._shown

    def part(self, box: Sequence[int]) -> np.ndarray:
        """Return the pixels in a box: see `SourceFrame.part`."""
        if self._stored is None or self._shown is not None:
            x0, y0, x1, y1 = box
            return self.image[y0:y1, x0:x1]
        stored_box = self._orientation.stored_box(box, self.size_hw)
        return self._orientation.shown(self._converter.rgb_part(self._stored, stored_box))

    def shrink(self, box: Sequence[int], out: np.ndarray, fill: RGB = BLACK) -> bool:
        """Scale a box plane by plane if it becomes smaller: see `SourceFrame.shrink`."""
        height, width = out.shape[1:]
        if (box[2] - box[0]) * (box[3] - box[1]) <= height * width or self._stored is None:
            return False
        stored_box = self._orientation.stored_box(box, self.size_hw)
        if self._orientation == Orientation():
            self._converter.shrink(self._stored, stored_box, out, fill)
            return True
        turned = np.empty((3, *self._orientation.size_hw(height, width)), dtype=np.uint8)
        self._converter.shrink(self._stored, stored_box, turned, fill)
        out[:] = self._orientation.shown(turned.transpose(1, 2, 0)).transpose(2, 0, 1)
        return True

    @cached_property
    def _stored(self) -> StoredFrame | None:
        """The planes; None: the frame is not stored in such planes, or its colors are rare ones."""
        return stored_frame(self._frame)
