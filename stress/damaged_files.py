"""Kinds of damage to video files: each makes a file of one intact one, at random by a generator."""

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stress import damaged_packets
from stress.intact_files import FORMATS, Format, IntactFiles

Random = np.random.Generator
Make = Callable[[IntactFiles, Format, Path, Random], None]
"""Write a damaged file of a format to a path."""

MATRICES = [
    (1, 0, 0, 1), (-1, 0, 0, -1), (0, 1, -1, 0), (0, -1, 1, 0),
    (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0),
]  # fmt: skip
"""Four turns and four flips, as a, b, c, d of x' = ax + cy, y' = bx + dy."""
SOME_INTS = [0, 1, 2, 7, 1000, 2**16, 2**31 - 1, 2**32 - 1]
SPECIALS = "a folder", "a pipe", "a link to nothing", "a link to itself"
LETTER = b"Dear reader,\nthis is a letter and no video.\n"


@dataclass(frozen=True)
class Kind:
    """A kind of damage."""

    name: str
    make: Make
    fits: Callable[[Format], bool] = lambda form: True
    """Whether there is such damage in files of a format."""
    keeps_frames: bool = False
    """All frames decode as they were."""

    @property
    def formats(self) -> list[Format]:
        """Those it fits."""
        return [form for form in FORMATS if self.fits(form)]


@dataclass(frozen=True)
class DamagedFile:
    """A damaged file, and how it was made."""

    path: Path
    kind: Kind
    form: str


def write_damaged(folder: Path, intact: IntactFiles, number: int, seed: int) -> DamagedFile:
    """Write file `number`: kinds take turns, format and damage are drawn by the seed."""
    kind = KINDS[number % len(KINDS)]
    random = np.random.default_rng([seed, number])
    form = kind.formats[int(random.integers(len(kind.formats)))]
    path = folder / f"v{number:04}_{kind.name}_{form.name}{form.suffix}"
    kind.make(intact, form, path, random)
    return DamagedFile(path, kind, f"{form.name}{form.suffix}")


def matrix_of(path: Path) -> tuple[int, int, int, int]:
    """Return the display matrix of a file of the kind `display_matrix`."""
    data = path.read_bytes()
    start = data.index(b"tkhd") + 44
    a, b, _, c, d = struct.unpack(">5i", data[start : start + 20])
    return a >> 16, b >> 16, c >> 16, d >> 16


def _of_bytes(change: Callable[[bytearray, Format, Random], bytearray | bytes | None]) -> Make:
    """Return a kind that changes the bytes of an intact file, in place or to others."""

    def make(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
        data = bytearray(intact.path(form).read_bytes())
        changed = change(data, form, random)
        path.write_bytes(data if changed is None else changed)

    return make


def _truncated(data: bytearray, form: Format, random: Random) -> bytearray:
    return data[: int(random.integers(1, len(data)))]


def _beginning_cut_off(data: bytearray, form: Format, random: Random) -> bytearray:
    return data[int(random.integers(1, len(data) // 4)) :]


def _zeroed(data: bytearray, form: Format, random: Random) -> None:
    start, length = _run(data, random)
    data[start : start + length] = bytes(length)


def _noise(data: bytearray, form: Format, random: Random) -> None:
    start, length = _run(data, random)
    data[start : start + length] = random.bytes(length)


def _inserted(data: bytearray, form: Format, random: Random) -> None:
    start, length = _run(data, random)
    data[start:start] = random.bytes(length)


def _removed(data: bytearray, form: Format, random: Random) -> None:
    start, length = _run(data, random)
    del data[start : start + length]


def _run(data: bytearray, random: Random) -> tuple[int, int]:
    """Return a run of at most a tenth of the data: where and how long."""
    length = int(random.integers(1, len(data) // 10))
    return int(random.integers(len(data) - length)), length


def _bits_in_header(data: bytearray, form: Format, random: Random) -> None:
    start, end = 0, min(600, len(data))
    if form.is_mov and b"moov" in data:
        start = data.index(b"moov")
        end = start + struct.unpack(">I", data[start - 4 : start])[0] - 4
    _flip(data, random, start, end)


def _bits_in_middle(data: bytearray, form: Format, random: Random) -> None:
    _flip(data, random, 2 * len(data) // 5, 3 * len(data) // 5)


def _bits_at_end(data: bytearray, form: Format, random: Random) -> None:
    _flip(data, random, 9 * len(data) // 10, len(data))


def _flip(data: bytearray, random: Random, start: int, end: int) -> None:
    for _ in range(int(random.integers(1, 12))):
        data[int(random.integers(start, end))] ^= 1 << int(random.integers(8))


def _declared_count(data: bytearray, form: Format, random: Random) -> None:
    number = int(random.choice([*SOME_INTS, 19, 21, 40]))
    if form.is_mov:
        _put(data, b"stsz", 12, ">I", number)
    else:
        _put(data, b"avih", 24, "<I", number)
        _put(data, b"strh", 40, "<I", number)


def _timescale(data: bytearray, form: Format, random: Random) -> None:
    number = int(random.choice(SOME_INTS))
    if form.is_mov:
        _put(data, b"mdhd", 16, ">I", number)
    else:
        _put(data, b"\x2a\xd7\xb1", 4, ">I", number << 8, size=3)


def _frame_rate(data: bytearray, form: Format, random: Random) -> None:
    scale, rate = (int(number) for number in random.choice(SOME_INTS, 2))
    if form.is_mov:
        _put(data, b"stts", 16, ">I", scale)
    else:
        _put(data, b"avih", 8, "<I", rate)
        _put(data, b"strh", 28, "<II", scale, rate)


def _all_times_zero(data: bytearray, form: Format, random: Random) -> None:
    """The times in decoding order and the offsets from them."""
    for name, entries in ((b"stts", 1), (b"ctts", 40)):
        at = data.find(name)
        if at >= 0:
            number = min(entries, struct.unpack(">I", data[at + 8 : at + 12])[0])
            for entry in range(number):
                data[at + 16 + 8 * entry : at + 20 + 8 * entry] = bytes(4)


def _no_header(data: bytearray, form: Format, random: Random) -> None:
    name = b"moov" if form.is_mov else b"hdrl"
    data[data.index(name) : data.index(name) + 4] = b"free"


def _huge_size(data: bytearray, form: Format, random: Random) -> None:
    side = int(random.choice([5000, 12000, 16000, 30000, 65535]))
    if form.codec == "mjpeg":
        start = 0
        while (start := data.find(b"\xff\xc0\x00\x11\x08", start)) >= 0:
            data[start + 5 : start + 9] = struct.pack(">HH", side, side)
            start += 9
    if form.is_mov:
        _put(data, b"tkhd", 80, ">II", side << 16, side << 16)
        for name in (b"avc1", b"mp4v", b"hev1", b"hvc1", b"jpeg"):
            _put(data, name, 28, ">HH", side, side)
    elif form.suffix == ".avi":
        _put(data, b"avih", 40, "<II", side, side)
        _put(data, b"strf", 12, "<ii", side, side)


def _display_matrix(data: bytearray, form: Format, random: Random) -> None:
    a, b, c, d = MATRICES[int(random.integers(len(MATRICES)))]
    one = 1 << 16
    _put(data, b"tkhd", 44, ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)


def _put(
    data: bytearray, name: bytes, offset: int, form: str, *numbers: int, size: int | None = None
) -> None:
    """Overwrite numbers at an offset from where the name of a field is; it may be missing."""
    at = data.find(name)
    if at >= 0:
        packed = struct.pack(
            form, *(number & 0xFFFFFFFF if number > 0 else number for number in numbers)
        )
        data[at + offset : at + offset + len(packed[:size])] = packed[:size]


def _twice(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    path.write_bytes(2 * intact.path(form).read_bytes())


def _other_suffix(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    other = FORMATS[int(random.integers(len(FORMATS)))]
    path.write_bytes(intact.path(other).read_bytes())


def _empty(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    path.touch()


def _text(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    path.write_bytes(LETTER * int(random.integers(1, 100)))


def _random_bytes(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    path.write_bytes(random.bytes(int(random.integers(1, 30_000))))


def _no_file(intact: IntactFiles, form: Format, path: Path, random: Random) -> None:
    make_special(path, int(random.integers(len(SPECIALS))))


def make_special(path: Path, number: int) -> None:
    """Make what is no file: see `SPECIALS`."""
    match SPECIALS[number]:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a link to nothing":
            path.symlink_to("nothing.mp4")
        case _:
            path.symlink_to(path.name)


def _is_mov(form: Format) -> bool:
    return form.is_mov


def _is(suffixes: Sequence[str]) -> Callable[[Format], bool]:
    return lambda form: form.suffix in suffixes and form.container is None


def _has_times(form: Format) -> bool:
    return form.container is None and form.codec not in ("wmv2", "vp8") and form.suffix != ".mpg"


KINDS = (
    Kind("truncated", _of_bytes(_truncated)),
    Kind("beginning_cut_off", _of_bytes(_beginning_cut_off)),
    Kind("zeroed", _of_bytes(_zeroed)),
    Kind("noise", _of_bytes(_noise)),
    Kind("inserted", _of_bytes(_inserted)),
    Kind("removed", _of_bytes(_removed)),
    Kind("bits_in_header", _of_bytes(_bits_in_header)),
    Kind("bits_in_middle", _of_bytes(_bits_in_middle)),
    Kind("bits_at_end", _of_bytes(_bits_at_end)),
    Kind("no_header", _of_bytes(_no_header), _is((".mp4", ".mov", ".avi"))),
    Kind(
        "declared_count",
        _of_bytes(_declared_count),
        _is((".mp4", ".mov", ".avi")),
        keeps_frames=True,
    ),
    Kind(
        "timescale",
        _of_bytes(_timescale),
        _is((".mp4", ".mov", ".mkv", ".webm")),
        keeps_frames=True,
    ),
    Kind("frame_rate", _of_bytes(_frame_rate), _is((".mp4", ".mov", ".avi")), keeps_frames=True),
    Kind("huge_size", _of_bytes(_huge_size), _is((".mp4", ".mov", ".avi"))),
    Kind("display_matrix", _of_bytes(_display_matrix), _is_mov, keeps_frames=True),
    Kind("all_times_zero", _of_bytes(_all_times_zero), _is_mov, keeps_frames=True),
    Kind("pts_as_dts", damaged_packets.pts_as_dts, _has_times, keeps_frames=True),
    Kind("negative_pts", damaged_packets.negative_pts, _has_times, keeps_frames=True),
    Kind("duplicated_packets", damaged_packets.duplicated, _has_times),
    Kind("dropped_packets", damaged_packets.dropped, _has_times),
    Kind("swapped_packets", damaged_packets.swapped, _has_times),
    Kind("size_change", damaged_packets.size_change, lambda form: form.resizes),
    Kind("audio_only", damaged_packets.audio_only, _is((".mp4", ".mkv", ".mov"))),
    Kind("cover_picture", damaged_packets.cover_picture, _is((".mp4", ".mov"))),
    Kind("joined_twice", _twice, keeps_frames=True),
    Kind("other_suffix", _other_suffix, keeps_frames=True),
    Kind("empty", _empty),
    Kind("text", _text),
    Kind("random_bytes", _random_bytes),
    Kind("no_file", _no_file),
)
"""By turns."""
