"""The frames of one file, decoded with FFmpeg in order and numbered, from any keyframe on."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
from av.error import FFmpegError

from stn_action.video.coded_order import OrderCheck, order_check
from stn_action.video.container import (
    demux_packets,
    is_believed,
    measured_rate,
    open_container,
    read_packets,
    stream_index,
)
from stn_action.video.file_index import FileIndex
from stn_action.video.packets import FrameIndex, Start
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS

INTRA = 1
"""FFmpeg's number (`pict_type`) of frames that refer to no other one."""

SKIPPING_CODECS = {"h264", "mpeg4"}
"""Codecs whose decoder can skip the frames to which no other refers."""

Place = tuple[int | None, int, int | None]
"""Byte offset, size and presentation time of a packet."""

NumberedFrames = Iterator[tuple[int, av.VideoFrame]]


class WrongIndexError(Exception):
    """A file whose decoded frames contradict its packet index."""


class FrameDecoder:
    """An open file. Every seek is verified: see `PyAVReader`."""

    def __init__(
        self, path: Path, max_pixels: int = MAX_PIXELS, known: FileIndex | None = None
    ) -> None:
        """Open a file, and read all of its packets unless it is known.

        Args:
            path: the file.
            max_pixels: of `open_container`.
            known: what an earlier pass over the same content has told.
        """
        self.path = path
        self.max_pixels = max_pixels
        self.num_decoded = 0
        """Frames decoded so far."""
        self.num_packets = 0
        """Packets that were read when it was opened."""
        self.container, self.stream = open_container(path, max_pixels)
        self._places: list[Place] | None = None
        self._order_is_known = known is not None and known.data_agree
        self.index: FrameIndex | None
        """Order of the frames; None: only decoding from the start gives it."""
        self.complete: bool
        """The container gives the number of packets, and all of them are present."""
        if known is not None:
            self.index, self.complete, rate = known.frames, True, known.fps
        else:
            try:
                rate = self._read_packets()
            except BaseException:
                self.close()
                raise
        is_sane = is_believed(rate)
        self.times_are_believed = is_sane and (known is None or known.times_are_exact)
        self.fps = rate if is_sane else DEFAULT_FPS
        self.refused_fps = 0.0 if is_sane else rate
        self._wanted: frozenset[int] | None = None
        self._last_wanted = 0

    def _read_packets(self) -> float:
        """Order the frames by their packets; return the rate."""
        packets = read_packets(self.container, self.stream)
        self.num_packets = len(packets)
        self._places = [(packet.position, packet.size, packet.pts) for packet in packets]
        self.complete = self.stream.frames == len(packets) and not any(
            packet.corrupt for packet in packets
        )
        self.index = stream_index(self.container, self.stream, packets)
        return measured_rate(self.container, self.stream, packets, self.index)

    def close(self) -> None:
        """Close the file and the decoder."""
        self.container.close()

    def want(self, indices: Iterable[int] | None) -> None:
        """Set which frames are needed; None: all of them, the default.

        Other frames before the last of these may be skipped if no frame refers to them. Frames
        after it are never skipped, so that reading can continue from there.
        """
        skips = self._can_skip() and not (self.index is not None and self.index.is_counted)
        self._wanted = frozenset(indices) if indices is not None and skips else None
        self._last_wanted = max(self._wanted or (), default=0)

    def frames_from(self, start: Start | None) -> NumberedFrames:
        """Seek to a keyframe of the index, or without an index to the first frame.

        Returns:
            The frames from there on, with their indices.

        Raises:
            WrongIndexError: the decoded frames contradict the index; also raised while the
                frames are iterated.
        """
        if self.index is None or start is None:
            self.container.close()  # raw streams cannot be rewound, only reopened
            self.container, self.stream = open_container(self.path, self.max_pixels)
            return enumerate(self._decoded(None, set()))
        try:
            if self.index.by_bytes:
                self.container.seek(start.position, unsupported_byte_offset=True)
            else:
                self.container.seek(start.pts, stream=self.stream)
        except FFmpegError:
            raise WrongIndexError from None
        follow = self._counted if self.index.is_counted else self._indexed
        return follow(self.index, start)

    def _counted(self, index: FrameIndex, start: Start) -> NumberedFrames:
        """Yield the frames from `start` on, counted: their times are not stored."""
        rank = None
        for frame in self._decoded(start.position, set()):
            if rank is None and not frame.key_frame:
                continue  # shown before the keyframe, and broken: it refers to earlier frames
            rank = start.rank if rank is None else rank + 1
            if rank >= len(index.display_pts) or frame.is_corrupt:
                raise WrongIndexError
            yield rank, frame

    def _indexed(self, index: FrameIndex, start: Start) -> NumberedFrames:
        """Yield the frames from `start` on, each checked against the index."""
        rank = start.rank
        sought = start != index.starts[0]
        skipped: set[int] = set()
        for frame in self._decoded(start.position, skipped):
            if frame.pts is not None and frame.pts < start.pts:
                continue  # shown before the keyframe, and broken: it refers to earlier frames
            while rank in skipped and frame.pts != index.display_pts[rank]:
                rank += 1
            if rank >= len(index.display_pts) or frame.pts != index.display_pts[rank]:
                raise WrongIndexError
            intact = frame.key_frame and frame.pict_type == INTRA
            # What is made up for lost data depends on the frames that were decoded before.
            if (sought or skipped) and frame.is_corrupt:
                raise WrongIndexError
            if sought and rank == start.rank and not intact:
                raise WrongIndexError
            yield rank, frame
            rank += 1

    def _decoded(self, position: int | None, skipped: set[int]) -> Iterator[av.VideoFrame]:
        """Yield the frames that decode, from the packet at byte `position` on; skip the others.

        The indices of frames that are not needed are added to `skipped`.
        """
        table = None if position is None else self._table_from(position)
        self._set_skipping(False)
        for packet in chain(demux_packets(self.container, self.stream, self.path), [None]):
            if table is not None and not table.reached(packet):
                continue
            number = None if table is None else self._skippable_index(packet, table)
            self._set_skipping(number is not None)
            try:
                frames = self.stream.decode(packet)  # None: flush the decoder
            except FFmpegError:
                continue
            if number is not None:
                skipped.add(number)
            self.num_decoded += len(frames)
            yield from frames

    def _table_from(self, position: int) -> "_PacketTable":
        context = self.stream.codec_context
        unchecked = self._places is not None and self._can_skip()
        order = order_check(context.name, context.extradata) if unchecked else None
        return _PacketTable(self._places, position, order)

    def _can_skip(self) -> bool:
        """Return whether there may be frames to which no other refers."""
        context = self.stream.codec_context
        return context.name in SKIPPING_CODECS and (
            context.name != "mpeg4" or bool(context.has_b_frames)
        )

    def _set_skipping(self, unreferenced: bool) -> None:
        mode = "NONREF" if unreferenced else "DEFAULT"
        if self.stream.codec_context.skip_frame != mode:
            self.stream.codec_context.skip_frame = mode

    def _skippable_index(self, packet: av.Packet | None, table: "_PacketTable") -> int | None:
        """Return the index of a packet's frame if the frame is not needed."""
        if self._wanted is None or self.index is None or packet is None:
            return None
        if table.order is None and not self._order_is_known:
            return None
        if packet.pts is None or packet.is_keyframe:  # keyframes verify the seek
            return None
        number = bisect_left(self.index.display_pts, packet.pts)
        return number if number < self._last_wanted and number not in self._wanted else None


class _PacketTable:
    """The packets that were counted when the file was opened, compared with those after a seek.

    Those of a known file are not compared: its content is the one that was indexed.
    """

    def __init__(self, places: list[Place] | None, position: int, order: OrderCheck | None) -> None:
        """Start at the packet at byte `position`.

        Args:
            places: of all packets, in decoding order; None: the file is known.
            position: byte offset of the first packet.
            order: checks the times against the data; None: these do not tell, or agree.
        """
        self.order = order
        self._position, self._places = position, places
        self._is_reached, self._next = False, 0

    def reached(self, packet: av.Packet | None) -> bool:
        """Return whether the start is reached.

        Raises:
            WrongIndexError: it is missing, or a packet is not the next one in the table, or is
                shown at another place.
        """
        if not self._is_reached:
            if packet is None:
                raise WrongIndexError
            if packet.pos != self._position:
                return False
            self._is_reached = True
            self._next = self._first_place(packet)
        if packet is not None:
            self._compare(packet)
        return True

    def _first_place(self, packet: av.Packet) -> int:
        place = packet.pos, packet.size, packet.pts
        places = self._places or []
        return places.index(place) if place in places else len(places)

    def _compare(self, packet: av.Packet) -> None:
        if self._places is not None:
            place = packet.pos, packet.size, packet.pts
            if self._next >= len(self._places) or self._places[self._next] != place:
                raise WrongIndexError
            self._next += 1
        if self.order is not None and packet.size > 1:
            agrees = packet.pts is not None and self.order.agrees(bytes(packet), packet.pts)
            if not agrees:
                raise WrongIndexError
