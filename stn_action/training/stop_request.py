"""A request to end a run, which it follows after a complete step: SIGTERM or Ctrl-C."""

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

NOTICE = b"saving after this step, then ending; again: end at once, without saving\n"


class StopRequest:
    """Takes note of SIGTERM and Ctrl-C while its block runs; the second signal acts as usual.

    Only in the main thread of a process, where signals arrive, and not for signals that the process
    ignores. A context manager.
    """

    def __init__(self, *, announce: bool = True) -> None:
        """Start without a request; signals act as usual until the block begins.

        Args:
            announce: tell on the standard error what a signal does; one of several processes does.
        """
        self.signal: int | None = None
        """What came first; None: nothing yet."""
        self._announce = announce
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        self._restore()
        if self._announce:
            os.write(2, NOTICE)  # print may be what was interrupted

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)
