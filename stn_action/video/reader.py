"""One way to read a video's frames by index, whatever library decodes it."""

import importlib
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from stn_action.errors import InputError
from stn_action.video.frames import Frames, gather_frames

BACKENDS = {
    "pyav": ("stn_action.video.pyav", "PyAVReader", "av"),
    "opencv": ("stn_action.video.opencv", "OpenCVReader", "opencv-python"),
    "decord": ("stn_action.video.decord_backend", "DecordReader", "decord"),
}
"""Module, class and package of each backend, in the order in which `auto` tries them: decord
comes last because it alone can be off by some frames."""


class VideoError(InputError):
    """A video that cannot be read; the message names the file and the reason."""


class VideoReader(ABC):
    """An open video whose frames are read by index. Open and close it in the same process.

    Frame i is the i-th frame that decoding the whole file from its start puts out.
    """

    backend: str
    """Name of the library that decodes."""

    path: Path
    """The file."""

    size_hw: tuple[int, int]
    """Height and width of the frames, in pixels, as they are meant to be shown (after rotation)."""

    fps: float
    """Frames per second on average; 25 where the file does not tell."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the frames that decode; may have to decode the video, once."""

    @abstractmethod
    def close(self) -> None:
        """Give back the file and the decoder. Closing twice is allowed."""

    @abstractmethod
    def _picture_at(self, index: int) -> tuple[np.ndarray, float]:
        """Decode frame `index` to uint8 (H, W, 3) RGB and its time in seconds."""

    def read(self, indices: Sequence[int]) -> Frames:
        """Decode the frames of these indices.

        Args:
            indices: T frame numbers counted from 0, in any order, repeats allowed. Frames are
                decoded in ascending order, and only these are converted to RGB.

        Returns:
            T frames in the order of `indices`.

        Raises:
            VideoError: an index outside the video, or the file is damaged there.
            TypeError: an index is not a whole number.
        """
        wanted = [operator.index(index) for index in indices]
        num_frames = len(self)
        for index in wanted:
            if not 0 <= index < num_frames:
                raise VideoError(
                    f"{self.path}: frame {index} does not exist: the video has {num_frames} "
                    f"frames that can be decoded, numbered from 0"
                )
        return gather_frames(wanted, self._picture_at, self.size_hw)

    def stream(self, every: int = 1) -> Iterator[tuple[int, np.ndarray, float]]:
        """Decode forwards from the first frame to the last, once, and give every n-th frame.

        The video's end is found by reaching it, without counting first; afterwards `len` is known
        at no cost. Frames between are decoded but not converted to RGB. Reading by index while a
        stream is under way is allowed; the stream then decodes again what it has to.

        Args:
            every: n; frames 0, n, 2n, ... are given.

        Yields:
            The frame's index, the same uint8 (H, W, 3) RGB picture as `read` gives, which belongs
            to the caller, and its time in seconds. Where only a whole pass tells whether the file's
            times can be trusted (raw and transport streams, AVI with B-frames; with OpenCV any
            file) and there was none yet, the time is index / fps.

        Raises:
            ValueError: `every` is below 1.
            VideoError: the file cannot be read on, or the reader is closed.
        """
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        return self._stream_frames(every)

    def _stream_frames(self, every: int) -> Iterator[tuple[int, np.ndarray, float]]:
        index = 0
        while (found := self._picture_or_end(index)) is not None:
            yield index, *found
            index += every

    def _picture_or_end(self, index: int) -> tuple[np.ndarray, float] | None:
        """As `_picture_at`, for a picture of the caller's own; None: the video ends before it."""
        return self._picture_at(index) if index < len(self) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_video(path: str | Path, backend: str = "auto") -> VideoReader:
    """Open a video for reading by frame index.

    Args:
        path: the file.
        backend: "pyav", "opencv", "decord", or "auto": PyAV, and where that is not installed or
            cannot open the file, the next one that can.

    Returns:
        The reader; use it in a `with` block or close it.

    Raises:
        VideoError: the file is missing, empty or no video.
        InputError: there is no backend of that name, or it is not installed.
    """
    if backend != "auto" and backend not in BACKENDS:
        raise InputError(
            f"video backend must be one of auto, {', '.join(BACKENDS)}; got {backend!r}"
        )
    path = Path(path)
    if not path.exists():
        raise VideoError(f"{path}: no such video file")
    if not path.is_file():
        raise VideoError(f"{path}: is not a file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the video file is empty (0 bytes)")
    if backend != "auto":
        return _open_with(backend, path)
    reasons = []
    for name in BACKENDS:
        try:
            return _open_with(name, path)
        except InputError as error:
            reasons.append(f"{name}: {str(error).removeprefix(f'{path}: ')}")
    raise VideoError(f"{path}: no backend can read this video ({'; '.join(reasons)})")


def _open_with(name: str, path: Path) -> VideoReader:
    module_name, class_name, package = BACKENDS[name]
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"the video backend {name} is not installed ({error}); "
            f"run `pip install {package}` or choose another backend"
        ) from error
    return getattr(module, class_name)(path)


def frame_seconds(times: Sequence[float | None], fps: float) -> np.ndarray:
    """Presentation times that count from the first frame, made from what a decoder reports.

    AVI and raw streams store no presentation times, and what decoders make up for their
    reordered frames jumps to and fro; then the frames are taken as equally spaced.

    Args:
        times: the decoder's time of each of T frames, in seconds, None where it has none.
        fps: frames per second, for the equal spacing.

    Returns:
        float64 (T,), in seconds.

    >>> frame_seconds([0.5, 1.5, 3.5], fps=25)
    array([0., 1., 3.])
    >>> frame_seconds([0.5, 3.5, 1.5], fps=25)
    array([0.  , 0.04, 0.08])
    """
    known = [time for time in times if time is not None]
    seconds = np.asarray(known, dtype=np.float64)
    if len(known) < len(times) or bool((np.diff(seconds) <= 0).any()):
        return np.arange(len(times), dtype=np.float64) / fps
    return seconds - seconds[:1]
