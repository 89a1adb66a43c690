"""Files opened with FFmpeg: their video stream, its packets and its frame rate."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
from av.container import InputContainer
from av.error import EOFError as NoMoreDataError
from av.error import FFmpegError, InvalidDataError
from av.format import Flags

from stn_action.video.packets import FrameIndex, Packet, index_frames, shown_packets
from stn_action.video.reader import VideoError

REFUSED_FORMATS = {"tty"}
"""FFmpeg plays text files as terminal recordings; these are no videos to train on."""


def open_container(path: Path) -> tuple[InputContainer, av.VideoStream]:
    """Open a file and select its video stream, to be decoded by one thread.

    Raises:
        VideoError: the file cannot be opened or holds no video that FFmpeg can decode.
    """
    try:
        container = _container(path)
    except FFmpegError as error:
        raise VideoError(f"{path}: is not a readable video ({error.strerror})") from error
    stream = container.streams.best("video")
    if container.format.name in REFUSED_FORMATS or not isinstance(stream, av.VideoStream):
        container.close()
        raise VideoError(f"{path}: holds no video stream")
    if stream.codec_context is None:
        container.close()
        raise VideoError(f"{path}: its codec is unknown to FFmpeg")
    stream.codec_context.thread_count = 1
    return container, stream


def _container(path: Path) -> InputContainer:
    url, options = f"file:{path}", {"protocol_whitelist": "file"}
    try:
        return av.open(url, options=options)
    except UnicodeDecodeError:  # titles that are not UTF-8; PyAV 19 reads them
        return av.open(url, options=options, metadata_errors="replace")


def demux_packets(
    container: InputContainer, stream: av.VideoStream, path: Path
) -> Iterator[av.Packet]:
    """Yield the packets of the stream, up to the end of the file.

    Raises:
        VideoError: the file cannot be read.
    """
    try:
        # An empty packet means the end of the video to the decoder.
        yield from (packet for packet in container.demux(stream) if packet.size > 0)
    except (InvalidDataError, NoMoreDataError):
        return  # truncated: the packets before are all there are
    except FFmpegError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error


def read_packets(container: InputContainer, stream: av.VideoStream) -> list[Packet]:
    """Read the packets of a newly opened video, without decoding them."""
    return [
        Packet(p.pts, p.dts, p.pos, p.size, p.is_keyframe, p.is_discard, p.is_corrupt)
        for p in demux_packets(container, stream, Path(container.name))
    ]


def packet_index(path: Path) -> FrameIndex | None:
    """Order a video's frames by its packets; None if only decoding gives the order.

    Raises:
        VideoError: the file cannot be opened.
    """
    container, stream = open_container(path)
    with container:
        return stream_index(container, stream, read_packets(container, stream))


def stream_index(
    container: InputContainer, stream: av.VideoStream, packets: list[Packet]
) -> FrameIndex | None:
    """Order the frames of an open video by its packets; None if only decoding gives the order."""
    return index_frames(
        packets,
        containers=set(container.format.name.split(",")),
        codec=stream.codec_context.name,
        reorders=bool(stream.codec_context.has_b_frames),
    )


def frames_per_second(
    container: InputContainer,
    stream: av.VideoStream,
    packets: list[Packet],
    index: FrameIndex | None,
) -> float:
    """Compute the average rate from the index, a raw stream's packets or the header (else 25)."""
    base = as_fraction(stream.time_base)
    if index is not None and len(index.display_pts) > 1:
        pts = index.display_pts
        return float((len(pts) - 1) / ((pts[-1] - pts[0]) * base))
    dts = [packet.dts for packet in shown_packets(packets) if packet.dts is not None]
    if container.format.flags & Flags.no_timestamps.value and len(dts) > 1:
        # FFmpeg reports 25 for every raw stream; its parser has the rate.
        return float(1 / (median(np.diff(dts).tolist()) * base))
    return float(stream.average_rate or stream.guessed_rate or 25)


def as_fraction(number) -> Fraction:
    """Convert FFmpeg's rational number to Python's."""
    return Fraction(number.numerator, number.denominator)
