"""The small files beside a data set's videos that its loader needs."""

from collections.abc import Iterator
from pathlib import Path

from stn_action.data.datasets.ucf101 import LISTS

SUFFIXES = (".csv", ".json", ".txt")
LARGEST = 20_000_000
"""Bytes of a file that is still taken for a list."""


def copy_lists(root: Path, out: Path) -> None:
    """Copy text files in `root` itself, and folders that hold nothing but `.txt` files.

    UCF101's folder of lists may also stand beside `root`; it comes to lie in `out`. Folders of CSV
    files are left out: they hold boxes, which do not fit other pictures.

    Raises:
        OSError: a file cannot be read or written.
    """
    for path, below in _lists(root):
        target, content = out / below, path.read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _lists(root: Path) -> Iterator[tuple[Path, str]]:
    """Each file, and its path in the copy."""
    entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.is_file() and path.suffix in SUFFIXES and path.stat().st_size <= LARGEST:
            yield path, path.name
    folders = [path for path in entries if path.is_dir()]
    if root / LISTS not in folders:
        folders.append(root.absolute().parent / LISTS)
    for folder in folders:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        if all(path.suffix == ".txt" for path in files):
            yield from ((path, f"{folder.name}/{path.name}") for path in files)
