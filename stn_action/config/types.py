"""Types of configuration fields: numbers, sizes, names and the base class of sections.

Types are strict (true is not a number, 16.0 not a count), except where YAML itself misreads text.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema


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
