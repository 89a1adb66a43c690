"""A COCO JSON file: its lists and the entries in them, each with where it stands."""

import json
from pathlib import Path
from typing import Any

from stn_action.errors import InputError
from stn_action.person.formats.text_files import read_text


def load_coco(path: Path) -> dict[str, Any]:
    """Read the file.

    Raises:
        InputError: it is no JSON, or a list of results.
    """
    try:
        content = json.loads(read_text(path))
    except RecursionError:
        raise InputError(f"{path}: this JSON is nested too deep to be one of boxes") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: this is no JSON, or it was cut off: {error}") from error
    if isinstance(content, list):
        raise InputError(
            f"{path}: this is a list of results, which names neither videos nor persons; a "
            "dictionary of images, annotations and categories is expected"
        )
    if not isinstance(content, dict):
        raise InputError(f"{path}: a dictionary of images, annotations and categories is expected")
    return content


def entries(
    content: dict, key: str, path: Path, *, required: bool = True
) -> list[tuple[str, dict[str, Any]]]:
    """Return the dictionaries of a list, each with where it stands.

    Raises:
        InputError: the list is missing though required, or holds something else.
    """
    if key not in content and not required:
        return []
    found = content.get(key)
    if not isinstance(found, list):
        raise InputError(f"{path}, {key}: there must be a list {key!r}")
    for index, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, {key}[{index}]: a dictionary is expected")
    return [(f"{path}, {key}[{index}]", entry) for index, entry in enumerate(found)]


def id_of(entry: dict[str, Any], key: str, where: str) -> int | str:
    """Return an id, a number or text.

    Raises:
        InputError: it is missing, or neither.
    """
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(f"{where}: there must be a number {key!r}")
    return value


def text_of(entry: dict[str, Any], key: str, where: str) -> str:
    """Return a text.

    Raises:
        InputError: it is missing, empty or no text.
    """
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: there must be a text {key!r}")
    return value
