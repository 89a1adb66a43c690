"""What a long job has done so far: lines that are only ever appended, so that a kill loses one."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from stn_action.errors import InputError


class Journal:
    """A file of lines that goes on where the last run was killed; a line cut off is dropped."""

    def __init__(self, path: str | Path, header: bytes):
        """Read what is there, and open it for more.

        Args:
            path: the file; it and its folder are created where they are missing.
            header: the first line, with its end: what the lines are.

        Raises:
            InputError: the file begins with another header, or cannot be opened.
        """
        self.path = Path(path)
        self.lines: list[bytes] = []
        """Whole lines that were there, with their ends, without the header."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._take_up(header)
        except BaseException:
            self.close()
            raise

    def append(self, line: bytes) -> None:
        """Write a line, which must have its end, to the disk.

        Raises:
            InputError: the disk is full, or the file cannot be written for another reason.
        """
        try:
            while line:  # a disk that is nearly full takes a part
                line = line[self._file.write(line) or 0 :]
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file: its job is done."""
        self.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _take_up(self, header: bytes) -> None:
        """Read the whole lines, and cut off the rest."""
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if not whole and header.startswith(text):
            self._file.truncate(0)
            self.append(header)
            return
        if not whole.startswith(header):
            raise InputError(
                f"{self.path}: not the journal of a job of this kind and version; move it away, "
                "or choose another --out"
            )
        os.truncate(self.path, len(whole))
        self.lines = whole[len(header) :].splitlines(keepends=True)

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.path}: cannot be written ({error.strerror}); make room or choose another "
            "--out, then give the same command again: what is done stays done"
        )
