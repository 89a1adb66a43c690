"""Files that are replaced at once: nothing is lost on a full disk or after a kill."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stn_action.errors import InputError

REMEDY = "make room, or give another folder; what was written before is intact"


@contextmanager
def replaced_file(path: str | Path, *, remedy: str = REMEDY) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `path` when the block ends without an error.

    The file that was at `path` stays complete until the new one is on the disk. The temporary file
    is in the same folder and does not outlive the block; one that a killed process left is
    overwritten.

    Args:
        path: the file; its folder is created.
        remedy: for the message.

    Raises:
        InputError: the disk is full, or the file cannot be written for another reason.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(path.parent)):
            raise  # of a file that the block reads
        raise unwritable(path, error, remedy) from error


def write_file(path: str | Path, content: str | bytes, *, remedy: str = REMEDY) -> None:
    """Write a file; what was there stays until all of it is on the disk.

    Args:
        path: the file; its folder is created.
        content: text is encoded as UTF-8, names of files that are not UTF-8 as they were.
        remedy: for the message.

    Raises:
        InputError: the disk is full, or the file cannot be written for another reason.
    """
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogateescape")
    with replaced_file(path, remedy=remedy) as file:
        file.write(content)


def unwritable(path: str | Path, error: OSError, remedy: str = REMEDY) -> InputError:
    """Return the error for a file that cannot be written."""
    return InputError(f"{path}: cannot be written ({error.strerror or error}); {remedy}")


def _sync_folder(folder: Path) -> None:
    """Flush the new name to the disk too, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
