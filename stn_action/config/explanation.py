"""Error messages of wrong settings: source, dotted key, what was expected, what came."""

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stn_action.config.files import Settings
from stn_action.config.renamed_keys import RENAMED
from stn_action.config.sections import Key, dotted_names, locate
from stn_action.config.typed_text import shown
from stn_action.config.types import reason_of

MAX_LINES = 20
"""Of a message; a file of something else has many wrong keys."""
MAX_NAME = 100
PATH, TEXT = "expected a path", "expected text of at least one character"
TEXTS = tuple(f"{kind}{end}" for kind in (PATH, TEXT) for end in ("", " or None", " or a list"))
PAIR, LIST = "expected a list of two values", "expected a list"


def explain(error: ValidationError, settings: Settings, schema: type[BaseModel]) -> str:
    """Return a line for each wrong key: source, dotted name, expected value."""
    expected: dict[Key, list[str]] = {}
    lines: list[str] = []
    for problem in error.errors():
        key, section, ends_here = locate(schema, problem["loc"])
        if line := _line_of(problem, key, section, schema, ends_here=ends_here):
            lines.append(f"{settings.source_of(key)}: {line}")
        else:
            field = section.model_fields.get(key[-1]) if key else None
            of_list = LIST if field and _has_any_length(field.annotation) else PAIR
            expected.setdefault(key, []).append(_wanted(problem, reason_of(field), of_list))
    for key, wanted in expected.items():
        choices = " or ".join(dict.fromkeys(wanted)).replace(" or expected ", " or ")
        value = settings.value_of(key)
        advice = _quotes(key, value) if choices in TEXTS else ""
        place = f"{settings.source_of(key)}: {_dotted(key)}"
        lines.append(f"{place}: {choices}, got {shown(value)}{advice}")
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"... and {len(lines) - MAX_LINES} more"]
    return "\n".join(lines)


def _line_of(
    problem: Any,
    key: Key,
    section: type[BaseModel],
    schema: type[BaseModel],
    *,
    ends_here: bool,
) -> str | None:
    """Return the message about a key itself or a complete section, None if it is of a value."""
    kind, dotted = problem["type"], _dotted(key)
    if kind == "extra_forbidden" and dotted in RENAMED:
        return f"{dotted} is now {RENAMED[dotted]}"
    if kind == "extra_forbidden":
        return f"{dotted}: unknown key; {_suggest(key, section, schema)}"
    if kind == "missing" and ends_here:
        return f"{dotted}: missing, it has no default: {section.model_fields[key[-1]].description}"
    if kind == "value_error" and isinstance(problem["input"], dict):
        return ": ".join(filter(None, (dotted, _wanted(problem, "", PAIR))))
    return None


def _dotted(key: Key) -> str:
    """Return the dotted name, shortened if it is no name."""
    name = ".".join(key)
    return name if len(name) <= MAX_NAME and name.isprintable() else shown(name)


def _quotes(key: Key, value: Any) -> str:
    """Return the advice to quote a text that YAML reads as a number or a switch."""
    if not isinstance(value, bool | int | float):
        return ""
    text = str(value).lower() if isinstance(value, bool) else shown(value)
    return f'; YAML reads it as {type(value).__name__}, quote it: {key[-1]}: "{text}"'


def _suggest(key: Key, section: type[BaseModel], schema: type[BaseModel]) -> str:
    prefix = "".join(f"{name}." for name in key[:-1])
    wrong = key[-1][:MAX_NAME]
    near = [prefix + name for name in difflib.get_close_matches(wrong, section.model_fields, n=1)]
    near += [dotted for dotted in dotted_names(schema) if dotted.split(".")[-1] == key[-1]]
    asks = f"did you mean {' or '.join(near[:2])}? " if near else ""
    return f"{asks}valid names here: {', '.join(section.model_fields)}"


def _has_any_length(annotation: Any) -> bool:
    """Return whether there is a list of any length in the type of a setting."""
    arguments = get_args(annotation)
    return Ellipsis in arguments or any(map(_has_any_length, arguments))


def _wanted(problem: Any, reason: str, of_list: str) -> str:
    """Convert Pydantic's "Input should be a valid integer" to "expected an integer"."""
    match problem["type"]:
        case "value_error":
            return str(problem["ctx"]["error"])
        case "model_type":
            return "expected a section of `name: value` pairs"
        case "missing" | "too_long" | "too_short" | "tuple_type":
            return of_list
        case "path_type":
            return PATH
        case "string_type" | "string_too_short":
            return TEXT
        case "literal_error":
            names = re.findall(r"'(.*?)'", problem["ctx"]["expected"])
            near = difflib.get_close_matches(shown(problem["input"]).strip("'"), names, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"expected {problem['ctx']['expected']}{hint}"
        case _:
            message = problem["msg"].replace("Input should be ", "expected ")
            message = message.replace("expected a valid integer", "expected an integer")
            message = message.replace("expected a valid ", "expected a ")
            message = re.sub(r"^expected (?=greater|less)", "expected a number ", message)
            return f"{message} ({reason})" if reason and "less" in message else message
