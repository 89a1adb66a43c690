"""The order in which frames are shown by their own data, to check a container's times against.

Frames that are skipped do not come out of the decoder, so that their times cannot be checked there.
Sources: ITU-T H.264, sections 7.3.2.1.1, 7.3.3, 8.2.1 (order count) and 7.4.3 (frame_num);
ISO/IEC 14496-2, section 6.2.5 (coding type of a VOP).
"""

from bisect import bisect_left
from typing import NamedTuple, Protocol

from stn_action.video.nal_units import coded_units, unescaped

HIGH_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
"""Values of profile_idc whose parameters begin with the color format."""

PARAMETERS, SLICE, IDR_SLICE = 7, 1, 5
"""Types of H.264 units: sequence parameter set; slices."""

VOP = b"\0\0\1\xb6"
B_VOP = 2

HEAD = 40
"""Bytes of a slice that hold all fields read here."""


class Key(NamedTuple):
    """The place of a frame: frames are shown in the order of their keys."""

    sequence: int
    place: int
    after: int = 0


class KeyReader(Protocol):
    """A codec's way to tell the places of frames."""

    def key(self, packet: bytes) -> Key | None:
        """Return the key of the next packet in decoding order; None: its data makes no sense."""
        ...


class OrderCheck:
    """A comparison of the times of packets, in decoding order, with the keys of their frames."""

    def __init__(self, reader: KeyReader) -> None:
        self._reader = reader
        self._keys: list[Key] = []
        self._times: list[int] = []
        self._earliest: int | None = None
        """Latest time of the sequences before: frames of this one are shown later."""

    def agrees(self, packet: bytes, pts: int) -> bool:
        """Return whether the next packet's frame is shown where its time puts it."""
        key = self._reader.key(packet)
        if key is None:
            return False
        if self._keys and key.sequence != self._keys[-1].sequence:
            self._earliest = self._times[-1]
            self._keys.clear()
            self._times.clear()
        place = bisect_left(self._keys, key)
        before = self._times[place - 1] if place else self._earliest
        taken = place < len(self._keys) and self._keys[place] == key
        if taken or (before is not None and pts <= before):
            return False
        if place < len(self._keys) and pts >= self._times[place]:
            return False
        self._keys.insert(place, key)
        self._times.insert(place, pts)
        return True


def order_check(codec: str, extradata: bytes | None) -> OrderCheck | None:
    """Return a check that starts at a keyframe; None: this codec's frames do not tell their places.

    Args:
        codec: FFmpeg's name of it.
        extradata: the decoder's configuration.
    """
    if codec == "mpeg4":
        return OrderCheck(_Mpeg4Keys())
    parameters = _parameters(extradata or b"") if codec == "h264" else None
    return None if parameters is None else OrderCheck(_H264Keys(parameters, extradata or b""))


class _Mpeg4Keys:
    """B-frames are shown before the frame that was decoded last and refers to none of them."""

    def __init__(self) -> None:
        self._references, self._between = 0, 0

    def key(self, packet: bytes) -> Key | None:
        start = packet.find(VOP) + len(VOP)
        if not len(VOP) <= start < len(packet):
            return None
        if packet[start] >> 6 == B_VOP:
            self._between += 1
            return Key(0, self._references - 1, self._between)
        self._references, self._between = self._references + 1, 0
        return Key(0, self._references)


class _Parameters(NamedTuple):
    frame_num_bits: int
    place_bits: int
    """0: frames are shown in the order of decoding."""
    gaps_allowed: bool
    frames_only: bool


class _H264Keys:
    """Order counts (POC); a gap in the numbers of reference frames makes no sense."""

    def __init__(self, parameters: _Parameters, extradata: bytes) -> None:
        self._parameters, self._extradata = parameters, extradata
        self._sequence, self._count = 0, 0
        self._frame_num: int | None = None
        """Of the last reference frame."""
        self._high = self._low = 0
        """Its place: multiples of the counter's range, and the rest."""

    def key(self, packet: bytes) -> Key | None:
        units = coded_units("h264", self._extradata, packet)
        for unit in units:
            if unit[0] & 31 == PARAMETERS and _fields(unit) != self._parameters:
                return None
            if unit[0] & 31 in (SLICE, IDR_SLICE):
                try:
                    return self._slice_key(unit)
                except ValueError:  # the data ends
                    return None
        return None

    def _slice_key(self, unit: bytes) -> Key | None:
        own, idr = self._parameters, unit[0] & 31 == IDR_SLICE
        bits = _Bits(unescaped(unit[1:HEAD]))
        for _ in range(3):  # first macroblock, type, parameter set
            bits.exponential()
        frame_num = bits.fixed(own.frame_num_bits)
        if not own.frames_only and bits.fixed(1):
            return None  # a field
        if idr:
            bits.exponential()
            self._sequence += 1
        low = bits.fixed(own.place_bits)
        if idr or self._frame_num is None:
            self._frame_num, self._high, self._low = frame_num, 0, 0 if idr else low
        following = (self._frame_num + 1) % (1 << own.frame_num_bits)
        if frame_num not in (self._frame_num, following) and not own.gaps_allowed:
            return None
        high, half = self._high, 1 << own.place_bits >> 1
        if low < self._low and self._low - low >= half:
            high += 2 * half
        elif low > self._low and low - self._low > half:
            high -= 2 * half
        if unit[0] >> 5 & 3:  # others may refer to it
            self._frame_num, self._high, self._low = frame_num, high, low
        self._count += 1
        return Key(self._sequence, high + low if own.place_bits else self._count)


def _parameters(extradata: bytes) -> _Parameters | None:
    """Return the fields of the only sequence parameter set; None: several, or rare ones."""
    found = [
        unit
        for unit in coded_units("h264", b"", _with_start_codes(extradata))
        if unit[:1] and unit[0] & 31 == PARAMETERS
    ]
    return _fields(found[0]) if len(found) == 1 else None


def _with_start_codes(extradata: bytes) -> bytes:
    """Return the units of an MP4's configuration (`avcC`) as those of a raw stream."""
    if extradata[:1] != b"\1":
        return extradata
    place, units = 6, []
    for _ in range(extradata[5] & 31 if len(extradata) > 5 else 0):
        length = int.from_bytes(extradata[place : place + 2], "big")
        units.append(b"\0\0\1" + extradata[place + 2 : place + 2 + length])
        place += 2 + length
    return b"".join(units)


def _fields(unit: bytes) -> _Parameters | None:
    bits = _Bits(unescaped(unit[1:]))
    try:
        profile = bits.fixed(24) >> 16
        bits.exponential()
        if profile in HIGH_PROFILES:
            if bits.exponential() == 3:
                return None  # 4:4:4 may code its colors apart
            bits.exponential()
            bits.exponential()
            if bits.fixed(2) & 1:
                return None  # scaling matrices
        frame_num_bits = bits.exponential() + 4
        kind = bits.exponential()
        place_bits = bits.exponential() + 4 if kind == 0 else 0
        bits.exponential()
        gaps_allowed = bool(bits.fixed(1))
        bits.exponential()
        bits.exponential()
        frames_only = bool(bits.fixed(1))
    except ValueError:
        return None
    if kind == 1:
        return None
    return _Parameters(frame_num_bits, place_bits, gaps_allowed, frames_only)


class _Bits:
    """Fields of a unit, read from its start on; ValueError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._text = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"
        self._place = 0

    def fixed(self, number: int) -> int:
        """Read a field of `number` bits."""
        start, self._place = self._place, self._place + number
        if self._place > len(self._text):
            raise ValueError("the unit ends")
        return int(self._text[start : self._place] or "0", 2)

    def exponential(self) -> int:
        """Read an Exp-Golomb code: ue(v)."""
        zeros = self._text.index("1", self._place) - self._place
        self._place += zeros
        return self.fixed(zeros + 1) - 1
