"""JSON files that this package wrote into a folder of the user, read back."""

import json
from pathlib import Path
from typing import Any

from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError

MAX_JSON_BYTES = 2**28


def read_json(path: Path, *, remedy: str) -> Any:
    """Return the content of a JSON file.

    Args:
        path: the file.
        remedy: what to do if it is damaged, for the message.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    text = read_text_file(path, max_bytes=MAX_JSON_BYTES, what="JSON file")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno} is no JSON"
    except (ValueError, RecursionError):  # a number of thousands of digits, or deep nesting
        reason = "its values are beyond all bounds"
    raise InputError(f"{path}: damaged: {reason}; {remedy}")
