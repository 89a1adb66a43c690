"""A `.npy` file that is written row by row, and is complete or has another name."""

import os
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np

from stn_action.disk.atomic_file import unwritable, write_all
from stn_action.errors import InputError


class ArrayFile:
    """A `.npy` file that is written row by row under another name, or in place."""

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any],
        rows: Sequence[int] | None, *, extend: bool,
    ) -> None:  # fmt: skip
        """Open the file and take its space; what an interrupted writer has left is kept.

        Args:
            path: its name in the end.
            shape: of the array, rows first.
            dtype: of its values.
            rows: those that will be written; None: all.
            extend: write in place into the file that is there.

        Raises:
            InputError: it cannot be written, or is not there to be extended.
        """
        self.path = path
        self.temporary = path if extend else path.with_name(f".{path.name}.tmp")
        self._row_shape, self._dtype = shape[1:], dtype
        self._row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        size = shape[0] * self._row_bytes
        header = _header(shape, dtype)
        self._start = len(header)
        self._file: FileIO | None = None
        try:
            self.continued = _begins_with(self.temporary, header, self._start + size)
            if extend and not self.continued:
                raise damaged_array(path, "not as it was written")
            self._file = self.temporary.open("r+b" if self.continued else "w+b", buffering=0)
            if not self.continued:
                write_all(self._file, header)
                self._file.truncate(self._start + size)
            self._reserve(range(shape[0]) if rows is None else rows)
        except OSError as error:
            self.discard()
            raise self._unwritable(error, size) from error

    def _reserve(self, rows: Sequence[int]) -> None:
        """Take the space of some rows, which are zeros where nothing was written.

        Raises:
            OSError: the disk is full.
        """
        if self._file is None or not self._row_bytes or not hasattr(os, "posix_fallocate"):
            return
        for first, end in _runs(rows):
            start, size = self._start + first * self._row_bytes, (end - first) * self._row_bytes
            os.posix_fallocate(self._file.fileno(), start, size)

    def write(self, row: int, array: np.ndarray) -> None:
        """Write a row.

        Raises:
            InputError: it cannot be written.
        """
        assert self._file is not None
        assert (array.shape, array.dtype) == (self._row_shape, self._dtype)
        data = np.ascontiguousarray(array).data.cast("B")
        self._file.seek(self._start + row * self._row_bytes)
        try:
            write_all(self._file, data)
        except OSError as error:
            raise self._unwritable(error, len(data)) from error

    def read(self, row: int) -> np.ndarray:
        """Return a row as it is in the file."""
        assert self._file is not None
        self._file.seek(self._start + row * self._row_bytes)
        data = self._file.read(self._row_bytes)
        return np.frombuffer(data, self._dtype).reshape(self._row_shape)

    def finish(self) -> None:
        """Give the file its name.

        Raises:
            InputError: it cannot be written.
        """
        assert self._file is not None
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            if self.temporary != self.path:
                self.temporary.replace(self.path)
        except OSError as error:
            raise self._unwritable(error, 0) from error

    def close(self) -> None:
        """Close the file and leave it as it is."""
        assert self._file is not None
        self._file.close()

    def discard(self) -> None:
        """Close the file, and remove it if it has no final name."""
        if self._file is not None:
            self._file.close()
            if self.temporary != self.path:
                self.temporary.unlink(missing_ok=True)
            self._file = None

    def _unwritable(self, error: OSError, size: int) -> InputError:
        return unwritable(
            self.path, error, f"it takes {size:,} bytes: make room, or give another folder"
        )


def damaged_array(path: Path, reason: str) -> InputError:
    """Return the error about a file that is not what was written."""
    return InputError(f"{path}: damaged ({reason}); delete the folder, and it is filled again")


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    buffer = BytesIO()
    content = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, content)
    return buffer.getvalue()


def _begins_with(path: Path, header: bytes, size: int) -> bool:
    """Return whether a file has a size, and begins with this header."""
    try:
        with path.open("rb") as file:
            return file.read(len(header)) == header and path.stat().st_size == size
    except FileNotFoundError:
        return False


def _runs(rows: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first row of each run of successive rows, and the one behind its last."""
    first = end = -1
    for row in sorted(rows):
        if row != end:
            if first >= 0:
                yield first, end
            first = row
        end = row + 1
    if first >= 0:
        yield first, end
