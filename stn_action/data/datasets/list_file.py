"""The text files of official lists."""

from pathlib import Path

from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError

MAX_LIST_BYTES = 2**24


def read_list_lines(path: Path, *, remedy: str) -> list[str]:
    """Return the lines of a list that are not empty, without white space at their ends.

    Args:
        path: the file.
        remedy: how to get it, one sentence without a full stop.

    Raises:
        InputError: the file is missing, cannot be read or holds no line.
    """
    try:
        text = read_text_file(path, max_bytes=MAX_LIST_BYTES, what="list")
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path}: this list is empty; {remedy}")
    return lines
