"""PyAV (FFmpeg) behind the reader interface: exact, and the default."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from statistics import median

import av
import numpy as np
from av.container import InputContainer
from av.error import EOFError as NoMoreDataError
from av.error import FFmpegError, InvalidDataError
from av.format import Flags

from stn_action.video.frames import Frames
from stn_action.video.packets import FrameIndex, Packet, Start, index_frames, shown
from stn_action.video.reader import VideoError, VideoReader, frame_seconds

REFUSED_FORMATS = {"tty"}
"""FFmpeg plays text files as terminal recordings; nobody who trains on a video wants that."""

INTRA = 1
"""FFmpeg's number for a picture type that refers to no other picture."""


class PyAVReader(VideoReader):
    """Reads by index: seeks where the packets' times can be trusted, else decodes forwards.

    A seek is checked, not believed: the first packet must be the keyframe's, the keyframe must
    come out whole, and every frame after it must carry the time that the index foretells. Where
    that fails, the reader falls back to decoding from the start. A file that is damaged in its
    middle may show this, and have fewer frames, only when a frame near the damage is read.
    """

    backend = "pyav"

    def __init__(self, path: Path):
        self.path = path
        self.num_decoded = 0
        """Frames that the decoder has put out so far: what the reading has cost."""
        self._container, self._stream = _open(path)
        try:
            packets = scan_packets(self._container, self._stream)
            self._whole = self._stream.frames == len(packets) and not any(
                packet.corrupt for packet in packets
            )
            self._index = _index(self._container, self._stream, packets)
            self.fps = _fps(self._container, self._stream, packets, self._index)
            self._num_frames: int | None = None
            self._seconds: np.ndarray | None = None
            self._restart()
            self._held = self._first_frame()
            self._held_index, self._next_index = 0, 1
            self._quarter_turns = round(self._held.rotation / 90) % 4
            height, width = self._held.height, self._held.width
            self.size_hw = (width, height) if self._quarter_turns % 2 else (height, width)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        if self._num_frames is None:
            self._require_open()
            try:
                self._num_frames = self._count()
            except _WrongIndexError:
                self._forget_index()
                self._num_frames = self._count()
        return self._num_frames

    def read(self, indices: Sequence[int]) -> Frames:
        """Decode the frames of these indices: see `VideoReader.read`."""
        self._require_open()
        try:
            return super().read(indices)
        except _WrongIndexError:
            self._forget_index()
            return super().read(indices)

    def close(self) -> None:
        """Give back the file and the decoder."""
        self._frames = iter(())
        self._held = None
        self._container.close()
        self._closed = True

    def _require_open(self) -> None:
        if getattr(self, "_closed", False):
            raise VideoError(f"{self.path}: the reader is closed; open the video again")

    def _forget_index(self) -> None:
        """From now on decode from the start and number the frames by what comes out."""
        self._index = self._num_frames = self._held = None

    def _first_frame(self) -> av.VideoFrame:
        try:
            frame = next(self._frames, None)
        except _WrongIndexError:
            self._forget_index()
            self._restart()
            frame = next(self._frames, None)
        if frame is None:
            raise VideoError(f"{self.path}: no frame of this video can be decoded")
        return frame

    def _picture_at(self, index: int) -> tuple[np.ndarray, float]:
        picture = self._frame_at(index).to_ndarray(
            format="rgb24",
            interpolation="BICUBIC",  # OpenCV's choice; it matters for odd sizes only
            threads=1,
        )
        picture = np.rot90(picture, self._quarter_turns)
        if picture.shape[:2] != self.size_hw:
            raise VideoError(
                f"{self.path}: frame {index} is {picture.shape[0]}x{picture.shape[1]} pixels, the "
                f"first {self.size_hw[0]}x{self.size_hw[1]}; re-encode the video to one size"
            )
        if self._index is None:
            assert self._seconds is not None  # read() has asked for the length
            return picture, float(self._seconds[index])
        pts = self._index.display_pts
        return picture, float((pts[index] - pts[0]) * _fraction(self._stream.time_base))

    def _frame_at(self, index: int) -> av.VideoFrame:
        if self._held is not None and self._held_index == index:
            return self._held
        start = self._index.start_before(index) if self._index is not None else None
        first = start.rank if start is not None else 0
        if index < self._next_index or first > self._next_index:
            self._restart(start)
        while self._next_index <= index:
            frame = next(self._frames, None)
            if frame is None:
                if self._index is not None:
                    raise _WrongIndexError
                raise VideoError(f"{self.path}: frame {index} can no longer be decoded")
            self._held, self._held_index = frame, self._next_index
            self._next_index += 1
        assert self._held is not None
        return self._held

    def _count(self) -> int:
        if self._index is not None:
            if self._whole:
                return len(self._index.display_pts)
            self._restart(self._index.starts[-1])
            self._next_index += sum(1 for _ in self._frames)
            return self._next_index
        if self._held is None or self._next_index > 1:
            self._restart()
        base = _fraction(self._stream.time_base)
        held = [] if self._held is None else [self._held]
        times = [None if f.pts is None else float(f.pts * base) for f in chain(held, self._frames)]
        self._seconds = frame_seconds(times, self.fps)
        self._next_index = len(times)
        return len(times)

    def _restart(self, start: Start | None = None) -> None:
        """Let `_frames` go on with the frame at `start`, or with the first one."""
        self._held = None
        if self._index is None:
            self._container.close()  # raw streams cannot be rewound, only opened again
            self._container, self._stream = _open(self.path)
            self._frames, self._next_index = self._decoded(None), 0
        else:
            start = start or self._index.starts[0]
            try:
                self._container.seek(start.pts, stream=self._stream)
            except FFmpegError:
                raise _WrongIndexError from None
            self._frames, self._next_index = self._indexed(self._index, start), start.rank

    def _indexed(self, index: FrameIndex, start: Start) -> Iterator[av.VideoFrame]:
        """Yield the frames from `start` on, each checked against the index."""
        rank = start.rank
        sought = start != index.starts[0]
        for frame in self._decoded(start.position):
            if frame.pts is not None and frame.pts < start.pts:
                continue  # shown before the keyframe, and broken: it refers to frames before it
            if rank >= len(index.display_pts) or frame.pts != index.display_pts[rank]:
                raise _WrongIndexError
            whole = frame.key_frame and frame.pict_type == INTRA
            if sought and (frame.is_corrupt or (rank == start.rank and not whole)):
                raise _WrongIndexError
            rank += 1
            yield frame

    def _decoded(self, position: int | None) -> Iterator[av.VideoFrame]:
        """Yield what decodes, from the packet at byte `position` on; skip what does not."""
        reached = position is None
        for packet in chain(_demuxed(self._container, self._stream, self.path), [None]):
            reached = reached or (packet is not None and packet.pos == position)
            if not reached:
                continue
            try:
                frames = self._stream.decode(packet)  # None: what the decoder still holds back
            except FFmpegError:
                continue
            self.num_decoded += len(frames)
            yield from frames
        if not reached:
            raise _WrongIndexError


class _WrongIndexError(Exception):
    """The file does not decode as its packets foretell."""


def packet_index(path: Path) -> FrameIndex | None:
    """Order a video's frames by its packets; None where only decoding tells.

    Raises:
        VideoError: the file cannot be opened.
    """
    container, stream = _open(path)
    with container:
        return _index(container, stream, scan_packets(container, stream))


def scan_packets(container: InputContainer, stream: av.VideoStream) -> list[Packet]:
    """Read the packets of a freshly opened video, without decoding them."""
    return [
        Packet(p.pts, p.dts, p.pos, p.size, p.is_keyframe, p.is_discard, p.is_corrupt)
        for p in _demuxed(container, stream, Path(container.name))
    ]


def _demuxed(container: InputContainer, stream: av.VideoStream, path: Path) -> Iterator[av.Packet]:
    try:
        # A packet of no bytes would tell the decoder that the video ends.
        yield from (packet for packet in container.demux(stream) if packet.size > 0)
    except (InvalidDataError, NoMoreDataError):
        return  # cut off: what came before is all there is
    except FFmpegError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error


def _open(path: Path) -> tuple[InputContainer, av.VideoStream]:
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
        raise VideoError(f"{path}: is coded in a way that FFmpeg does not know")
    stream.codec_context.thread_count = 1
    return container, stream


def _container(path: Path) -> InputContainer:
    url, options = f"file:{path}", {"protocol_whitelist": "file"}
    try:
        return av.open(url, options=options)
    except UnicodeDecodeError:  # titles that are not UTF-8; PyAV 19 reads them as they are
        return av.open(url, options=options, metadata_errors="replace")


def _index(
    container: InputContainer, stream: av.VideoStream, packets: list[Packet]
) -> FrameIndex | None:
    return index_frames(
        packets,
        containers=set(container.format.name.split(",")),
        codec=stream.codec_context.name,
        reorders=bool(stream.codec_context.has_b_frames),
    )


def _fps(
    container: InputContainer,
    stream: av.VideoStream,
    packets: list[Packet],
    index: FrameIndex | None,
) -> float:
    base = _fraction(stream.time_base)
    if index is not None and len(index.display_pts) > 1:
        pts = index.display_pts
        return float((len(pts) - 1) / ((pts[-1] - pts[0]) * base))
    dts = [packet.dts for packet in shown(packets) if packet.dts is not None]
    if container.format.flags & Flags.no_timestamps.value and len(dts) > 1:
        # FFmpeg says 25 for every raw stream; its parser knows better.
        return float(1 / (median(np.diff(dts).tolist()) * base))
    return float(stream.average_rate or stream.guessed_rate or 25)


def _fraction(number) -> Fraction:
    return Fraction(number.numerator, number.denominator)
