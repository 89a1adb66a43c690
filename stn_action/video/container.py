"""Files opened with FFmpeg: their video stream, its packets and its frame rate."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.error import EOFError as NoMoreDataError
from av.error import FFmpegError, InvalidDataError
from av.sidedata.sidedata import SideData, SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition

from stn_action.video.nal_units import refreshes
from stn_action.video.orientation import Orientation, matrix_orientation, photo_orientation
from stn_action.video.packets import FrameIndex, Packet, index_frames
from stn_action.video.reader import RefusedVideoError, VideoError, too_large_error
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS

REFUSED_FORMATS = {"tty"}
"""FFmpeg plays text files as terminal recordings; these are no videos to train on."""


BELIEVED_FPS = (0.001, 10_000.0)
"""From a frame in a quarter of an hour (time lapse) to fast cameras. Where the rate is another one,
the times of single frames are not believed either: frame i is shown at i / `DEFAULT_FPS`."""


def open_container(
    path: Path, max_pixels: int = MAX_PIXELS
) -> tuple[InputContainer, av.VideoStream]:
    """Open a file and select its video stream, to be decoded by one thread.

    Args:
        path: the file.
        max_pixels: largest number of pixels of a frame; FFmpeg does not decode larger ones.

    Raises:
        RefusedVideoError: the file holds no video, or larger frames.
        VideoError: it cannot be opened, or FFmpeg cannot decode it.
    """
    options = {"max_pixels": str(max_pixels)}
    try:
        container = _container(path, options)
    except FFmpegError as error:
        raise VideoError(f"{path}: is not a readable video ({error.strerror})") from error
    stream = container.streams.best("video")
    if (
        container.format.name in REFUSED_FORMATS
        or not isinstance(stream, av.VideoStream)
        or stream.disposition & Disposition.attached_pic  # the cover of a sound file
    ):
        container.close()
        raise RefusedVideoError(f"{path}: holds no video stream")
    if stream.codec_context is None:
        container.close()
        raise VideoError(f"{path}: its codec is unknown to FFmpeg")
    context = stream.codec_context
    size_hw = context.height, context.width
    if size_hw == (0, 0):  # unknown, or forgotten because of the limit
        size_hw = _promised_size(path)
    if size_hw[0] * size_hw[1] > max_pixels:
        container.close()
        raise too_large_error(path, size_hw, max_pixels)
    context.thread_count = 1
    context.options = options
    return container, stream


def _promised_size(path: Path) -> tuple[int, int]:
    """Return height and width that a file gives before a frame is decoded; 0: none."""
    with _container(path, {"skip_frame": "all"}) as container:
        stream = container.streams.best("video")
        assert isinstance(stream, av.VideoStream)
        return stream.codec_context.height, stream.codec_context.width


def _container(path: Path, decoder_options: dict[str, str]) -> InputContainer:
    url, options = f"file:{path}", {"protocol_whitelist": "file", **decoder_options}
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
    codec, extradata = stream.codec_context.name, stream.codec_context.extradata
    packets = demux_packets(container, stream, Path(container.name))
    return [packet_facts(packet, codec, extradata) for packet in packets]


def packet_facts(packet: av.Packet, codec: str, extradata: bytes | None) -> Packet:
    """Return what a packet tells without being decoded.

    Args:
        packet: of the video stream.
        codec: FFmpeg's name of it.
        extradata: the decoder's configuration.
    """
    refreshing = refreshes(codec, extradata, bytes(packet)) if packet.is_keyframe else None
    return Packet(
        packet.pts, packet.dts, packet.pos, packet.size, packet.is_keyframe, packet.is_discard,
        packet.is_corrupt, refreshing,
    )  # fmt: skip


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


def measured_rate(
    container: InputContainer,
    stream: av.VideoStream,
    packets: list[Packet],
    index: FrameIndex | None,
) -> float:
    """Compute the average frames per second from the packets' times, else from the header.

    A header comes last: AVI with H.264 counts in halves of a frame there, and FFmpeg reports 25 for
    every raw stream.
    """
    if index is not None and len(index.display_pts) > 1:
        pts = index.display_pts
        return float((len(pts) - 1) / ((pts[-1] - pts[0]) * as_fraction(stream.time_base)))
    step = decoding_step([packet.dts for packet in packets])
    if step:
        return float(1 / (step * as_fraction(stream.time_base)))
    rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else DEFAULT_FPS


def decoding_step(dts: Sequence[int | None]) -> Fraction | None:
    """Return the usual distance of packets, in units of the time base; None: there is none."""
    steps = np.diff([time for time in dts if time is not None])
    if not len(steps) or bool((steps <= 0).any()):
        return None
    return Fraction(median(steps.tolist()))


def is_believed(rate: float) -> bool:
    """Return whether a rate can be one of a video, and not of a damaged header."""
    return BELIEVED_FPS[0] <= rate <= BELIEVED_FPS[1]


def frame_orientation(frame: av.VideoFrame, path: Path) -> Orientation:
    """Return how a decoded frame is mirrored and turned to be shown.

    Args:
        frame: any of the file, which have one orientation.
        path: the file.
    """
    try:
        side_data = cast(SideDataContainer, frame.side_data)
    except ValueError:
        # PyAV 18 fails on data that it has no name for: EXIF of photos, views of stereo video.
        # Its own angle cannot tell a mirrored frame from a turned one, the EXIF itself can.
        turned = Orientation(quarter_turns=round(frame.rotation / 90) % 4)
        return photo_orientation(path) or turned
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return Orientation()
    return matrix_orientation(np.frombuffer(bytes(cast(SideData, matrix)), np.int32).tolist())


def as_fraction(number) -> Fraction:
    """Convert FFmpeg's rational number to Python's."""
    return Fraction(number.numerator, number.denominator)
