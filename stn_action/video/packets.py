"""The order of frames, from a container's packets without decoding them."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

TIMED_CONTAINERS = {"mov", "mp4", "matroska", "webm"}
"""Containers that store each frame's presentation time."""

TIMED_CODECS = {"h264", "hevc", "mpeg4", "mjpeg", "ffv1", "vp9", "av1", "libdav1d"}
"""Codecs that show one frame per packet (VP8, for example, hides some)."""

UNREORDERED_AVI_CODECS = {"mpeg4", "mjpeg"}
"""Codecs whose header reliably shows that they do not reorder; not so H.264 in AVI."""


class Packet(NamedTuple):
    """One packet of the video stream, in decoding order; times in units of the time base."""

    pts: int | None
    dts: int | None
    position: int | None
    """Byte offset in the file."""
    size: int
    """In bytes."""
    keyframe: bool
    discard: bool
    """The frame is decoded but not shown (edit lists)."""
    corrupt: bool
    refreshes: bool | None = None
    """Of a keyframe: all frames that follow it in the file are shown after it and refer to none
    before it; None: its codec does not tell."""


class Start(NamedTuple):
    """A keyframe from which decoding can start."""

    rank: int
    """Number of frames shown before it."""
    pts: int
    """When it is shown; where frames are counted, when it is decoded. Seeks go there."""
    position: int
    """Byte offset of its packet."""


@dataclass(frozen=True)
class FrameIndex:
    """The order of a video's frames, known without decoding."""

    display_pts: Sequence[int]
    """Presentation times in ascending order, one per frame, in units of the time base."""

    starts: tuple[Start, ...]
    """Keyframes by rank; the first is the first packet."""

    closed_groups: bool
    """Every group of frames can be decoded by itself, and its packets' times are evidently those
    at which the frames are shown."""

    is_counted: bool = False
    """Frames are numbered by counting from a start, and not by their times, which the container
    does not store; decoding from each start gave the frames that decoding all of the file gives."""

    by_bytes: bool = False
    """Seeks go to the byte offset of a start, and not to its time."""

    def start_before(self, index: int) -> Start:
        """Return the last keyframe that is not shown later than frame `index`."""
        return self.starts[bisect_right(self.starts, index, key=lambda start: start.rank) - 1]


def shown_packets(packets: Sequence[Packet]) -> list[Packet]:
    """Return the packets of the frames that are shown.

    Packets of at most one byte are placeholders: AVI writes them for a B-frame that is packed
    into the previous packet, or for a repeated frame.
    """
    return [packet for packet in packets if packet.size > 1 and not packet.discard]


def index_frames(
    packets: Sequence[Packet], *, containers: set[str], codec: str, reorders: bool
) -> FrameIndex | None:
    """Order the frames by the packets' times, if these are reliable.

    Args:
        packets: all packets of the stream, in decoding order.
        containers: names of the container format.
        codec: name of the codec.
        reorders: the codec may show frames in another order than it stores them.

    Returns:
        The index, or None: the video can only be read from its start (raw streams, AVI with
        B-frames, transport streams, streams that start in the middle of a group).
    """
    kept = [packet for packet in packets if packet.size > 1]
    times = [packet.pts for packet in shown_packets(kept) if packet.pts is not None]
    first = kept[0] if kept else None
    if first is None or not times or len(times) < len(shown_packets(kept)):
        return None
    if containers & TIMED_CONTAINERS:
        trusted = codec in TIMED_CODECS and len(set(times)) == len(times)
    else:
        plain_avi = "avi" in containers and codec in UNREORDERED_AVI_CODECS and not reorders
        trusted = plain_avi and _in_order(shown_packets(kept))
    # A stream that starts in the middle of a group: decoders drop some of these frames.
    if not trusted or not first.keyframe or first.pts is None or first.pts > min(times):
        return None
    groups = _groups(kept)
    if not _follow_each_other(groups):
        return None
    display = tuple(sorted(times))
    starts = [_start(first, display)]
    starts += [_start(group[0], display) for group in groups[1:] if _is_start(group, reorders)]
    starts = [start for start in starts if start is not None]
    if not starts or starts[0].pts != first.pts:
        return None
    closed = all(_is_closed(group, reorders) for group in groups)
    return FrameIndex(display, tuple(sorted(starts)), closed)


def _groups(packets: Sequence[Packet]) -> list[list[Packet]]:
    """Divide packets into groups of frames: each keyframe starts one."""
    groups: list[list[Packet]] = []
    for packet in packets:
        if packet.keyframe or not groups:
            groups.append([])
        groups[-1].append(packet)
    return groups


def _follow_each_other(groups: Sequence[Sequence[Packet]]) -> bool:
    """Return whether no frame is shown before the keyframe of a group before its own."""
    latest = None  # time of the keyframes before
    for before, group in pairwise(groups):
        if before[0].pts is not None:
            latest = before[0].pts if latest is None else max(latest, before[0].pts)
        if latest is not None and any(p.pts is not None and p.pts < latest for p in group):
            return False
    return True


def is_ascending(times: Sequence[int]) -> bool:
    """Return whether each time is later than the one before."""
    return all(a < b for a, b in pairwise(times))


def _in_order(packets: Sequence[Packet]) -> bool:
    return is_ascending([packet.pts for packet in packets if packet.pts is not None])


def _is_start(group: Sequence[Packet], reorders: bool) -> bool:
    """Return whether the packets' times tell how many frames are shown before a group.

    `ffmpeg -c copy` from AVI and raw streams gives frames the times at which they are decoded.
    Where a codec reorders, times in the order of decoding may be such times: then frames that
    follow a keyframe in the file may be shown before it.
    """
    keyframe = group[0]
    if not keyframe.keyframe or keyframe.discard:
        return False
    return bool(keyframe.refreshes) or not reorders or len(group) == 1 or not _in_order(group)


def _is_closed(group: Sequence[Packet], reorders: bool) -> bool:
    """Return whether a group can be decoded by itself and its times are evidently of showing."""
    first = group[0]
    leading = any(p.pts is not None and first.pts is not None and p.pts < first.pts for p in group)
    if leading or not first.keyframe or first.refreshes is False:
        return False
    return not reorders or len(group) == 1 or not _in_order(group)


def _start(packet: Packet, display: Sequence[int]) -> Start | None:
    if packet.pts is None or packet.position is None:
        return None
    return Start(bisect_left(display, packet.pts), packet.pts, packet.position)
