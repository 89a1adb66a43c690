"""A record of finished work: lines are only appended, so that a kill loses one at most."""

import os
from pathlib import Path
from typing import Self

from stn_action.disk.atomic_file import unwritable, write_all
from stn_action.disk.file_lock import FileLock
from stn_action.errors import InputError


class Journal:
    """A file of lines that continues where the last run was killed; a truncated line is dropped."""

    def __init__(self, path: str | Path, header: bytes):
        """Read the existing lines, and open the file to append.

        Args:
            path: the file; it and its folder are created if they do not exist.
            header: the first line, with its newline: it identifies the kind of lines.

        Raises:
            InputError: the file begins with another header, or cannot be opened; another process
                that runs writes to it.
        """
        self.path = Path(path)
        self.lines: list[bytes] = []
        """Complete lines of earlier runs, with their newlines, without the header."""
        self._lock = FileLock(
            self.path.with_name(f"{self.path.name}.lock"), str(self.path),
            "wait until it ends, or choose another --out",
        )  # fmt: skip
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            self._lock.release()
            raise self._unwritable(error) from error
        try:
            self._read_lines(header)
        except BaseException:
            self.close()
            raise

    def append(self, line: bytes) -> None:
        """Write a line, which must end with a newline, to the disk.

        Raises:
            InputError: the disk is full, or the file cannot be written for another reason.
        """
        try:
            write_all(self._file, line)
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the file, and let others write to it. Closing twice is allowed."""
        self._file.close()
        self._lock.release()

    def remove(self) -> None:
        """Close and delete the file."""
        self.path.unlink(missing_ok=True)
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_lines(self, header: bytes) -> None:
        """Read the complete lines, and truncate the file to them."""
        text = self.path.read_bytes()
        complete = text[: text.rfind(b"\n") + 1]
        if not complete and header.startswith(text):
            self._file.truncate(0)
            self.append(header)
            return
        if not complete.startswith(header):
            raise InputError(
                f"{self.path}: not the journal of a job of this kind and version; move it away, "
                "or choose another --out"
            )
        os.truncate(self.path, len(complete))
        self.lines = complete[len(header) :].splitlines(keepends=True)

    def _unwritable(self, error: OSError) -> InputError:
        remedy = (
            "make room or choose another --out, then give the same command again: what is done "
            "stays done"
        )
        return unwritable(self.path, error, remedy)
