"""What a file tells before its frames are wanted, for libraries that do not tell it rightly."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from stn_action.video.coded_order import order_check
from stn_action.video.container import (
    as_fraction,
    demux_packets,
    frame_orientation,
    open_container,
)
from stn_action.video.decoding import FrameDecoder
from stn_action.video.orientation import Orientation
from stn_action.video.packets import FrameIndex
from stn_action.video.reader import RefusedVideoError


@dataclass(frozen=True)
class VideoHeader:
    """Facts about a video file that FFmpeg finds in its header, its packets and its first frame."""

    fps: float
    """Frames per second on average."""

    times_are_believed: bool
    """The rate of the frames can be one of a video; else frame i is shown at i / `fps`."""

    orientation: Orientation
    """How the frames are mirrored and turned to be shown."""

    index: FrameIndex | None
    """The order of the frames; None: only decoding gives it."""

    time_base: Fraction
    """Seconds, the unit of the times in `index`."""

    num_streams: int
    """Video streams in the file, cover images included."""

    stream_number: int
    """Position among them of the one that is read."""

    num_packets: int
    """Packets of the video stream that are in the file."""

    num_declared: int
    """Frames that the file promises, by its count or else its duration; 0: it does not tell."""


def read_header(path: Path, max_pixels: int) -> VideoHeader:
    """Read a file's header and packets, and decode its first frame.

    Args:
        path: the file.
        max_pixels: largest number of pixels of a frame.

    Raises:
        VideoError: the file cannot be opened, holds no video or larger frames, or no frame decodes.
    """
    decoder = FrameDecoder(path, max_pixels)
    try:
        orientation = _first_orientation(decoder)
        container, stream = decoder.container, decoder.stream
        seconds = (container.duration or 0) / 1_000_000
        declared = stream.frames or round(seconds * float(stream.average_rate or 0))
        return VideoHeader(
            fps=decoder.fps,
            times_are_believed=decoder.times_are_believed,
            orientation=orientation,
            index=decoder.index,
            time_base=as_fraction(stream.time_base),
            num_streams=len(container.streams.video),
            stream_number=container.streams.video.index(stream),
            num_packets=decoder.num_packets,
            num_declared=declared,
        )
    finally:
        decoder.close()


def times_agree(path: Path) -> bool:
    """Return whether the times of all packets agree with their data, as far as it tells the order.

    Raises:
        VideoError: the file cannot be read.
    """
    container, stream = open_container(path)
    with container:
        check = order_check(stream.codec_context.name, stream.codec_context.extradata)
        packets = demux_packets(container, stream, path)
        return check is None or all(
            packet.pts is not None and check.agrees(bytes(packet), packet.pts)
            for packet in packets
            if packet.size > 1
        )


def _first_orientation(decoder: FrameDecoder) -> Orientation:
    for _, frame in decoder.frames_from(None):
        return frame_orientation(frame, decoder.path)
    # Other libraries might decode frames that FFmpeg refuses because of their size.
    raise RefusedVideoError(f"{decoder.path}: no frame of this video can be decoded")
