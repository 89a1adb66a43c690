"""Types of configuration fields: numbers, sizes, names and the base class of sections.

Types are strict (true is not a number, 16.0 not a count), except where YAML itself misreads text.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo

from stn_action.disk.regular_file import path_of_text

MAX_COUNT = 10**9
"""No count of anything here is larger; a larger number is a slip."""
MAX_NUMBER = 1e9
MAX_SIDE = 4096
"""Pixels of a clip's side; no video network takes as many."""

INTERVAL_PATTERN = r"^([0-9]+\.?[0-9]*) (minute|step)s?$"


class Section(BaseModel):
    """Base class of all sections: no unknown keys, frozen, documented by docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @classmethod
    def expanded(cls, value: Any) -> Any:
        """Return the settings that a short form of this section stands for, if it is one."""
        return value


def _number(value: Any) -> Any:
    """Convert text to a number: YAML 1.1 reads 1e-4 (no point before the e) as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _probability(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a probability from 0 to 1 (0.5 in place of true, 0 of false)")
    return _number(value)


def _pair(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        return value
    raise ValueError("expected a number of pixels, or [height, width]")


def _path(value: Any) -> Any:
    """Convert text to a path: exactly this text, but for a home folder at its start."""
    return path_of_text(value) if isinstance(value, str) else value


def _text_of_path(path: Path) -> str:
    """Return the text that is read back as this path."""
    return f"./{path}" if str(path).startswith("~") else str(path)


def _name_or_path(value: Any) -> Any:
    """Convert `none`, which YAML reads as text, and a home folder at the start."""
    if value == "none":
        return None
    return str(path_of_text(value)) if isinstance(value, str) and value.startswith("~") else value


class AtMost:
    """Why a setting has an upper bound, for the message."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def reason_of(field: FieldInfo | None) -> str:
    """Return the reason of a field's upper bound; empty if there is none."""
    found = [item.reason for item in field.metadata if isinstance(item, AtMost)] if field else []
    return found[0] if found else ""


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("expected an odd number")
    return value


def _interval(value: Any) -> Any:
    """Check an interval; it stays text."""
    parts = re.fullmatch(INTERVAL_PATTERN, value) if isinstance(value, str) else None
    number, unit = parts.groups() if parts else ("0", "minute")
    if float(number) == 0 or (unit == "step" and not number.isdigit()):
        raise ValueError("expected minutes or steps, as in '10 minutes' or '200 steps'")
    return value


def split_interval(interval: str) -> tuple[float, Literal["minute", "step"]]:
    """Return the number and the unit of an `Interval`.

    >>> split_interval("10 minutes"), split_interval("1 step")
    ((10.0, 'minute'), (1.0, 'step'))
    """
    number, unit = interval.split()
    return float(number), "step" if unit.startswith("step") else "minute"


Whole = Annotated[int, Strict(), Field(ge=0, le=MAX_COUNT)]
Count = Annotated[int, Strict(), Field(ge=1, le=MAX_COUNT)]
OddCount = Annotated[
    Count, AfterValidator(_odd), Field(json_schema_extra={"not": {"multipleOf": 2}})
]
Side = Annotated[int, Strict(), Field(ge=1, le=MAX_SIDE)]
Text = Annotated[str, Strict(), Field(min_length=1)]
PathText = Annotated[
    Path, BeforeValidator(_path), PlainSerializer(_text_of_path, return_type=str, when_used="json")
]
Switch = Annotated[bool, Strict()]
Number = Annotated[float, BeforeValidator(_number), Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0, le=MAX_NUMBER)]
NotNegative = Annotated[Number, Field(ge=0, le=MAX_NUMBER)]
FramesPerSecond = Annotated[Number, Field(ge=0.001, le=10_000)]
Probability = Annotated[
    float, BeforeValidator(_probability), Strict(), Field(ge=0, le=1, allow_inf_nan=False)
]
Share = Annotated[Number, Field(gt=0, le=1)]
_SIDE = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}
SizeHW = Annotated[
    tuple[Side, Side],
    BeforeValidator(_pair),
    WithJsonSchema(
        {
            "anyOf": [
                _SIDE,
                {
                    "type": "array",
                    "prefixItems": [_SIDE] * 2,
                    "minItems": 2,
                    "maxItems": 2,
                },
            ]
        }
    ),
    AtMost("pixels; no video network takes clips that large"),
]
Frames = Annotated[
    int, Strict(), Field(ge=1, le=4096), AtMost("all frames of a clip are in memory")
]
Views = Annotated[int, Strict(), Field(ge=1, le=1000), AtMost("each view is a clip in memory")]
BatchSize = Annotated[int, Strict(), Field(ge=1, le=65_536), AtMost("a batch is in memory")]
Repeats = Annotated[int, Strict(), Field(ge=1, le=64), AtMost("a video's frames are in memory")]
Workers = Annotated[
    int, Strict(), Field(ge=0, le=512), AtMost("each is a process of hundreds of megabytes")
]
Heads = Annotated[int, Strict(), Field(ge=0, le=256), AtMost("each is a network of its own")]
Looseness = Annotated[
    Number, Field(ge=0, le=5), AtMost("the person would be less than a tenth of the crop's side")
]
NameOrNone = Annotated[Text | None, BeforeValidator(_name_or_path)]
Interval = Annotated[
    str,
    BeforeValidator(_interval),
    WithJsonSchema({"type": "string", "pattern": INTERVAL_PATTERN}),
]
"""A number of minutes or steps: "10 minutes", "200 steps"."""
