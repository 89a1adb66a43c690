"""Small videos that are hard to read by index, described as data, and the slow way to read them."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from zlib import crc32

import av
import numpy as np

TURNED = {  # the top left of the matrix in an MP4 track header: turn by k quarters, anticlockwise
    0: (1, 0, 0, 1),
    1: (0, -1, 1, 0),
    2: (-1, 0, 0, -1),
    3: (0, 1, -1, 0),
}


@dataclass(frozen=True)
class Clip:
    name: str
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    size_hw: tuple[int, int] = (48, 64)
    pixels: str = "yuv420p"
    container: str | None = None
    times: tuple[int, ...] = tuple(range(0, 240, 4))
    """When each frame is shown, in hundredths of a second."""
    quarter_turns: int = 0
    seekable: bool = True
    """PyAV can start at a keyframe."""
    decord: str = "exact"
    """"exact", "refused" or "fails"."""

    @property
    def seconds(self) -> np.ndarray:
        return (np.array(self.times) - self.times[0]) / 100


CLOSED = {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0"}
OPEN = {"x264-params": CLOSED["x264-params"] + ":open-gop=1"}
REFRESH = {"x264-params": "keyint=20:intra-refresh=1:bframes=0"}
B_FRAMES = {"bf": "2", "g": "12"}
NO_B_FRAMES = {"bf": "0", "g": "12"}
UNEVEN = tuple(np.cumsum(np.random.default_rng(1).integers(1, 9, 60)).tolist())

CLIPS = [
    Clip("h264_b.mp4", options=CLOSED),
    Clip("h264_open_gop.mp4", options=OPEN, decord="refused"),
    Clip("h264_open_gop.mkv", options=OPEN, decord="refused"),
    Clip("h264_b.avi", options=CLOSED, seekable=False, decord="refused"),
    Clip("h264_open_gop.avi", options=OPEN, seekable=False, decord="refused"),
    Clip("h264_intra_refresh.mp4", options=REFRESH, seekable=False, decord="refused"),
    Clip("mpeg4_b.avi", "mpeg4", B_FRAMES, seekable=False, decord="refused"),
    Clip("mpeg4_b.mp4", "mpeg4", B_FRAMES, decord="refused"),
    Clip("mpeg4.avi", "mpeg4", NO_B_FRAMES),
    Clip("mpeg4_raw.mp4", "mpeg4", NO_B_FRAMES, container="m4v", seekable=False, decord="fails"),
    Clip("h264_raw.h264", options=CLOSED, seekable=False, decord="fails"),
    Clip("transport.ts", options=CLOSED, seekable=False, decord="refused"),
    Clip("uneven.mp4", options=CLOSED, times=UNEVEN),
    Clip("uneven_open_gop.mkv", options=OPEN, times=UNEVEN, decord="refused"),
    Clip("odd.mp4", options=CLOSED, size_hw=(49, 63), pixels="yuv444p"),
    Clip("odd.avi", "mpeg4", NO_B_FRAMES, size_hw=(49, 63)),
    Clip("turned_1.mp4", options=CLOSED, size_hw=(62, 98), quarter_turns=1),
    Clip("turned_2.mp4", options=CLOSED, size_hw=(62, 98), quarter_turns=2),
    Clip("turned_3.mp4", options=CLOSED, size_hw=(62, 98), quarter_turns=3),
    Clip("one_frame.mp4", times=(0,)),
]


def images(num_frames: int, size_hw: tuple[int, int]) -> Iterator[np.ndarray]:
    """Moving stripes; the gray of the top left corner tells the number of the frame."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    for number in range(num_frames):
        stripes = [3 * x + 7 * number, 5 * y + 4 * number, x + y + 5 * number]
        image = np.stack([np.abs(stripe % 256 - 128) + 60 for stripe in stripes], -1)
        image[:16, :16] = 20 + 3 * number
        yield image.astype(np.uint8)


def number_shown(image: np.ndarray) -> int:
    """Read the frame's number from its top left corner."""
    return round((float(image[4:12, 4:12].mean()) - 20) / 3)


def write_clip(folder: Path, clip: Clip) -> Path:
    path = folder / clip.name
    base = Fraction(1, 100 if clip.times == UNEVEN else 25)
    with av.open(str(path), "w", format=clip.container, options=_muxer(path)) as container:
        stream = container.add_stream(clip.codec, rate=25, options=clip.options)
        stream.height, stream.width = clip.size_hw
        stream.pix_fmt = clip.pixels
        stream.codec_context.thread_count = 1
        stream.codec_context.bit_rate = 2_000_000
        stream.codec_context.time_base = base
        pairs = zip(images(len(clip.times), clip.size_hw), clip.times, strict=True)
        for image, hundredths in pairs:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = int(Fraction(hundredths, 100) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if clip.quarter_turns:
        write_matrix(path, TURNED[clip.quarter_turns])
    return path


def _muxer(path: Path) -> dict[str, str]:
    return {"movflags": "+faststart"} if path.suffix == ".mp4" else {}


def write_matrix(path: Path, corner: tuple[int, int, int, int]) -> None:
    """Write the matrix into the track header, behind 40 bytes of other fields."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (value * 65536 for value in corner)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = matrix
    path.write_bytes(data)


def remux(source: Path, target: Path, pts_of: Callable[[int, int], int], delay: int = 0) -> Path:
    """Copy a video's packets, as `ffmpeg -c copy` does, with other presentation times.

    `pts_of` takes a packet's number in the file and its time in frames; packet n is to be decoded
    at n - `delay`, not after it is shown.
    """
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        frame = 1 / Fraction(old.streams.video[0].average_rate)
        for number, packet in enumerate(p for p in old.demux(video=0) if p.size):
            time = round(packet.pts * packet.time_base / frame)
            packet.stream, packet.time_base = stream, frame
            packet.pts = pts_of(number, time)
            packet.dts = number - delay
            new.mux(packet)
    return target


def decode_all(path: Path) -> Iterator[np.ndarray]:
    """The slow obvious reference: decode the whole file in order; (H, W, 3), not turned."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in [*container.demux(stream)]:
            try:
                frames = stream.decode(packet if packet.size else None)
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                yield frame.to_ndarray(format="rgb24", interpolation="BICUBIC", threads=1)


def checksums(path: Path, quarter_turns: int = 0) -> list[int]:
    """One checksum for each frame of the reference, turned as it is to be shown."""
    return [checksum(np.rot90(image, quarter_turns)) for image in decode_all(path)]


def checksum(image: np.ndarray) -> int:
    return crc32(np.ascontiguousarray(image))
