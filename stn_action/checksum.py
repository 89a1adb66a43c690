"""Checksums of files and folders, to detect changes since a result was made from them."""

import hashlib
from errno import EINVAL
from pathlib import Path
from stat import S_ISREG

DIGEST_BYTES = 16


def checksum(path: str | Path) -> str:
    """Return the BLAKE2b digest of a file, 32 hexadecimal digits.

    Raises:
        OSError: the file cannot be read, or is a device or a pipe, which may never end.
    """
    path = Path(path)
    if not S_ISREG(path.stat().st_mode):
        raise OSError(EINVAL, "it is not a regular file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)
        ).hexdigest()


def path_checksum(path: str | Path) -> str:
    """Return the BLAKE2b digest of a file, or of names and contents of all files below a folder.

    Raises:
        OSError: a file cannot be read.
    """
    path = Path(path)
    if path.is_file():
        return checksum(path)
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        line = f"{file.relative_to(path).as_posix()} {checksum(file)}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def split_checksum(text: str) -> tuple[str, str]:
    """Split a `video_checksum` into the file's checksum and the label of the slice.

    >>> split_checksum("0ad5 1.5:"), split_checksum("0ad5")
    (('0ad5', ' 1.5:'), ('0ad5', ''))
    """
    digest, space, label = text.partition(" ")
    return digest, space + label


def slice_label(start_seconds: float | None, end_seconds: float | None) -> str:
    """Return the label that `video_checksum` appends for a slice; empty for a complete file.

    >>> slice_label(1.5, None), slice_label(None, 20), slice_label(None, None)
    (' 1.5:', ' 0.0:20.0', '')
    """
    start = float(start_seconds or 0)
    if start == 0 and end_seconds is None:
        return ""
    return f" {start}:{'' if end_seconds is None else float(end_seconds)}"
