"""The units of an H.264 or HEVC packet, as far as they tell whether decoding can start there."""

from collections.abc import Iterator

REFRESHING = {"h264": range(5, 6), "hevc": range(16, 21)}
"""Types of the units of IDR frames, in HEVC also of BLA frames.
Source: ITU-T H.264, table 7-1; ITU-T H.265, table 7-1."""


def refreshes(codec: str, extradata: bytes | None, packet: bytes) -> bool | None:
    """Return whether frames after a keyframe are shown after it and refer to none before it.

    Containers also mark as keyframes where a decoder recovers after some frames (intra refresh),
    and intra frames that others follow which are shown before them or refer to frames before.

    Args:
        codec: FFmpeg's name of it.
        extradata: the decoder's configuration; it tells how units are delimited.
        packet: data of the packet of the keyframe.

    Returns:
        None: the codec is not one of these two.
    """
    types = REFRESHING.get(codec)
    if types is None:
        return None
    heads = _unit_heads(packet, _length_size(codec, extradata or b""))
    return any((head & 31 if codec == "h264" else head >> 1 & 63) in types for head in heads)


def _length_size(codec: str, extradata: bytes) -> int:
    """Return the bytes of the length before each unit; 0: start codes (Annex B)."""
    place = 4 if codec == "h264" else 21
    return extradata[place] % 4 + 1 if extradata[:1] == b"\1" and len(extradata) > place else 0


def _unit_heads(packet: bytes, length_size: int) -> Iterator[int]:
    """Yield the first byte of each unit."""
    place = 0
    while length_size and place + length_size < len(packet):
        yield packet[place + length_size]
        place += length_size + int.from_bytes(packet[place : place + length_size], "big")
    while not length_size and 0 <= (place := packet.find(b"\0\0\1", place)) < len(packet) - 3:
        place += 3
        yield packet[place]
