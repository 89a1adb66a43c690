"""Types of configuration fields: numbers, sizes, names and the base class of sections.

Types are strict (true is not a number, 16.0 not a count), except where YAML itself misreads text.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

INTERVAL_PATTERN = r"^([0-9]+\.?[0-9]*) (minute|step)s?$"


class Section(BaseModel):
    """Base class of all sections: no unknown keys, frozen, documented by docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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


def _none(value: Any) -> Any:
    """Convert `none`, which YAML reads as text."""
    return None if value == "none" else value


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


Whole = Annotated[int, Strict()]
Count = Annotated[Whole, Field(ge=1)]
Switch = Annotated[bool, Strict()]
Number = Annotated[float, BeforeValidator(_number), Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Probability = Annotated[
    float, BeforeValidator(_probability), Strict(), Field(ge=0, le=1, allow_inf_nan=False)
]
Share = Annotated[Number, Field(gt=0, le=1)]
SizeHW = Annotated[
    tuple[Count, Count],
    BeforeValidator(_pair),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {
                    "type": "array",
                    "prefixItems": [{"type": "integer", "minimum": 1}] * 2,
                    "minItems": 2,
                    "maxItems": 2,
                },
            ]
        }
    ),
]
NameOrNone = Annotated[str | None, BeforeValidator(_none)]
Interval = Annotated[
    str,
    BeforeValidator(_interval),
    WithJsonSchema({"type": "string", "pattern": INTERVAL_PATTERN}),
]
"""A number of minutes or steps: "10 minutes", "200 steps"."""
