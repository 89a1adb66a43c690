"""PyAV (FFmpeg) behind the reader interface: exact, and the default."""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from stn_action.video.container import (
    demuxed,
    exact,
    frames_per_second,
    open_container,
    scan_packets,
    stream_index,
)
from stn_action.video.frames import Frames
from stn_action.video.packets import FrameIndex, Start
from stn_action.video.reader import VideoError, VideoReader, frame_seconds

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
        self._closed = False
        self._container, self._stream = open_container(path)
        try:
            packets = scan_packets(self._container, self._stream)
            self._whole = self._stream.frames == len(packets) and not any(
                packet.corrupt for packet in packets
            )
            self._index = stream_index(self._container, self._stream, packets)
            self.fps = frames_per_second(self._container, self._stream, packets, self._index)
            self._num_frames: int | None = None
            self._times: list[float | None] = []
            self._seconds: np.ndarray | None = None
            self._restart()
            first = self._first_frame()
            self._quarter_turns = round(first.rotation / 90) % 4
            self.size_hw = first.height, first.width
            if self._quarter_turns % 2:
                self.size_hw = first.width, first.height
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
        if self._closed:
            raise VideoError(f"{self.path}: the reader is closed; open the video again")

    def _forget_index(self) -> None:
        """From now on decode from the start and number the frames by what comes out."""
        self._index = self._num_frames = None
        self._restart()

    def _first_frame(self) -> av.VideoFrame:
        try:
            frame = self._frame_at(0)
        except _WrongIndexError:
            self._forget_index()
            frame = self._frame_at(0)
        if frame is None:
            raise VideoError(f"{self.path}: no frame of this video can be decoded")
        return frame

    def _picture_at(self, index: int) -> tuple[np.ndarray, float]:
        frame = self._frame_at(index)
        if frame is None:
            if self._index is not None:
                raise _WrongIndexError
            raise VideoError(f"{self.path}: frame {index} can no longer be decoded")
        return self._picture(frame, index), self._second(index)

    def _picture_or_end(self, index: int) -> tuple[np.ndarray, float] | None:
        self._require_open()
        try:
            frame = self._frame_at(index, skip_groups=False)
        except _WrongIndexError:
            self._forget_index()
            frame = self._frame_at(index, skip_groups=False)
        if frame is None:
            return None
        return np.ascontiguousarray(self._picture(frame, index)), self._second(index)

    def _picture(self, frame: av.VideoFrame, index: int) -> np.ndarray:
        picture = frame.to_ndarray(
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
        return picture

    def _second(self, index: int) -> float:
        if self._index is not None:
            pts = self._index.display_pts
            return float((pts[index] - pts[0]) * exact(self._stream.time_base))
        return index / self.fps if self._seconds is None else float(self._seconds[index])

    def _frame_at(self, index: int, *, skip_groups: bool = True) -> av.VideoFrame | None:
        """Decode forwards to frame `index`; None: the video ends before it.

        Args:
            index: number of the frame.
            skip_groups: leave out whole groups of pictures on the way, by seeking.
        """
        if self._held is not None and self._held_index == index:
            return self._held
        start = self._index.start_before(index) if self._index is not None else None
        first = start.rank if start is not None else 0
        if index < self._next_index or (skip_groups and first > self._next_index):
            self._restart(start)
        while self._next_index <= index:
            frame = next(self._frames, None)
            if frame is None:
                self._note_end()
                return None
            if self._index is None and self._next_index == len(self._times):
                base = self._stream.time_base
                self._times.append(None if frame.pts is None else float(frame.pts * exact(base)))
            self._held, self._held_index = frame, self._next_index
            self._next_index += 1
        return self._held

    def _note_end(self) -> None:
        """Remember the length: the frames have been counted up to their end."""
        self._num_frames = self._next_index
        if self._index is None:
            self._seconds = frame_seconds(self._times, self.fps)

    def _count(self) -> int:
        if self._index is not None:
            if self._whole:
                return len(self._index.display_pts)
            self._restart(self._index.starts[-1])
        self._frame_at(sys.maxsize, skip_groups=False)
        return self._next_index

    def _restart(self, start: Start | None = None) -> None:
        """Let `_frames` go on with the frame at `start`, or with the first one."""
        self._held = None
        if self._index is None:
            self._container.close()  # raw streams cannot be rewound, only opened again
            self._container, self._stream = open_container(self.path)
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
        for packet in chain(demuxed(self._container, self._stream, self.path), [None]):
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
