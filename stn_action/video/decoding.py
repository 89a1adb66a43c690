"""The frames of one file, decoded with FFmpeg in order and numbered, from any keyframe on."""

import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
from av.error import FFmpegError

from stn_action.video.container import (
    DEFAULT_FPS,
    demux_packets,
    is_believed,
    measured_rate,
    open_container,
    read_packets,
    stream_index,
)
from stn_action.video.packets import FrameIndex, Start
from stn_action.video.video_choices import MAX_PIXELS

INTRA = 1
"""FFmpeg's number (`pict_type`) of frames that refer to no other one."""

SKIPPING_CODECS = {"h264", "mpeg4"}
"""Codecs whose decoder can skip the frames to which no other refers."""

NumberedFrames = Iterator[tuple[int, av.VideoFrame]]


class WrongIndexError(Exception):
    """A file whose decoded frames contradict its packet index."""


class FrameDecoder:
    """An open file. Every seek is verified: see `PyAVReader`."""

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS):
        self.path = path
        self.max_pixels = max_pixels
        self.num_decoded = 0
        """Frames decoded so far."""
        self.container, self.stream = open_container(path, max_pixels)
        try:
            packets = read_packets(self.container, self.stream)
            self.num_packets = len(packets)
            self.complete = self.stream.frames == len(packets) and not any(
                packet.corrupt for packet in packets
            )
            """The container gives the number of packets, and all of them are present."""
            self.index = stream_index(self.container, self.stream, packets)
            """Order of the frames; None: only decoding from the start gives it."""
            rate = measured_rate(self.container, self.stream, packets, self.index)
            self.times_are_believed = is_believed(rate)
            self.fps = rate if self.times_are_believed else DEFAULT_FPS
            self.refused_fps = 0.0 if self.times_are_believed else rate
        except BaseException:
            self.close()
            raise
        self._wanted: frozenset[int] | None = None
        self._last_wanted = 0

    def close(self) -> None:
        """Close the file and the decoder."""
        self.container.close()

    def want(self, indices: Iterable[int] | None) -> None:
        """Set which frames are needed; None: all of them, the default.

        Other frames before the last of these may be skipped if no frame refers to them. Frames
        after it are never skipped, so that reading can continue from there.
        """
        able = self.stream.codec_context.name in SKIPPING_CODECS
        self._wanted = frozenset(indices) if indices is not None and able else None
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
            self.container.seek(start.pts, stream=self.stream)
        except FFmpegError:
            raise WrongIndexError from None
        return self._indexed(self.index, start)

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
            if sought and (frame.is_corrupt or (rank == start.rank and not intact)):
                raise WrongIndexError
            yield rank, frame
            rank += 1

    def _decoded(self, position: int | None, skipped: set[int]) -> Iterator[av.VideoFrame]:
        """Yield the frames that decode, from the packet at byte `position` on; skip the others.

        The indices of frames that are not needed are added to `skipped`.
        """
        latest = -sys.maxsize  # presentation time of the frames before
        reached = position is None
        self._set_skipping(False)
        for packet in chain(demux_packets(self.container, self.stream, self.path), [None]):
            reached = reached or (packet is not None and packet.pos == position)
            if not reached:
                continue
            number = self._skippable_index(packet, latest)
            if packet is not None and packet.pts is not None:
                latest = max(latest, packet.pts)
            self._set_skipping(number is not None)
            try:
                frames = self.stream.decode(packet)  # None: flush the decoder
            except FFmpegError:
                continue
            if number is not None:
                skipped.add(number)
            self.num_decoded += len(frames)
            yield from frames
        if not reached:
            raise WrongIndexError

    def _set_skipping(self, unreferenced: bool) -> None:
        mode = "NONREF" if unreferenced else "DEFAULT"
        if self.stream.codec_context.skip_frame != mode:
            self.stream.codec_context.skip_frame = mode

    def _skippable_index(self, packet: av.Packet | None, latest: int) -> int | None:
        """Return the index of a packet's frame if the frame is not needed."""
        if self._wanted is None or self.index is None or packet is None:
            return None
        if packet.pts is None or packet.is_keyframe:  # keyframes verify the seek
            return None
        if packet.pts > latest:
            # Only its decoding shows that it is really shown after all frames before it. A
            # frame that is shown before others, and to which none refers, is a B-frame.
            return None
        number = bisect_left(self.index.display_pts, packet.pts)
        return number if number < self._last_wanted and number not in self._wanted else None
