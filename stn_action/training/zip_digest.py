"""A digest over all bytes of a zip archive, in the archive's comment.

PyTorch's files are zip archives without compression, and PyTorch does not compare their content
with the checksums in them. A comment at the end of an archive is read by no program that opens it,
so the file stays loadable everywhere.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

MARK = b"stn_action blake2b "
"""The comment begins with it; the digest follows in hexadecimal digits."""
DIGEST_BYTES = 16
COMMENT_BYTES = len(MARK) + 2 * DIGEST_BYTES
_CHUNK = 1 << 20


def append_digest(file: BinaryIO) -> None:
    """Add the comment to a finished archive without one.

    Args:
        file: open to read and write; its position is at the end afterwards.
    """
    file.seek(-2, os.SEEK_END)  # the length of the comment is what an archive ends with
    file.write(COMMENT_BYTES.to_bytes(2, "little") + MARK)
    size = file.tell()
    file.seek(0)
    file.write(_hex_digest(file, size))


def has_digest(path: Path) -> bool:
    """Return whether a file ends with a digest, which may be wrong.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - COMMENT_BYTES))
        return file.read(len(MARK)) == MARK


def digest_matches(path: Path) -> bool:
    """Return whether every byte of a file with a digest is as it was written.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(-2 * DIGEST_BYTES, os.SEEK_END)
        file.seek(0)
        return _hex_digest(file, size) == file.read()


def _hex_digest(file: BinaryIO, size: int) -> bytes:
    """Return the digest of the next `size` bytes."""
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    while size and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest().encode()
