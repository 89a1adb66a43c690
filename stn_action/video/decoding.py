"""The frames of one file, decoded with FFmpeg in their order and numbered, from any keyframe on."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
from av.error import FFmpegError

from stn_action.video.container import (
    demux_packets,
    frames_per_second,
    open_container,
    read_packets,
    stream_index,
)
from stn_action.video.packets import FrameIndex, Start

INTRA = 1
"""FFmpeg's number for a picture type that refers to no other picture."""

SKIPPING_CODECS = {"h264", "mpeg4"}
"""Codecs whose decoder can leave out the frames to which no other refers."""

NumberedFrames = Iterator[tuple[int, av.VideoFrame]]


class WrongIndexError(Exception):
    """The file does not decode as its packets foretell."""


class FrameDecoder:
    """An open file. Seeks are checked, not believed: see `PyAVReader`."""

    def __init__(self, path: Path):
        self.path = path
        self.num_decoded = 0
        """Frames that the decoder has put out so far."""
        self.container, self.stream = open_container(path)
        try:
            packets = read_packets(self.container, self.stream)
            self.whole = self.stream.frames == len(packets) and not any(
                packet.corrupt for packet in packets
            )
            """The container tells how many packets there are, and all of them are there."""
            self.index = stream_index(self.container, self.stream, packets)
            """Order of the frames; None: only decoding from the start tells."""
            self.fps = frames_per_second(self.container, self.stream, packets, self.index)
        except BaseException:
            self.close()
            raise
        self._wanted: frozenset[int] | None = None
        self._last_wanted = 0

    def close(self) -> None:
        """Give back the file and the decoder."""
        self.container.close()

    def want(self, indices: Iterable[int] | None) -> None:
        """Say which frames have to come out; None: all of them, as at first.

        Others that lie before the last of these may be left out if no frame refers to them. Those
        after it are not: whoever reads on from there finds them.
        """
        able = self.stream.codec_context.name in SKIPPING_CODECS
        self._wanted = frozenset(indices) if indices is not None and able else None
        self._last_wanted = max(self._wanted or (), default=0)

    def frames_from(self, start: Start | None) -> NumberedFrames:
        """Go to a keyframe of the index, or without an index to the first frame.

        Returns:
            The frames from there on, with their numbers.

        Raises:
            WrongIndexError: the file decodes in another way than the index says; also while the
                frames are taken.
        """
        if self.index is None or start is None:
            self.container.close()  # raw streams cannot be rewound, only opened again
            self.container, self.stream = open_container(self.path)
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
        left_out: set[int] = set()
        for frame in self._decoded(start.position, left_out):
            if frame.pts is not None and frame.pts < start.pts:
                continue  # shown before the keyframe, and broken: it refers to frames before it
            while rank in left_out and frame.pts != index.display_pts[rank]:
                rank += 1
            if rank >= len(index.display_pts) or frame.pts != index.display_pts[rank]:
                raise WrongIndexError
            whole = frame.key_frame and frame.pict_type == INTRA
            if sought and (frame.is_corrupt or (rank == start.rank and not whole)):
                raise WrongIndexError
            yield rank, frame
            rank += 1

    def _decoded(self, position: int | None, left_out: set[int]) -> Iterator[av.VideoFrame]:
        """Yield what decodes, from the packet at byte `position` on; pass over what does not.

        The numbers of frames that need not come out are added to `left_out`.
        """
        reached = position is None
        self._leave_out(False)
        for packet in chain(demux_packets(self.container, self.stream, self.path), [None]):
            reached = reached or (packet is not None and packet.pos == position)
            if not reached:
                continue
            number = self._number_to_leave_out(packet)
            self._leave_out(number is not None)
            try:
                frames = self.stream.decode(packet)  # None: what the decoder still holds back
            except FFmpegError:
                continue
            if number is not None:
                left_out.add(number)
            self.num_decoded += len(frames)
            yield from frames
        if not reached:
            raise WrongIndexError

    def _leave_out(self, unreferenced: bool) -> None:
        wish = "NONREF" if unreferenced else "DEFAULT"
        if self.stream.codec_context.skip_frame != wish:
            self.stream.codec_context.skip_frame = wish

    def _number_to_leave_out(self, packet: av.Packet | None) -> int | None:
        """Number of a packet's frame if it need not come out."""
        if self._wanted is None or self.index is None or packet is None:
            return None
        if packet.pts is None or packet.is_keyframe:  # keyframes show whether a seek went well
            return None
        number = bisect_left(self.index.display_pts, packet.pts)
        return number if number < self._last_wanted and number not in self._wanted else None
