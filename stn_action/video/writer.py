"""Frames to H.264 video files."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from torch import Tensor

from stn_action.disk.atomic_file import replaced_file
from stn_action.disk.library_file import LibraryFile
from stn_action.video.reader import VideoError

SMALLEST_FPS, LARGEST_FPS = 0.001, 100_000
"""Frames per second that are written; a container could hold more."""
BT601 = 6
"""FFmpeg's number for SMPTE 170M, the color matrix by which RGB is converted here."""


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray | Tensor],
    *,
    fps: float,
    crf: int = 18,
    gop: int | None = None,
    fast_decode: bool = False,
) -> None:
    """Write frames to an H.264 MP4 (yuv420p), which gets its name only when finished.

    Equal frames give equal bytes. Odd sizes are padded by one row or column
    that repeats the edge, because yuv420p needs even ones.

    Args:
        path: the file, `.mp4`; its folder is created.
        frames: uint8 RGB images of one size, (H, W, 3) or (3, H, W).
        fps: frames per second.
        crf: constant rate factor, 0 to 51; lower is better and larger, 18 is visually lossless.
        gop: largest distance between keyframes, in frames; None: x264's choice (250).
        fast_decode: disable what makes decoding slow (CABAC, deblocking, weighted prediction):
            about half the time to decode, a file a tenth larger.

    Raises:
        ValueError: no frames, frames of unequal size or another type, or a bad setting.
        VideoError: the encoder refuses the frames.
        WriteError: the disk is full, or the file cannot be written for another reason.
    """
    path = Path(path)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"path must end in .mp4, got {path}")
    if (
        not SMALLEST_FPS <= fps <= LARGEST_FPS
        or not 0 <= crf <= 51
        or (gop is not None and gop < 1)
    ):
        raise ValueError(
            f"fps must be in [{SMALLEST_FPS}, {LARGEST_FPS}], crf in [0, 51], gop at least 1; "
            f"got fps {fps}, crf {crf}, gop {gop}"
        )
    # With macroblock trees x264 writes different bytes in every run, even on one thread.
    options = {"crf": str(crf), "x264-params": "mbtree=0"}
    if gop is not None:
        options["g"] = str(gop)
    if fast_decode:
        options["tune"] = "fastdecode"
    with replaced_file(path, sync=False) as file:
        library_file = LibraryFile(file)
        try:
            _encode(library_file, frames, Fraction(fps).limit_denominator(100_000), options, path)
        except FFmpegError as error:
            library_file.raise_error()
            raise VideoError(f"{path}: H.264 cannot hold such frames ({error.strerror})") from error
        library_file.raise_error()


def _encode(
    file: LibraryFile,
    frames: Iterable[np.ndarray | Tensor],
    rate: Fraction,
    options: dict[str, str],
    shown_path: Path,
) -> None:
    with av.open(file, "w", format="mp4") as container:
        stream = None
        size_hw = (0, 0)
        for number, frame in enumerate(frames):
            image = _image(frame, number)
            if stream is None:
                size_hw = image.shape[:2]
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.height, stream.width = (side + side % 2 for side in size_hw)
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = 1
                stream.codec_context.colorspace = BT601
            elif image.shape[:2] != size_hw:
                raise ValueError(
                    f"frames must have one size: frame {number} is {image.shape[:2]}, "
                    f"the first {size_hw}"
                )
            padded = np.pad(image, ((0, size_hw[0] % 2), (0, size_hw[1] % 2), (0, 0)), "edge")
            encoded = av.VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
            encoded.pts, encoded.time_base = number, 1 / rate
            encoded = encoded.reformat(format="yuv420p", interpolation="BICUBIC", threads=1)
            container.mux(stream.encode(encoded))
        if stream is None:
            raise ValueError(f"there are no frames to write to {shown_path}")
        container.mux(stream.encode(None))


def _image(frame: np.ndarray | Tensor, number: int) -> np.ndarray:
    """Convert one frame to (H, W, 3); channels last wins if both layouts are possible."""
    image = frame.detach().cpu().numpy() if isinstance(frame, Tensor) else np.asarray(frame)
    if image.ndim == 3 and image.dtype == np.uint8 and 0 not in image.shape:
        if image.shape[2] == 3:
            return image
        if image.shape[0] == 3:
            return image.transpose(1, 2, 0)
    raise ValueError(
        f"frames must be uint8 (H, W, 3) or (3, H, W), frame {number} is "
        f"{image.dtype} {image.shape}"
    )
