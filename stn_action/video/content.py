"""What a video consists of on the disk, a file or a folder of frames: size, date and checksum."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from stn_action.checksum import DIGEST_BYTES, checksum, slice_label
from stn_action.video.frame_folder import image_names
from stn_action.video.video_choices import DEFAULT_FPS


class VideoState(NamedTuple):
    """The cheap signs of a change; while they stay equal, the content is not read again."""

    bytes: int
    """Size of the file, or of all frames."""
    modified: int
    """Time of the last change, of the folder too, nanoseconds since 1970."""


def video_state(path: Path) -> VideoState:
    """Return the size and date of a file, or of the frames of a folder.

    Raises:
        OSError: it cannot be read.
    """
    status = path.stat()
    if not path.is_dir():
        return VideoState(status.st_size, status.st_mtime_ns)
    frames = [(path / name).stat() for name in image_names(path)]
    modified = max(one.st_mtime_ns for one in [status, *frames])
    return VideoState(sum(frame.st_size for frame in frames), modified)


def content_checksum(path: Path) -> str:
    """Return the `checksum` of a file, or the digest of names and contents of a folder's frames.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return checksum(path)
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name in image_names(path):
        digest.update(f"{name} {checksum(path / name)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def video_checksum(
    path: str | Path,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    frames_fps: float = DEFAULT_FPS,
) -> str:
    """Return the checksum of a video's content, followed by the label of the slice if it is one.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(path)
    return content_checksum(path) + video_slice_label(path, start_seconds, end_seconds, frames_fps)


def video_slice_label(
    path: Path, start_seconds: float | None, end_seconds: float | None, frames_fps: float
) -> str:
    """Return the `slice_label` of a slice; that of a folder of frames depends on its rate."""
    label = slice_label(start_seconds, end_seconds)
    return f"{label}@{float(frames_fps)}" if label and path.is_dir() else label
