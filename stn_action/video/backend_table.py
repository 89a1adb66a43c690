"""Libraries that decode videos, by name; `open_video` chooses one."""

import importlib
import math
from collections.abc import Callable
from pathlib import Path

from stn_action.errors import InputError
from stn_action.extras import missing_extra
from stn_action.video.file_index import FileIndex
from stn_action.video.frame_folder import FrameFolderReader
from stn_action.video.reader import RefusedVideoError, VideoError, VideoReader
from stn_action.video.slice import SliceReader
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS, Backend, Reader

BACKENDS: dict[Backend, tuple[str, str]] = {
    "pyav": ("stn_action.video.pyav", "PyAVReader"),
    "opencv": ("stn_action.video.opencv", "OpenCVReader"),
    "decord": ("stn_action.video.decord_backend", "DecordReader"),
}
"""Module and class of each backend, in the order in which `auto` tries them: decord is
last because it refuses some files."""


def open_video(
    path: str | Path,
    backend: Reader = "auto",
    *,
    num_frames: int | None = None,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    max_pixels: int = MAX_PIXELS,
    frames_fps: float = DEFAULT_FPS,
    known: FileIndex | None = None,
) -> VideoReader:
    """Open a video, or a slice of one, for reading by frame index.

    A video is a file, or a folder of numbered JPEG or PNG images, one each frame: see
    `frame_names` in `frame_folder.py`. Its frames are numbered without gaps, from any number on.

    A slice holds the frames that are shown at times t with `start_seconds` <= t < `end_seconds`,
    counted from the file's first frame (see `VideoReader.frame_range`). Frame 0 is the first of
    them, and the times of frames count from it.

    Args:
        path: the file, or the folder of frames.
        backend: "pyav", "opencv", "decord", or "auto": PyAV, and if that is not installed or cannot
            open the file, the next one that can. Folders of frames are read without it.
        num_frames: how many frames a complete pass has given (a manifest has it). It saves counting
            them in files whose packets do not give it (raw streams, AVI with B-frames). Where the
            packets promise another number, a complete pass decides: the file is damaged and is read
            forwards from its start, or the number is wrong. Without packets to go by, the times of
            frames are index / fps until a stream has reached the end; a number that is too large is
            noticed when the video ends before a wanted frame, one that is too small when a stream
            passes it, other readings do not notice. The number of a slice is checked when it is
            opened, and saves nothing.
        start_seconds: start of the slice; None: the file's first frame.
        end_seconds: end of the slice, may be beyond the file's; None: the file's end.
        max_pixels: largest number of pixels of a frame; videos with larger ones are refused before
            a frame is decoded.
        frames_fps: frames per second of a folder of frames; not used for a file.
        known: what an earlier pass over the same content of the file has told (an index beside a
            manifest has it): PyAV then reads no packets to find the order of the frames. Other
            backends do not use it.

    Returns:
        The reader; use it in a `with` block or close it.

    Raises:
        VideoError: the file is missing, empty or no video, a folder does not hold the frames of one
            video, the frames are too large, or the slice holds no frame.
        InputError: there is no backend of that name, or it is not installed.
        ValueError: `num_frames` is below 1.
    """
    if num_frames is not None and num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}")
    if backend != "auto" and backend not in BACKENDS:
        raise InputError(
            f"video backend must be one of auto, {', '.join(BACKENDS)}; got {backend!r}"
        )
    path = Path(path)
    start, end = start_seconds or 0.0, math.inf if end_seconds is None else end_seconds
    if not (0 <= start < end and math.isfinite(start)):
        raise VideoError(
            f"{path}: expected a slice with 0 <= start_seconds < end_seconds, got start_seconds "
            f"{start_seconds} and end_seconds {end_seconds}; correct the video's entry in its list"
        )
    if start == 0 and end == math.inf:
        return _open_all(path, backend, num_frames, max_pixels, frames_fps, known)
    video = _open_all(path, backend, None, max_pixels, frames_fps, known)
    try:
        return SliceReader(video, start_seconds, end_seconds, num_frames)
    except BaseException:
        video.close()
        raise


def _open_all(
    path: Path,
    backend: Reader,
    num_frames: int | None,
    max_pixels: int,
    frames_fps: float,
    known: FileIndex | None,
) -> VideoReader:
    """Open a file or a folder of frames, not a slice of it."""
    if not path.exists():
        raise VideoError(f"{path}: no such video file")
    if path.is_dir():
        return FrameFolderReader(path, num_frames, max_pixels, frames_fps)
    return _open_file(path, backend, num_frames, max_pixels, known)


def _open_file(
    path: Path, backend: Reader, num_frames: int | None, max_pixels: int, known: FileIndex | None
) -> VideoReader:
    if not path.is_file():
        raise VideoError(f"{path}: is not a file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the video file is empty (0 bytes)")

    def open_with(name: Backend) -> VideoReader:
        about = {"known": known} if name == "pyav" and known is not None else {}
        return _reader_class(name)(path, num_frames, max_pixels, **about)

    if backend != "auto":
        return open_with(backend)
    reasons = []
    for name in BACKENDS:
        try:
            return open_with(name)
        except RefusedVideoError:
            raise
        except InputError as error:
            reasons.append(f"{name}: {str(error).removeprefix(f'{path}: ')}")
    raise VideoError(f"{path}: no backend can read this video ({'; '.join(reasons)})")


def _reader_class(name: Backend) -> Callable[..., VideoReader]:
    module_name, class_name = BACKENDS[name]
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"the video backend {name}: {missing_extra(error) or error}; or choose another backend"
        ) from error
    return getattr(module, class_name)
