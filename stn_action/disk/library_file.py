"""A file that a library in C writes, whose errors wait until the library has returned.

Raised inside of the library, an error would be lost, or be followed by others as it goes on.
"""

import os
from typing import BinaryIO


class LibraryFile:
    """A binary file to write; once an error has occurred nothing more is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._error: OSError | None = None
        self._position = 0
        self._size = 0

    def write(self, data: bytes) -> int:
        """Write bytes, or seem to."""
        try:
            if self._error is None:
                self.file.write(data)
        except OSError as error:
            self._error = error
        self._position += len(data)
        self._size = max(self._size, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, or seem to; return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        try:
            if self._error is None:
                self.file.seek(self._position)
        except OSError as error:
            self._error = error
        return self._position

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def flush(self) -> None:
        """Write what is buffered, or seem to."""
        try:
            if self._error is None:
                self.file.flush()
        except OSError as error:
            self._error = error

    def raise_error(self) -> None:
        """Raise the first error.

        Raises:
            OSError: the file could not be written.
        """
        self.flush()
        if self._error is not None:
            raise self._error
