"""What one pass over a file tells: the order of its frames, and where decoding can start.

The times of packets are believed where the container stores them and every frame that comes out of
the decoder has its own. Other files (AVI with B-frames, raw and transport streams) are decoded
again from each keyframe: it is a start if the same pixels come out.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zlib import adler32

import av
from av.container import InputContainer

from stn_action.video.coded_order import order_check
from stn_action.video.container import (
    frame_orientation,
    measured_rate,
    packet_facts,
    stream_index,
)
from stn_action.video.decoding import INTRA, FrameDecoder, WrongIndexError
from stn_action.video.file_index import FileIndex
from stn_action.video.packets import FrameIndex, Packet, Start, is_ascending
from stn_action.video.video_choices import MAX_PIXELS

SOUGHT_BY_TIME = {"avi", "mov", "mp4", "matroska", "webm"}
"""Containers in which packets are found by time; in others by their bytes."""


class _Decoded(NamedTuple):
    """What a pass keeps of a frame."""

    pts: int | None
    is_keyframe: bool
    is_intact: bool
    """A keyframe that refers to no other frame; a refresh in parts is none."""
    digest: int
    """Of its brightness."""


class FilePass:
    """A pass from the first packet to the last; each packet and each frame is reported to it."""

    def __init__(self, container: InputContainer, stream: av.VideoStream) -> None:
        """Begin a pass over a newly opened file."""
        self._container, self._stream = container, stream
        context = stream.codec_context
        self._codec, self._extradata = context.name, context.extradata
        self._check = order_check(self._codec, self._extradata)
        self._agrees = self._check is not None
        self._packets: list[Packet] = []
        self._frames: list[_Decoded] = []
        self._first: av.VideoFrame | None = None

    def add_packet(self, packet: av.Packet) -> None:
        """Note a packet, before it is decoded."""
        self._packets.append(packet_facts(packet, self._codec, self._extradata))
        if self._agrees and self._check is not None and packet.size > 1:
            in_order = packet.pts is not None and self._check.agrees(bytes(packet), packet.pts)
            self._agrees = in_order

    def add_frame(self, frame: av.VideoFrame) -> None:
        """Note a decoded frame."""
        self._first = self._first or frame
        is_intact = frame.key_frame and frame.pict_type == INTRA
        self._frames.append(_Decoded(frame.pts, frame.key_frame, is_intact, _digest(frame)))

    def index(self, path: Path, max_pixels: int = MAX_PIXELS) -> FileIndex | None:
        """Return the index after all frames were decoded; None: only decoding gives their order.

        Files whose packets do not tell the order are decoded once more. Call it before the file is
        closed.

        Args:
            path: the file; it was decoded without any error.
            max_pixels: of `open_container`.

        Raises:
            VideoError: it cannot be opened again.
        """
        order = self._packet_order()
        times = [frame.pts for frame in self._frames]
        if order is not None and times == list(order.display_pts):
            index = self._file_index(order, path, times_are_exact=True)
            return _with_starts(
                index, [start for start in order.starts if self._frames[start.rank].is_intact]
            )
        for candidate in self._candidates(path):
            if (proven := _proven(candidate, self._frames, path, max_pixels)) is not None:
                return proven
        return None

    def index_by_packets(self, path: Path) -> FileIndex | None:
        """Return the index after all packets were read and the first frame was decoded.

        Call it before the file is closed. None: the packets do not tell the order, or some may be
        missing.
        """
        found = len(self._packets) == self._stream.frames
        whole = found and not any(packet.corrupt for packet in self._packets)
        order = self._packet_order()
        if not whole or order is None or self._first is None:
            return None
        return self._file_index(order, path, times_are_exact=True)

    def _packet_order(self) -> FrameIndex | None:
        """Return the order of the frames by their packets; None: their own data contradict it."""
        if self._check is not None and not self._agrees:
            return None
        return stream_index(self._container, self._stream, self._packets)

    def _candidates(self, path: Path) -> list[FileIndex]:
        """Return the indices to be proven, the better one first."""
        keyframes = [packet for packet in self._packets if packet.keyframe and packet.size > 1]
        ranks = [rank for rank, frame in enumerate(self._frames) if frame.is_keyframe]
        if ranks[:1] != [0] or len(keyframes) != len(ranks):
            return []
        by_bytes = not SOUGHT_BY_TIME & set(self._container.format.name.split(","))
        times = [frame.pts for frame in self._frames if frame.pts is not None]
        are_exact = len(times) == len(self._frames) and is_ascending(times)
        display = times if are_exact else range(len(self._frames))
        placed = [
            (rank, packet.position, packet.dts)
            for rank, packet in zip(ranks, keyframes, strict=True)
            if packet.position is not None and (by_bytes or packet.dts is not None)
        ]
        if not placed or placed[0][0] != 0:
            return []
        counted = tuple(Start(rank, dts or 0, position) for rank, position, dts in placed)
        found = [FrameIndex(display, counted, False, is_counted=True, by_bytes=by_bytes)]
        if are_exact and self._agrees:
            timed = tuple(Start(rank, display[rank], position) for rank, position, _ in placed)
            found.insert(0, FrameIndex(display, timed, False, by_bytes=by_bytes))
        return [self._file_index(frames, path, times_are_exact=are_exact) for frames in found]

    def _file_index(self, frames: FrameIndex, path: Path, *, times_are_exact: bool) -> FileIndex:
        assert self._first is not None, "no frame was decoded"
        timed = stream_index(self._container, self._stream, self._packets)
        orientation = frame_orientation(self._first, path)
        return FileIndex(
            frames,
            fps=measured_rate(self._container, self._stream, self._packets, timed),
            size_hw=orientation.size_hw(self._first.height, self._first.width),
            orientation=orientation,
            times_are_exact=times_are_exact,
            data_agree=self._agrees,
        )


def _proven(
    index: FileIndex, expected: Sequence[_Decoded], path: Path, max_pixels: int
) -> FileIndex | None:
    """Return the index with those starts from which the expected frames come out; None: too few."""
    starts = index.frames.starts
    ends = [*(start.rank for start in starts[1:]), len(expected)]
    decoder = FrameDecoder(path, max_pixels, index)
    try:
        proven = [
            start
            for start, end in zip(starts, ends, strict=True)
            if _gives(decoder, start, expected[start.rank : end])
        ]
    finally:
        decoder.close()
    return _with_starts(index, proven)


def _with_starts(index: FileIndex, starts: Sequence[Start]) -> FileIndex | None:
    """Return the index with only these starts; None: its first frame is not one of them."""
    if not starts or starts[0].rank != 0:
        return None
    return replace(index, frames=replace(index.frames, starts=tuple(starts)))


def _gives(decoder: FrameDecoder, start: Start, expected: Sequence[_Decoded]) -> bool:
    """Return whether decoding from a start gives these frames."""
    try:
        found = [
            (rank, _digest(frame))
            for rank, frame in islice(decoder.frames_from(start), len(expected))
        ]
    except WrongIndexError:
        return False
    return found == [(rank, frame.digest) for rank, frame in enumerate(expected, start.rank)]


def _digest(frame: av.VideoFrame) -> int:
    return adler32(memoryview(frame.planes[0]))
