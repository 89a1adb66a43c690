"""Pipes that are not waited for without end."""

import io
import os
import select
import sys
from typing import BinaryIO

from stn_action.video.reader import VideoError


class TimedPipe:
    """The standard input or a named pipe, as a file to read from."""

    def __init__(self, descriptor: int, name: str, wait_seconds: float, *, owned: bool) -> None:
        """Take an open pipe.

        Args:
            descriptor: of the pipe.
            name: for messages.
            wait_seconds: how long it may give nothing.
            owned: it is closed with this object.
        """
        self._descriptor, self._name, self._wait = descriptor, name, wait_seconds
        self._owned = owned

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, as soon as there are some; none at the end.

        Raises:
            VideoError: it gave nothing for too long.
        """
        while True:
            ready, _, _ = select.select([self._descriptor], [], [], self._wait)
            if not ready:
                raise stalled_error(self._name, self._wait)
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:  # another process was faster
                continue

    def close(self) -> None:
        """Close the pipe, if it is owned."""
        if self._owned:
            os.close(self._descriptor)
            self._owned = False


def open_named_pipe(path: str, wait_seconds: float) -> TimedPipe:
    """Open a named pipe, also one without a writer.

    Raises:
        VideoError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from None
    return TimedPipe(descriptor, path, wait_seconds, owned=True)


def standard_input(name: str, wait_seconds: float) -> TimedPipe | BinaryIO:
    """Return the standard input; without a limit where it is no file of the system."""
    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:
        return sys.stdin.buffer
    return TimedPipe(descriptor, name, wait_seconds, owned=False)


def stalled_error(name: str, wait_seconds: float) -> VideoError:
    """Return the error about a stream that is open and gives nothing."""
    return VideoError(
        f"{name}: gave nothing for {wait_seconds:g} seconds; check that its sender is running"
    )
