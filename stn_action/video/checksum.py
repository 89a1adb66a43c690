"""Checksums of files: whether a video is still the one that was looked at."""

import hashlib
from pathlib import Path

DIGEST_BYTES = 16


def checksum(path: str | Path) -> str:
    """BLAKE2b of a whole file, 32 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)
        ).hexdigest()
