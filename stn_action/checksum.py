"""Checksums of files and folders: whether they are still those that a result was made from."""

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


def path_checksum(path: str | Path) -> str:
    """BLAKE2b of a file, or of the names and contents of all files below a folder.

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
