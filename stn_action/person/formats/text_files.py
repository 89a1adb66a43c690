"""Reading and writing of text files and CSV lines; errors name the file."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from torch import Tensor

from stn_action.disk.atomic_file import write_file
from stn_action.disk.regular_file import read_regular, read_text_file
from stn_action.errors import InputError

MAX_TEXT_BYTES = 2**29
"""The largest lists of boxes, of AVA-Kinetics and TAO, have a fifth of this."""
BOXES = "file of boxes"


def read_bytes(path: str | Path, *, max_bytes: int) -> bytes:
    """Read a file.

    Raises:
        InputError: it cannot be read, is no regular file, is empty or larger than `max_bytes`.
    """
    data = read_regular(path, max_bytes=max_bytes, what=BOXES)
    if not data:
        raise InputError(f"{path}: the file is empty")
    return data


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: it cannot be read, is no regular file, or is in another encoding.
    """
    return read_text_file(path, max_bytes=MAX_TEXT_BYTES, what=BOXES)


def csv_rows(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield `<file>, line <n>` and the cells of every line that is not blank.

    Raises:
        InputError: it cannot be read, or is not CSV.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield f"{path}, line {reader.line_num}", [cell.strip() for cell in row]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: this is not CSV: {error}") from error


def write_text(path: str | Path, text: str) -> None:
    """Write one of many text files: see `write_file`."""
    write_file(path, text, sync=False)


def path_below(root: str | Path, video_name: str) -> Path:
    """Return the path of a video's files below a folder.

    Raises:
        InputError: the name points outside the folder.
    """
    name = PurePosixPath(video_name)
    if name.is_absolute() or ".." in name.parts or not name.parts or "\0" in video_name:
        raise InputError(f"{root}: {video_name!r} cannot be a path below this folder")
    return Path(root) / name


def format_float32(value: float | Tensor) -> str:
    """Format a number so that parsing returns the same float32."""
    return f"{float(value):.9g}"
