"""The manifest of a data set: a table on disk with the properties of its videos.

The table is a text file of tab-separated columns, one line a video. It is memory-mapped; a line is
parsed when its video is asked for. In memory are only where each line starts and a hash of each
name, as two arrays that forked `DataLoader` workers share.
"""

import hashlib
import mmap
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import numpy as np

from stn_action.checksum import split_checksum
from stn_action.data.index_file import IndexFile, index_path
from stn_action.disk.atomic_file import replaced_file
from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError
from stn_action.video.file_index import FileIndex

ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}
REMEDY = "write it again with `python tools/check_videos.py CONFIG_OR_FOLDER --out {path}`"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the manifest: the properties of one video, file or folder; fields are columns."""

    name: str
    """The video's name, as `Video.name`."""
    frames: int
    """Number of frames that a sequential decode of the file gives. It is the video's length for
    training, evaluation and people, whatever the file promises."""
    fps: float
    """Frames per second on average, of a folder of frames `data.frames_fps`; 0 if the video cannot
    be read."""
    width: int
    """Width of the frames as shown, after rotation, in pixels."""
    height: int
    """Height, likewise."""
    rotation: int
    """Degrees by which decoded frames are rotated counterclockwise to be shown: 0, 90, 180, 270.
    Mirrored ones are mirrored before, left to right."""
    codec: str
    """FFmpeg's name of the decoder."""
    bytes: int
    """Size of the file, or of all frames."""
    modified: int
    """Time of the last change of the file or the frames, nanoseconds since 1970."""
    checksum: str
    """`Video.checksum()`."""
    error: str = ""
    """Reason why the file cannot be read; empty if it can."""
    note: str = ""
    """Damage of a file that can be read, in part at least, and behind it remarks, such as on
    pixels that are not square; empty if there is none."""


LIMITS = {"frames": 10**7, "fps": 10**6, "width": 2**16, "height": 2**16}
"""The largest numbers of a video; a larger one is damage."""
MAX_LINE_BYTES, MAX_SHOWN = 2**20, 60
COLUMNS = tuple(field.name for field in fields(Entry))
HEADER = "\t".join(COLUMNS).encode() + b"\n"
DIGEST_MARK = b"\tblake2b:"
"""In the first line of a file, behind the columns; the digest of all other lines follows. Files of
earlier versions have none."""
DIGEST_BYTES = 16


def to_line(entry: Entry) -> bytes:
    """Return one line of the table, with its end."""
    cells = [
        "".join(_ESCAPES.get(letter, letter) for letter in value)
        if isinstance(value, str)
        else repr(value)
        for value in astuple(entry)
    ]
    return "\t".join(cells).encode(**ENCODING) + b"\n"


def from_line(line: bytes, *, source: str) -> Entry:
    """Read one line of the table.

    Args:
        line: with or without its end.
        source: file and line number, for the message.

    Raises:
        InputError: a column is missing or holds something else.
    """
    cells = line.rstrip(b"\r\n").decode(**ENCODING).split("\t")
    if len(cells) != len(COLUMNS):
        raise InputError(f"{source}: expected {len(COLUMNS)} columns, got {len(cells)}")
    values = []
    for field, cell in zip(fields(Entry), cells, strict=True):
        try:
            values.append(_unescaped(cell) if field.type is str else field.type(cell))  # type: ignore[operator]
        except ValueError:
            raise InputError(
                f"{source}: {field.name} must be a number, got {cell[:MAX_SHOWN]!r}"
            ) from None
    entry = Entry(*values)
    for name, limit in LIMITS.items():
        if not 0 <= getattr(entry, name) <= limit:  # NaN is not either
            raise InputError(
                f"{source}: {name} must be from 0 to {limit}, got {getattr(entry, name):g}"
            )
    return entry


class Manifest:
    """The table of a data set; a pickled one opens the file again where it is unpickled."""

    def __init__(self, path: str | Path):
        """Open a table and find the start of every line; see `open`."""
        self.path = Path(path)
        try:
            self._open()
        except OSError as error:
            raise InputError(
                f"{self.path}: this manifest cannot be read ({error.strerror}); "
                + REMEDY.format(path=self.path)
            ) from error
        beside = index_path(self.path)
        self._indices = IndexFile(beside) if beside.exists() else None

    @classmethod
    def open(cls, path: str | Path) -> "Manifest":
        """Open a table.

        Raises:
            InputError: the file is missing, has another header, is cut off or damaged, a line has
                too few or too many columns, or two lines have the same name; or the index beside
                it is not one.
        """
        return cls(path)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[Entry]:
        return (self.entry(row) for row in range(len(self)))

    def entry(self, row: int) -> Entry:
        """Read the video in line `row + 2` of the file.

        Raises:
            IndexError: there is no such row.
            InputError: a column does not hold what it should.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row must be in [0, {len(self)}), got {row}")
        return from_line(self._line(row), source=f"{self.path}, line {row + 2}")

    def find(self, name: str) -> Entry | None:
        """Read the entry of a video; None if the table has none of that name.

        Raises:
            InputError: a column does not hold what it should.
        """
        row = self._row_of(_cell(name))
        return None if row is None else self.entry(row)

    def index_of(self, entry: Entry) -> FileIndex | None:
        """Return what is known of the file of a video; None: it has to be read for it.

        Raises:
            InputError: what is known of it is damaged.
        """
        digest = split_checksum(entry.checksum)[0]
        return None if self._indices is None or not digest else self._indices.find(digest)

    def line_of(self, name: str) -> bytes | None:
        """Return the line of a video in the file; None if there is none."""
        row = self._row_of(_cell(name))
        return None if row is None else self._line(row)

    def __reduce__(self) -> tuple[type["Manifest"], tuple[Path]]:
        return type(self), (self.path,)

    def _open(self) -> None:
        with self._opened() as file:
            header = file.readline(len(_header(hashlib.blake2b(digest_size=DIGEST_BYTES))) + 2)
            columns, mark, digest = header.rstrip(b"\r\n").partition(DIGEST_MARK)
            if columns != HEADER.rstrip() or not header.endswith(b"\n"):
                raise InputError(
                    f"{self.path}, line 1: not the header of a manifest; "
                    + REMEDY.format(path=self.path)
                )
            self._starts, hashes, found = _scan(file, self.path, len(header))
            if mark and digest != found:
                raise InputError(
                    f"{self.path}: damaged: its lines are not those that were written; "
                    + REMEDY.format(path=self.path)
                    + ", or, if it was edited on purpose, take the digest off line 1"
                )
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._rows = np.argsort(hashes, kind="stable").astype(np.uint32)
        self._hashes = hashes[self._rows]
        self._require_unique()

    def _opened(self) -> BinaryIO:
        try:
            return open_regular(self.path, what="manifest")
        except InputError as error:
            raise InputError(f"{error}; {REMEDY.format(path=self.path)}") from None

    def _line(self, row: int) -> bytes:
        return self._text[self._starts[row] : self._starts[row + 1]]

    def _row_of(self, cell: bytes) -> int | None:
        place = int(np.searchsorted(self._hashes, np.uint32(crc32(cell))))
        while place < len(self) and self._hashes[place] == crc32(cell):
            row = int(self._rows[place])
            if self._line(row).startswith(cell + b"\t"):
                return row
            place += 1
        return None

    def _require_unique(self) -> None:
        for place in np.flatnonzero(self._hashes[1:] == self._hashes[:-1]).tolist():
            row = int(self._rows[place + 1])
            name = self._line(row).partition(b"\t")[0]
            first = self._row_of(name)
            if first is not None and first != row:
                raise InputError(
                    f"{self.path}, line {row + 2}: {name.decode(**ENCODING)} is in line "
                    f"{first + 2} already; {REMEDY.format(path=self.path)}"
                )


def write_manifest(
    path: Path, lines: Iterable[bytes], *, remedy: str = "make room, or give another --out"
) -> None:
    """Write a table from finished lines; one that is there stays until all of it is written.

    Args:
        path: the file.
        lines: as `to_line` returns them.
        remedy: for the message.

    Raises:
        InputError: it cannot be written, for instance because the disk is full.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    with replaced_file(path, remedy=remedy) as file:
        file.write(_header(digest))  # as long as it will be
        for line in lines:
            digest.update(line)
            file.write(line)
        file.seek(0)
        file.write(_header(digest))


def _header(digest: hashlib.blake2b) -> bytes:
    return HEADER.rstrip() + DIGEST_MARK + digest.hexdigest().encode() + b"\n"


def _scan(file: BinaryIO, path: Path, start: int) -> tuple[np.ndarray, np.ndarray, bytes]:
    """Return the starts of the lines and the end of the last (N + 1), hashes of names (N), digest.

    The digest is that of all lines, in hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    starts, hashes = array("q", [start]), array("I")
    line = HEADER
    lines = iter(lambda: file.readline(MAX_LINE_BYTES), b"")
    for number, line in enumerate(lines, start=2):
        columns = line.count(b"\t") + 1
        if columns != len(COLUMNS):
            cut = "" if line.endswith(b"\n") else ", where the file is cut off"
            raise InputError(
                f"{path}, line {number}: expected {len(COLUMNS)} columns, got {columns}{cut}; "
                + REMEDY.format(path=path)
            )
        digest.update(line.rstrip(b"\r\n") + b"\n")  # a spreadsheet's line ends do no harm
        start += len(line)
        starts.append(start)
        hashes.append(crc32(line[: line.index(b"\t")]))
    if not line.endswith(b"\n"):
        raise InputError(
            f"{path}, line {len(hashes) + 1}: the file is cut off in this line; "
            + REMEDY.format(path=path)
        )
    found = digest.hexdigest().encode()
    return np.array(starts, dtype=np.int64), np.array(hashes, dtype=np.uint32), found


def _cell(name: str) -> bytes:
    escaped = "".join(_ESCAPES.get(letter, letter) for letter in name)
    return escaped.encode(**ENCODING)


def _unescaped(cell: str) -> str:
    if "\\" not in cell:
        return cell
    letters = {escape[1]: letter for letter, escape in _ESCAPES.items()}
    parts = iter(cell)
    return "".join(
        letters.get(letter := next(parts, ""), letter) if part == "\\" else part for part in parts
    )
