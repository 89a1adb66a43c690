"""Data sets without a list: what a video shows comes from the name of its file."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stn_action.data.datasets.list_file import first_names
from stn_action.data.video_files import files_by_stem
from stn_action.errors import InputError

T = TypeVar("T")


def subfolder(root: Path, name: str) -> Path:
    """Return the folder of this name in the root; the root itself if there is none."""
    return root / name if (root / name).is_dir() else root


def read_file_names(
    folder: Path,
    read: Callable[[str], T | None],
    *,
    expected: str,
    name: str,
    remedy: str,
    may_be_empty: bool = False,
) -> list[tuple[Path, T]]:
    """Return the videos of a folder and what their names tell, sorted by name.

    Args:
        folder: of the videos.
        read: a name without suffix to what it tells; None: it is of another form.
        expected: form of the names, for messages.
        name: of the data set, for messages.
        remedy: how to get the videos, one sentence without a full stop.
        may_be_empty: there may be none.

    Raises:
        InputError: a name is of another form, or there is no video.
    """
    told = [(path, read(stem)) for stem, path in sorted(files_by_stem(folder).items())]
    strange = [path.name for path, found in told if found is None]
    if strange or not (told or may_be_empty):
        found = f"{len(strange)} others: {first_names(strange)}" if told else "none"
        raise InputError(f"{name}: expected {expected} in {folder}, got {found}; {remedy}")
    return [(path, found) for path, found in told if found is not None]
