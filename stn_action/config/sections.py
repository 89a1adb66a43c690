"""Sections of a configuration and the settings in them, found by dotted key."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from stn_action.config.types import Section

Key = tuple[str, ...]


def section_of(annotation: Any) -> type[Section] | None:
    """Return the section in the annotation of a field, or None if the field is a plain setting."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def expand_short_forms(tree: Mapping[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Return nested settings in which sections that are given in short have all their settings.

    Each kind of section knows its own short forms, see `Section.expanded`.
    """
    expanded = {}
    for name, value in tree.items():
        field = schema.model_fields.get(name)
        inner = section_of(field.annotation) if field else None
        if inner is not None:
            value = inner.expanded(value)
            value = expand_short_forms(value, inner) if isinstance(value, dict) else value
        expanded[name] = value
    return expanded


def annotation_at(names: Sequence[str], schema: type[BaseModel]) -> Any:
    """Return the declared type of a setting or section; that of any text if there is none."""
    annotation: Any = schema
    for name in names:
        section = section_of(annotation)
        field = None if section is None else section.model_fields.get(name)
        if field is None:
            return str
        annotation = field.annotation
    return annotation


def default_at(names: Sequence[str], schema: type[BaseModel]) -> Any:
    """Return the default of a setting, a plain one of no section, in JSON types.

    None where there is none, as inside of a section that is null by default.
    """
    value: Any = schema
    for name in names:
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json").get(name)
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            field = None if value is None else value.model_fields.get(name)
            if field is None:
                return None
            value = section_of(field.annotation) if field.is_required() else field.default
    return list(value) if isinstance(value, tuple) else value


def locate(
    schema: type[BaseModel], loc: tuple[int | str, ...]
) -> tuple[Key, type[BaseModel], bool]:
    """Return the key at `loc`, the section that should hold it, and whether `loc` ends there.

    After a key that is not a section, `loc` continues with union branches and list positions.
    """
    key: Key = ()
    section = schema
    for depth, part in enumerate(loc):
        key = (*key, str(part))
        field = section.model_fields.get(str(part))
        inner = section_of(field.annotation) if field else None
        ends_here = depth == len(loc) - 1
        if inner is None or ends_here:
            return key, section, ends_here
        section = inner
    return key, section, True


def dotted_names(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of all sections and settings."""
    for name, field in schema.model_fields.items():
        yield prefix + name
        inner = section_of(field.annotation)
        if inner is not None:
            yield from dotted_names(inner, f"{prefix}{name}.")
