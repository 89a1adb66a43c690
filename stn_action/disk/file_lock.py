"""Locks for what one process at a time may write: folders of runs, journals, caches.

The lock is `flock`'s on a file that names the holder. The system returns it when the holder ends,
however that happens, so a file that a killed process left is no obstacle. It reaches across
machines where the file system passes it on (NFS since version 4 does). Where the file system knows
no such locks, the file itself is the lock, and is taken over from processes of this machine that
no longer run.
"""

import errno
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from stn_action.disk.atomic_file import unwritable
from stn_action.disk.process_label import is_alive, process_label
from stn_action.errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

PATIENCE_SECONDS = 20.0
"""How long processes that a dead holder has started may take to end; they hold its lock too."""
POLL_SECONDS = 0.2
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
"""What `flock` fails with where the file system has no locks."""


@dataclass(frozen=True)
class Holder:
    """The content of a lock file."""

    host: str
    process: str
    """As `process_label` returns it."""
    since: str
    """Date and time."""

    @classmethod
    def this(cls) -> Self:
        """Return the holder that this process is from now on."""
        return cls(socket.gethostname(), process_label(), time.strftime("%Y-%m-%d %H:%M:%S"))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the holder that a file names; None if there is none, or it is not written yet."""
        try:
            content = json.loads(path.read_bytes())
            return cls(*(str(content[name]) for name in ("host", "process", "since")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def has_ended(self) -> bool:
        """Whether it was a process of this machine that no longer runs."""
        return self.host == socket.gethostname() and not is_alive(self.process)

    def __str__(self) -> str:
        return f"process {self.process.partition(' ')[0]} on {self.host}, since {self.since}"


class FileLock:
    """A lock that one process at a time holds. A context manager."""

    def __init__(self, path: str | Path, subject: str, remedy: str) -> None:
        """Describe a lock; `with` takes it, unless `acquire` or `wait` has.

        Args:
            path: the lock file, in an existing folder; there is none while nothing holds it.
            subject: what is locked, for the message.
            remedy: what to do while another process holds it.
        """
        self.path = Path(path)
        self.subject = subject
        self.remedy = remedy
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or wait for those that a dead holder left behind.

        Raises:
            InputError: a process that runs holds it, or the lock file cannot be written.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.try_acquire():
            holder = Holder.read(self.path)
            runs = holder is not None and not holder.has_ended  # None: it has yet to write its name
            if runs or time.monotonic() > deadline:
                raise InputError(
                    f"{self.subject}: another process is writing to it: "
                    f"{holder or 'it does not say which'}; {self.remedy}"
                )
            time.sleep(POLL_SECONDS)

    def wait(self, announce: Callable[[str], None]) -> None:
        """Take the lock as soon as nothing holds it.

        Args:
            announce: called with a line about each holder that is waited for.

        Raises:
            InputError: the lock file cannot be written.
        """
        announced = None
        while not self.try_acquire():
            holder = Holder.read(self.path)
            if holder is not None and holder != announced:
                announce(f"{self.subject}: {holder}, is writing to it; waiting until it ends")
                announced = holder
            time.sleep(POLL_SECONDS)

    def try_acquire(self) -> bool:
        """Take the lock if nothing holds it; return whether that is so.

        Raises:
            InputError: the lock file cannot be written.
        """
        try:
            self._descriptor = _locked(self.path)
            if self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
                os.write(self._descriptor, json.dumps(asdict(Holder.this())).encode() + b"\n")
        except OSError as error:
            self.release()
            raise unwritable(self.path, error) from error
        return self._descriptor is not None

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)  # first: another process then makes a new file
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _locked(path: Path) -> int | None:
    """Return the descriptor of a file that is locked now; None if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "no flock")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_file(path, descriptor):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
            return _locked_by_text(path, descriptor)
        os.close(descriptor)  # its holder has removed the file in the meantime


def _is_file(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still the one at a path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _locked_by_text(path: Path, descriptor: int) -> int | None:
    """Return the descriptor if the file names no holder, or one of this machine that has ended."""
    holder = Holder.read(path)
    if (holder is None and not os.fstat(descriptor).st_size) or (holder and holder.has_ended):
        return descriptor
    os.close(descriptor)
    return None
