"""The decord backend: exact for some files, with a warning for the others."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import decord
import numpy as np

from stn_action.errors import InputError
from stn_action.video.reader import VideoError, VideoReader, frame_seconds


class DecordReader(VideoReader):
    """A reader with decord's own seeking and length.

    Both are exact for MP4 and Matroska with closed groups of pictures and for AVI without
    B-frames. Opening any other file warns.
    """

    backend = "decord"

    def __init__(self, path: Path, num_frames: int | None = None):
        self.path = path
        self._closed = False
        try:
            with _silent():
                self._video = decord.VideoReader(str(path.absolute()), num_threads=1)
                image = self._video[0].asnumpy()
        except (decord.DECORDError, RuntimeError, IndexError) as error:
            reason = str(error).strip().splitlines()[0]
            raise VideoError(f"{path}: is not a readable video for decord ({reason})") from error
        if image.shape[2] != 3:
            # Observed for rotated frames of fewer than 64 columns: rows with their padding.
            raise VideoError(f"{path}: decord returns broken frames; use backend pyav")
        self._size_hw = image.shape[0], image.shape[1]
        self.fps = self._video.get_avg_fps() or 25.0
        times = self._video.get_frame_timestamp(range(len(self._video)))[:, 0]
        self._seconds = frame_seconds(times.tolist(), self.fps)
        doubt = _doubt(path)
        self._num_frames = num_frames or len(self._video)
        if self._num_frames > len(self._video) or not (doubt or self._num_frames == len(times)):
            raise self._length_error(len(self._video), self._num_frames)
        if doubt:
            warnings.warn(
                f"{path}: decord may return frames some positions off, and a wrong number of "
                f"frames: {doubt}; use backend pyav or opencv",
                stacklevel=2,
            )

    def __len__(self) -> int:
        if self._closed:
            raise VideoError(f"{self.path}: the reader is closed; open the video again")
        return self._num_frames

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
        return image, self.seconds_at(index)


def _doubt(path: Path) -> str | None:
    """Return why decord may be inexact for this file; None if it is exact."""
    try:
        from stn_action.video.container import packet_index

        index = packet_index(path)
    except (ImportError, InputError):
        return "without PyAV its keyframes cannot be checked"
    if index is None:
        return "its packets do not give the order of frames (such as AVI with B-frames)"
    if index.open_groups:
        return "its groups of pictures are open (frames shown before the keyframe they follow)"
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
