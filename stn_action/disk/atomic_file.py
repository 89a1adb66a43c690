"""Files that are replaced at once: nothing is lost on a full disk or after a kill."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

from stn_action.errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

REMEDY = "make room, or give another folder; what was written before is intact"


class WriteError(InputError):
    """A file that cannot be written, which is no fault of what was to be written."""


@contextmanager
def replaced_file(
    path: str | Path, *, remedy: str = REMEDY, sync: bool = True
) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `path` when the block ends without an error.

    The file that was at `path` stays complete until the new one is on the disk. The temporary file
    is in the same folder and does not outlive the block; one that a killed process left is removed.

    Args:
        path: the file; its folder is created.
        remedy: for the message.
        sync: flush it to the disk, so that a power failure does no harm; without it many small
            files are written faster.

    Raises:
        WriteError: the disk is full, or the file cannot be written for another reason.
    """
    path = Path(path)
    temporary = path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, file = _temporary_file(path)
        try:
            with file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if sync:
            _sync_folder(path.parent)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(path), str(path.parent)):
            raise  # of a file that the block reads
        raise unwritable(path, error, remedy) from error


def write_file(
    path: str | Path, content: str | bytes, *, remedy: str = REMEDY, sync: bool = True
) -> None:
    """Write a file; what was there stays until all of it is on the disk.

    Args:
        path: the file; its folder is created.
        content: text is encoded as UTF-8, names of files that are not UTF-8 as they were.
        remedy: for the message.
        sync: see `replaced_file`.

    Raises:
        WriteError: the disk is full, or the file cannot be written for another reason.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    with replaced_file(path, remedy=remedy, sync=sync) as file:
        file.write(content)


def write_all(file: RawIOBase, data: bytes | memoryview) -> None:
    """Write bytes to an unbuffered file, of which a disk that is nearly full takes only a part.

    Raises:
        OSError: the disk is full, or the file cannot be written for another reason.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def unwritable(path: str | Path, error: OSError, remedy: str = REMEDY) -> WriteError:
    """Return the error for a file that cannot be written."""
    return WriteError(f"{path}: cannot be written ({error.strerror or error}); {remedy}")


def _temporary_file(path: Path) -> tuple[Path, BinaryIO]:
    """Open a new file for what is to be at `path`; remove one that no process writes any more."""
    temporary = path.with_name(f".{path.name}.tmp")
    if _is_left_behind(temporary):
        temporary.unlink(missing_ok=True)
    try:
        file = temporary.open("x+b")
    except FileExistsError:  # another process is writing it: the last one that finishes wins
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        file = temporary.open("w+b")
    _is_locked_here(file.fileno())
    return temporary, file


def _is_left_behind(temporary: Path) -> bool:
    """Return whether the process that wrote a temporary file has ended."""
    try:
        with temporary.open("rb") as file:
            return _is_locked_here(file.fileno())
    except FileNotFoundError:
        return False


def _is_locked_here(descriptor: int) -> bool:
    """Lock an open file; False if another process has it, or its file system knows no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Flush the new name to the disk too, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
