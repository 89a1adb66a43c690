"""Damage to the packets of a video: written with their headers as a muxer writes them."""

import contextlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition

from stress.intact_files import EXACT, LENGTH, Format, IntactFiles, encode, images

Random = np.random.Generator
Packets = list[av.Packet]


def pts_as_dts(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Write every packet as if it were shown when it is decoded."""

    def change(packets: Packets) -> Packets:
        for packet in packets:
            packet.pts = packet.dts
        return packets

    _remux(intact, form, path, change)


def negative_pts(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Begin before time zero."""
    share = random.random()

    def change(packets: Packets) -> Packets:
        shift = int(share * 2 * max(packet.pts or 0 for packet in packets)) + 1
        for packet in packets:
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        return packets

    _remux(intact, form, path, change, {"avoid_negative_ts": "disabled"})


def duplicated(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Write some packets twice, with the same times where the muxer takes that."""
    again = set(random.integers(LENGTH, size=int(random.integers(1, 6))).tolist())

    def change(packets: Packets) -> Packets:
        result = []
        for number, packet in enumerate(packets):
            result += [packet] * (1 + (number in again))
        return result

    _remux(intact, form, path, change)


def dropped(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Leave out some packets, the first one too."""
    gone = set(random.integers(LENGTH, size=int(random.integers(1, 6))).tolist())

    def change(packets: Packets) -> Packets:
        return [packet for number, packet in enumerate(packets) if number not in gone]

    _remux(intact, form, path, change)


def swapped(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Give two packets each other's times."""
    one, other = (int(number) for number in random.choice(LENGTH, 2, replace=False))

    def change(packets: Packets) -> Packets:
        times = [(packet.pts, packet.dts) for packet in packets]
        packets[one], packets[other] = packets[other], packets[one]
        for packet, (pts, dts) in zip(packets, times, strict=True):
            packet.pts, packet.dts = pts, dts
        return packets

    _remux(intact, form, path, change)


def size_change(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Write half a video of one size and half of another, in one stream."""
    second = path.with_name(f".second{form.suffix}")
    scale = int(random.integers(2, 4))
    larger = (np.kron(image, np.ones((scale, scale, 1), np.uint8)) for image in images(form.name))
    encode(second, form, larger)
    first = intact.path(form)
    if form.codec == "mjpeg":
        _join(first, second, path, form)
    else:
        path.write_bytes(first.read_bytes() + second.read_bytes())
    second.unlink()


def audio_only(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Write a tone and no image."""
    with av.open(str(path), "w", options=EXACT) as container:
        _add_tone(container)


def cover_picture(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    """Write a tone and the picture of an album."""
    with av.open(str(path), "w", format="mp4", options=EXACT) as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        image = np.full((48, 64, 3), int(random.integers(256)), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        _add_tone(container, before=lambda: container.mux(cover.encode(frame)))


def _add_tone(container, before: Callable[[], object] = lambda: None) -> None:
    sound = container.add_stream("aac", rate=8000)
    sound.layout = "mono"
    before()
    wave = np.sin(np.arange(8192) / 5).astype(np.float32)
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts = 8000, start
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def _remux(
    intact: IntactFiles,
    form: Format,
    path: Path,
    change: Callable[[Packets], Packets],
    options: dict[str, str] | None = None,
) -> None:
    """Copy changed packets; those that the muxer refuses are left out."""
    with av.open(str(intact.path(form))) as given:
        stream = given.streams.video[0]
        packets = change([packet for packet in given.demux(stream) if packet.size])
        with av.open(
            str(path), "w", options={**form.muxer, **EXACT, **(options or {})}
        ) as container:
            copy = container.add_stream_from_template(stream)
            for packet in packets:
                packet.stream = copy
                _mux(container, packet)


def _join(first: Path, second: Path, path: Path, form: Format) -> None:
    with av.open(str(path), "w", options={**form.muxer, **EXACT}) as container:
        copy, number = None, 0
        for source in (first, second):
            with av.open(str(source)) as given:
                stream = given.streams.video[0]
                copy = copy or container.add_stream_from_template(stream)
                for packet in given.demux(stream):
                    if packet.size:
                        packet.stream, packet.time_base = copy, Fraction(1, 10)
                        packet.pts = packet.dts = number
                        number += 1
                        container.mux_one(packet)


def _mux(container, packet: av.Packet) -> None:
    with contextlib.suppress(FFmpegError, ValueError):
        container.mux_one(packet)
