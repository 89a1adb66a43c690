"""Values on the command line: text, read as the declared type of the setting.

A path or a text is exactly what was typed, with spaces, `#`, `:` and all; only where a setting
admits null, one of NULLS means that. Numbers, switches, lists and sections are read as YAML; where
a setting is a text or a list of them, text in square brackets is a list.
"""

import reprlib
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from stn_action.config.yaml_text import parse_yaml

NULLS = ("null", "Null", "NULL", "none", "None")
"""Spellings of null on the command line, for settings that admit it."""
MAX_BITS = 128
"""Of a whole number that is shown in digits."""


def read_typed_text(text: str, annotation: Any, name: str) -> Any:
    """Return the value that a text means for a setting; it is validated later.

    Args:
        text: what was typed.
        annotation: the declared type of the setting.
        name: source of the text, for messages.

    Raises:
        InputError: the setting is no text and this is not YAML.
    """
    types = set(_leaves(annotation))
    if NoneType in types and text.strip() in NULLS:
        return None
    is_list = bool(types & {tuple, list}) and text.strip().startswith("[")
    if (types & {Path, str} and not is_list) or types <= {Literal, NoneType}:
        return text
    return parse_yaml(text, name)


def _leaves(annotation: Any) -> list[Any]:
    """Return the plain types in an annotation; `Literal` stands for names."""
    origin = get_origin(annotation)
    if origin is Literal:
        return [Literal]
    if origin is Annotated:
        return _leaves(get_args(annotation)[0])
    if origin is None or (isinstance(origin, type) and issubclass(origin, tuple | list | dict)):
        return [origin or annotation]
    return [leaf for part in get_args(annotation) for leaf in _leaves(part)]


def shown(value: Any, length: int = 80) -> str:
    """Return how a value of any type and size is shown in a message."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return f"a number of {value.bit_length()} bits"
    short = _Shown()
    short.maxstring = short.maxother = length
    return short.repr(value)


class _Shown(reprlib.Repr):
    """Parts of containers; other objects than plain ones by their type alone."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= MAX_BITS else f"{x.bit_length()} bits"

    def repr_instance(self, x: Any, level: int) -> str:
        if isinstance(x, bool | float | NoneType | Path):
            return super().repr_instance(x, level)
        return f"a {type(x).__name__}"
