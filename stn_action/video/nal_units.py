"""The units of an H.264 or HEVC packet, as far as they tell whether decoding can start there."""

from collections.abc import Iterator

REFRESHING = {"h264": range(5, 6), "hevc": range(16, 21)}
"""Types of the units of IDR frames, in HEVC also of BLA frames.
Source: ITU-T H.264, table 7-1; ITU-T H.265, table 7-1."""

START_CODE = b"\0\0\1"


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
    units = coded_units(codec, extradata or b"", packet)
    return any((unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63) in types for unit in units)


def coded_units(codec: str, extradata: bytes, packet: bytes) -> Iterator[bytes]:
    """Yield the units of a packet that are not empty, from their first byte on.

    Where start codes delimit them, a unit's end may have bytes of the next start code.
    """
    size = _length_size(codec, extradata)
    place = 0
    while size and place + size < len(packet):
        length = int.from_bytes(packet[place : place + size], "big")
        if length:
            yield packet[place + size : place + size + length]
        place += size + length
    place = len(packet) if size else packet.find(START_CODE) % (len(packet) + 1)
    while place + len(START_CODE) < len(packet):
        end = packet.find(START_CODE, place + len(START_CODE)) % (len(packet) + 1)
        if end > place + len(START_CODE):
            yield packet[place + len(START_CODE) : end]
        place = end


def unescaped(unit: bytes) -> bytes:
    """Return the data of a unit without the bytes that keep start codes out of it."""
    return unit.replace(b"\0\0\3", b"\0\0")


def _length_size(codec: str, extradata: bytes) -> int:
    """Return the bytes of the length before each unit; 0: start codes (Annex B)."""
    place = 4 if codec == "h264" else 21
    return extradata[place] % 4 + 1 if extradata[:1] == b"\1" and len(extradata) > place else 0
