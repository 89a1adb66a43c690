"""Intact videos of many codecs and containers, small, encoded once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stress.sample import SIZE_HW, corners_of, draw

LENGTH = 20
"""Frames of a video."""
B_FRAMES = {"bf": "2", "g": "8"}
PLAIN = {"bf": "0", "g": "8"}
X264 = {"x264-params": "keyint=8:min-keyint=8:scenecut=0:bframes=2:b-adapt=0", "preset": "veryfast"}
OPEN = {**X264, "x264-params": X264["x264-params"] + ":open-gop=1"}
X265 = {"x265-params": "keyint=8:bframes=2:log-level=none:pools=none:frame-threads=1"}
EXACT = {"fflags": "+bitexact"}
"""Equal packets give equal bytes, without dates and random numbers."""
FAST_START = {"movflags": "+faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


@dataclass(frozen=True)
class Format:
    """A codec in a container."""

    name: str
    suffix: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    container: str | None = None
    """FFmpeg's name; None: by the suffix."""

    @property
    def is_mov(self) -> bool:
        """Its header consists of boxes."""
        return self.suffix in (".mp4", ".mov", ".m4v") and self.container is None

    @property
    def resizes(self) -> bool:
        """Frames may change their size in mid-stream: each group of them has a header."""
        return self.suffix == ".mpg" or self.container in ("h264", "m4v") or self.codec == "mjpeg"


FORMATS = (
    Format("h264", ".mp4", "libx264", X264),
    Format("h264_start", ".mp4", "libx264", X264, FAST_START),
    Format("h264_open", ".mp4", "libx264", OPEN),
    Format("h264_fragments", ".mp4", "libx264", X264, FRAGMENTS),
    Format("h264", ".mkv", "libx264", X264),
    Format("h264", ".avi", "libx264", X264),
    Format("h264", ".mov", "libx264", X264),
    Format("h264_ts", ".mpg", "libx264", X264, container="mpegts"),
    Format("h264_raw", ".m4v", "libx264", X264, container="h264"),
    Format("hevc", ".mp4", "libx265", X265),
    Format("hevc", ".mkv", "libx265", X265),
    Format("mpeg4", ".avi", "mpeg4", PLAIN),
    Format("mpeg4_b", ".avi", "mpeg4", B_FRAMES),
    Format("mpeg4_b", ".mp4", "mpeg4", B_FRAMES),
    Format("mpeg4_raw", ".m4v", "mpeg4", PLAIN, container="m4v"),
    Format("mjpeg", ".avi", "mjpeg", pixels="yuvj420p"),
    Format("mjpeg", ".mov", "mjpeg", pixels="yuvj420p"),
    Format("mpeg2", ".mpg", "mpeg2video", B_FRAMES),
    Format("mpeg2", ".mkv", "mpeg2video", B_FRAMES),
    Format("vp8", ".webm", "libvpx", {"cpu-used": "8", "deadline": "realtime"}),
    Format("vp9", ".webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
    Format("wmv2", ".wmv", "wmv2", PLAIN),
    Format("ffv1", ".mkv", "ffv1"),
    Format("prores", ".mov", "prores", pixels="yuv422p10le"),
)


class IntactFiles:
    """The videos of all formats, in a folder; each is encoded when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, form: Format) -> Path:
        """Return the file of a format."""
        path = self.folder / f"{form.name}{form.suffix}"
        if not path.exists():
            unfinished = self.folder / f"unfinished{form.suffix}"
            encode(unfinished, form, images(form.name))
            unfinished.replace(path)
        return path


def images(name: str, length: int = LENGTH) -> Iterator[np.ndarray]:
    """Yield the frames of a video of that name."""
    random = np.random.default_rng(list(name.encode()))
    return draw(corners_of("right", length, random), random)


def encode(path: Path, form: Format, frames: Iterator[np.ndarray]) -> None:
    """Write frames of one size as a video of a format."""
    with av.open(
        str(path), "w", format=form.container, options={**form.muxer, **EXACT}
    ) as container:
        stream = container.add_stream(form.codec, rate=10, options=form.options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = SIZE_HW
        stream.pix_fmt = form.pixels
        stream.codec_context.thread_count = 1
        stream.codec_context.bit_rate = 400_000
        stream.codec_context.time_base = Fraction(1, 10)
        for number, image in enumerate(frames):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
