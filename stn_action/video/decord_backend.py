"""The decord backend: exact, for the files of which decord knows the order of the frames."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import decord
import numpy as np

from stn_action.video.header import VideoHeader, read_header, times_agree
from stn_action.video.orientation import Orientation
from stn_action.video.reader import VideoError, VideoReader
from stn_action.video.video_choices import MAX_PIXELS

MAX_DECLARED = 10_000_000
"""Frames that a header may promise: decord makes room for all of them, and where it cannot, it ends
the process."""


class DecordReader(VideoReader):
    """A reader with decord's own seeking.

    It is exact for MP4 and Matroska with closed groups of frames and for AVI without
    B-frames. Other files are refused; FFmpeg (PyAV) checks them before decord opens them.
    """

    backend = "decord"

    def __init__(
        self, path: Path, num_frames: int | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.path = path
        self._closed = False
        header = read_header(path, max_pixels)
        if header.num_declared > MAX_DECLARED:
            raise self._unable(f"open a file that promises {header.num_declared:,} frames")
        if header.num_packets == 1 and header.index is None:
            raise self._unable("open still images")
        if doubt := _doubt(path, header):
            raise self._unable(f"tell the order of its frames: {doubt}")
        try:
            with _silent():
                self._video = decord.VideoReader(str(path.absolute()), num_threads=1)
                image = self._video[0].asnumpy()
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            reason = str(error).strip().splitlines()[0]
            raise VideoError(f"{path}: is not a readable video for decord ({reason})") from error
        if image.shape[2] != 3:
            # Observed for turned frames of fewer than 64 columns: rows with their padding.
            raise self._unable("turn frames that are so narrow")
        assert header.index is not None  # else there is a doubt
        counted = len(header.index.display_pts)
        if len(self._video) != counted or num_frames not in (None, counted):
            raise self._unable(
                f"count its frames, {len(self._video)} of {num_frames or counted} that decode"
            )
        self._orientation = header.orientation
        image = self._shown(image)
        self._size_hw = image.shape[0], image.shape[1]
        self.fps = header.fps
        pts = np.array(header.index.display_pts)
        self._seconds = (pts - pts[0]) * float(header.time_base)
        if not header.times_are_believed:
            self._seconds = np.arange(counted) / self.fps

    def __len__(self) -> int:
        if self._closed:
            raise VideoError(f"{self.path}: the reader is closed; open the video again")
        return len(self._seconds)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
        return self._size_hw

    def close(self) -> None:
        """Close the file and the decoder."""
        if not self._closed:
            self._closed = True
            del self._video

    def seconds_at(self, index: int) -> float:
        """Return when a frame is shown: see `VideoReader.seconds_at`."""
        return float(self._seconds[index])

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        try:
            image = self._video[index].asnumpy()
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            raise VideoError(f"{self.path}: decord cannot decode frame {index}") from error
        return self._of_one_size(self._shown(image), index), self.seconds_at(index)

    def _shown(self, image: np.ndarray) -> np.ndarray:
        """Mirror an image that decord has only turned: it takes a mirrored one for a turned one."""
        if not self._orientation.mirrored:
            return image
        turned = Orientation(quarter_turns=(self._orientation.quarter_turns + 2) % 4)
        decoded = np.rot90(image, -turned.quarter_turns)
        return np.ascontiguousarray(self._orientation.shown(decoded))

    def _unable(self, action: str) -> VideoError:
        return VideoError(f"{self.path}: decord cannot {action}; use data.reader=pyav or opencv")


def _doubt(path: Path, header: VideoHeader) -> str | None:
    """Return why decord may be inexact for this file; None if it is exact."""
    if header.num_streams > 1:
        return "it has several video streams"
    if header.index is None:
        return "its packets do not give the order of frames (such as AVI with B-frames)"
    if not header.index.closed_groups:
        return "its groups of frames are open, or have the times of decoding"
    if not times_agree(path):
        return "the times of its packets contradict their data"
    return None


@contextmanager
def _silent() -> Iterator[None]:
    """Redirect stderr: decord ignores its own log level for files that it cannot open."""
    decord.logging.set_level(decord.logging.QUIET)
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
