"""Decode all of one video and describe it and its damage."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
from av.error import FFmpegError

from stn_action.data.manifest import Entry
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.video.container import (
    decoding_step,
    demux_packets,
    frame_orientation,
    open_container,
)
from stn_action.video.content import video_state
from stn_action.video.file_index import FileIndex
from stn_action.video.frame_folder import FrameFolderReader
from stn_action.video.indexing import FilePass
from stn_action.video.orientation import Orientation, photo_orientation
from stn_action.video.packets import TIMED_CODECS, TIMED_CONTAINERS
from stn_action.video.reader import VideoReader
from stn_action.video.slice import SliceReader

REMARK = "remark: "
"""Before parts of a note that tell of no damage."""

FRAME_CODECS = {".jpeg": "mjpeg", ".jpg": "mjpeg", ".png": "png"}
"""FFmpeg's names of the decoders of frames, by suffix."""

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""FFmpeg's numbers (`color_trc`) of the curves of bright screens. Source: ITU-R BT.2100."""


def damage_of(note: str) -> str:
    """Return a note without its remarks.

    >>> damage_of("frames that are damaged: 2; remark: PQ brightness (HDR) is not converted")
    'frames that are damaged: 2'
    """
    return "; ".join(part for part in note.split("; ") if not part.startswith(REMARK))


class Inspection(NamedTuple):
    """What decoding a video has told."""

    entry: Entry
    packed_index: bytes | None = None
    """Of its file, packed; None: only decoding from the start gives its frames."""


def inspect_video(video: Video) -> Inspection:
    """Decode every frame of a video, one at a time, and describe it.

    A file that cannot be read, or whose frames change their size, gives an entry with `error`; one
    that decodes in part an entry with the frames that decode and a `note`. A folder of frames is
    read completely or not at all: without one of them the others would be numbered wrongly.
    """
    try:
        state = video_state(video.path)
        digest = video.checksum()
    except OSError as error:
        reason = f"the file cannot be read ({error.strerror})"
        return Inspection(entry_without_frames(video, reason))
    about = {**state._asdict(), "checksum": digest}
    try:
        with video.open() as reader:
            return _describe(video, reader, about)
    except OSError as error:
        reason = f"the file cannot be read ({error.strerror})"
    except InputError as error:
        reason = str(error).removeprefix(f"{video.path}: ")
    return Inspection(entry_without_frames(video, reason, **about))


def entry_without_frames(
    video: Video, error: str, *, bytes: int = 0, modified: int = 0, checksum: str = ""
) -> Entry:
    """Return the entry of a video of which no frame can be read."""
    return Entry(
        video.name,
        frames=0,
        fps=0.0,
        width=0,
        height=0,
        rotation=0,
        codec="",
        bytes=bytes,
        modified=modified,
        checksum=checksum,
        error=error,
    )


@dataclass
class _Pass:
    """Counts of one pass over the packets of a video."""

    codec: str
    containers: set[str]
    promised: int
    """Packets according to the file's header; 0: unknown. AVI counts ticks of its clock."""
    pixel_aspect: Fraction
    """Width of a pixel, relative to its height; 0: unknown."""
    dts: list[int | None] = field(default_factory=list)
    """Times of all packets."""
    shown: int = 0
    """Packets of frames that are to be shown."""
    hidden: int = 0
    """Packets of frames that are not."""
    frames: int = 0
    refused: int = 0
    """Packets that the decoder refuses."""
    damaged: int = 0
    """Frames that the decoder has concealed errors in."""
    rotation: int = 0
    transfer: int = 0
    sizes_hw: dict[tuple[int, int], int] = field(default_factory=dict)
    """Sizes of the decoded frames, and the first frame of each."""

    @property
    def packets(self) -> int:
        return len(self.dts)

    def add_packet(self, packet: av.Packet) -> None:
        self.dts.append(packet.dts)
        self.hidden += packet.is_discard
        self.shown += packet.size > 1 and not packet.is_discard

    def add(self, frame: av.VideoFrame, path: Path) -> None:
        if self.frames == 0:
            self.rotation = 90 * frame_orientation(frame, path).quarter_turns
            self.transfer = frame.color_trc
        self.sizes_hw.setdefault((frame.height, frame.width), self.frames)
        self.damaged += frame.is_corrupt
        self.frames += 1

    def damage(self) -> list[str]:
        """Return what is wrong with the file."""
        step = decoding_step(self.dts) if "avi" in self.containers else None
        promised = int(self.promised / (step or 1))
        one_each = self.containers & TIMED_CONTAINERS and self.codec in TIMED_CODECS
        lost = max(self.refused, self.shown - self.frames if one_each else 0)
        found = {
            f"its header promises {promised} frames, {self.packets} are there": (
                self.packets < promised
            ),
            f"frames that cannot be decoded: {lost}": lost > 0,
            f"frames that are damaged: {self.damaged}": self.damaged > 0,
            self._hidden(): self.hidden > 0 and self.hidden >= self.shown,
        }
        return [text for text, holds in found.items() if holds]

    def _hidden(self) -> str:
        return f"its edit list hides {self.hidden} of {self.packets} frames"

    def remarks(self, reader: VideoReader) -> list[str]:
        """Return what a user may want to know of an intact file."""
        found = {
            self._hidden(): 0 < self.hidden < self.shown,
            f"pixels {self.pixel_aspect} times as wide as high are not stretched": (
                self.pixel_aspect not in (0, 1)
            ),
            f"{HDR_TRANSFERS.get(self.transfer)} brightness (HDR) is not converted": (
                self.transfer in HDR_TRANSFERS
            ),
            f"{reader.refused_fps:.4g} frames per second are not believed, {reader.fps:g} are "
            "taken": reader.refused_fps > 0,
        }
        return [REMARK + text for text, holds in found.items() if holds]

    def error(self) -> str:
        if len(self.sizes_hw) < 2:
            return ""
        (first, _), (other, place) = list(self.sizes_hw.items())[:2]
        return (
            f"frame {place} is {other[0]}x{other[1]} pixels, the first {first[0]}x{first[1]}; "
            "re-encode the video to one size"
        )


def _describe(video: Video, reader: VideoReader, about: dict) -> Inspection:
    height, width = reader.size_hw
    known = {"fps": reader.fps, "width": width, "height": height, **about}
    if reader.backend == FrameFolderReader.backend:
        return Inspection(_describe_folder(video, reader, known))
    if reader.backend != "pyav":
        note = f"read by {reader.backend}"
        return Inspection(Entry(video.name, len(reader), rotation=0, codec="", note=note, **known))
    if isinstance(reader, SliceReader):
        return _describe_slice(video, reader, known)
    seen, index = _decode(video)
    entry = Entry(
        video.name,
        seen.frames,
        rotation=seen.rotation,
        codec=seen.codec,
        error=seen.error(),
        note="; ".join(seen.damage() + seen.remarks(reader)),
        **known,
    )
    return Inspection(entry, None if index is None else index.packed())


def _describe_folder(video: Video, reader: VideoReader, known: dict) -> Entry:
    """Decode every frame of a folder, or of the slice of it."""
    for _ in reader.stream():
        pass
    whole = reader.video if isinstance(reader, SliceReader) else reader
    assert isinstance(whole, FrameFolderReader)
    turned = photo_orientation(whole.first_frame) or Orientation()
    codec = FRAME_CODECS[whole.first_frame.suffix.lower()]
    rotation = 90 * turned.quarter_turns
    return Entry(video.name, len(reader), rotation=rotation, codec=codec, **known)


def _describe_slice(video: Video, reader: SliceReader, known: dict) -> Inspection:
    """Decode the frames of the slice; only the first frame of the file besides."""
    promised = len(reader)
    for _ in reader.stream():
        pass
    lost = promised - len(reader)
    seen, index = _decode(video, max_frames=1)
    damage = [f"frames that cannot be decoded: {lost}"] if lost else []
    entry = Entry(
        video.name,
        len(reader),
        rotation=seen.rotation,
        codec=seen.codec,
        note="; ".join(damage + seen.remarks(reader)),
        **known,
    )
    return Inspection(entry, None if damage or index is None else index.packed())


def _decode(video: Video, max_frames: int | None = None) -> tuple[_Pass, FileIndex | None]:
    """Decode a file, or its first frames and read the packets of the others, and index it."""
    container, stream = open_container(video.path, video.max_pixels)
    with container:
        file = FilePass(container, stream)
        seen = _Pass(
            codec=stream.codec_context.name,
            containers=set(container.format.name.split(",")),
            promised=stream.frames,
            pixel_aspect=Fraction(stream.sample_aspect_ratio or 0),
        )
        packets = _counted(demux_packets(container, stream, video.path), seen, file)
        for packet in chain(packets, [None]):
            if seen.frames == max_frames:
                continue
            try:
                frames = stream.decode(packet)
            except FFmpegError:
                seen.refused += 1
                continue
            for frame in frames[:max_frames]:
                seen.add(frame, video.path)
                file.add_frame(frame)
        if max_frames is not None:
            return seen, file.index_by_packets(video.path)
        is_whole = not seen.damage() and not seen.error()
        return seen, file.index(video.path, video.max_pixels) if is_whole else None


def _counted(packets: Iterator[av.Packet], seen: _Pass, file: FilePass) -> Iterator[av.Packet]:
    for packet in packets:
        seen.add_packet(packet)
        file.add_packet(packet)
        yield packet
