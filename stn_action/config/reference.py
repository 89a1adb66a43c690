"""The JSON schema of configuration files and the reference page of all settings."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stn_action.config.schema import Config
from stn_action.config.sections import section_of

SCHEMA_NAME = "schema.json"
"""File name of the schema, beside the YAML files that name it."""
BOUNDS = {
    "ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
}  # fmt: skip
"""Bounds that Pydantic leaves under its own names, and the names of JSON Schema."""
PAGE_START = """# Configuration

<!-- written by tools/write_reference.py from the docstrings in stn_action/config -->

A configuration is a YAML file of the sections below. It may start from another file with
`base: other.yaml` (relative to itself), and `key.sub=value` on the command line overrides it:

```bash
python tools/train.py configs/sample_st.yaml optim.lr=1e-3 model.focus.heads=2
```

A value on the command line is read as the declared type of its key, so that a path needs no quotes
but those of the shell:

| type of the setting | what `key=value` means |
| --- | --- |
| path | the text itself: `'train.output_dir=runs/exp #3'`; `~` at its start is the home folder |
| text, choice of names | the text itself |
| integer | decimal digits, with a sign and `_` if you like: `010` is ten, never eight |
| number | decimal, with or without point and exponent: `1e-4`, `.5`, `.inf` |
| `true`, `false` | these words |
| list | `[0.8, 1.0]` |
| section | `null`, or `{key: value}` |
| any of these or `null` | `null`, `none` or `None` is null |

(`./none` and `./~x` are files of that name.)

In a YAML file plain scalars are those of YAML 1.2: `on`, `yes`, `1:30` and `2024-01-31` are text,
`010` is ten, and a path that looks like a number, a switch or `null` is put in quotes:
`people: "2024"`. Paths are expanded as above. Tags (`!!int`) are errors, and so are files above
256 KiB, above 2000 values (with all that aliases repeat) or nested more than 20 deep.

**A word of a command line is a file or a setting**, in all tools alike: a file or folder that
exists is a file, even if `=` is in its name; otherwise `key=value` with a key of these sections is
a setting.

Unknown keys and values out of range are errors. `python tools/train.py FILE --print-config` prints
all settings with their values. `# yaml-language-server: $schema=schema.json` in the first line of a
file in `configs/` makes editors complete and check it.
"""


def config_json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a configuration file.

    A file with `base:` may leave out any setting.
    """
    schema = _standard(Config.model_json_schema())
    required = _required(Config)
    schema["properties"]["base"] = {
        "description": "Path of the configuration file to start from, relative to this file.",
        "type": "string",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of stn_action",
        **{key: value for key, value in schema.items() if key != "title"},
        "if": {"required": ["base"]},
        "then": {},
        "else": required,
    }


def config_markdown() -> str:
    """Return the page that documents every setting: a table for each section."""
    lines = [PAGE_START]
    for name, section in _sections(Config):
        definition = _standard(section.model_json_schema())["properties"]
        lines += [f"## {name}", "", _one_line(section.__doc__ or ""), ""]
        lines += ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]
        for key, field in section.model_fields.items():
            if section_of(field.annotation) is None or _has_other_values(definition[key]):
                values = _values(definition[key])
                cells = f"`{key}`", values, _default(field), field.description or ""
                lines.append(f"| {' | '.join(map(_one_line, cells))} |")
        lines.append("")
    return "\n".join(lines)


def _standard(node: Any) -> Any:
    """Return a schema without generated titles and required keys, with standard names of bounds."""
    if isinstance(node, list):
        return [_standard(item) for item in node]
    if not isinstance(node, dict):
        return node
    clean = {}
    for key, value in node.items():
        if key in ("properties", "$defs"):  # their keys are names
            clean[key] = {name: _standard(inner) for name, inner in value.items()}
        elif key == "default":
            clean[key] = value
        elif key not in ("title", "required"):
            clean[BOUNDS.get(key, key)] = _standard(value)
    return clean


def _required(section: type[BaseModel]) -> dict[str, Any]:
    """Return a schema that requires the settings without default of a section and those in it."""
    inner = {
        name: _required(part)
        for name, field in section.model_fields.items()
        if (part := section_of(field.annotation)) is not None
    }
    names = [name for name, field in section.model_fields.items() if field.is_required()]
    schema: dict[str, Any] = {"required": names} if names else {}
    if inner := {name: part for name, part in inner.items() if part}:
        schema["properties"] = inner
    return schema


def _sections(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None:
            yield f"{path}{name}", inner
            yield from _sections(inner, f"{path}{name}.")


def _has_other_values(node: Mapping[str, Any]) -> bool:
    """Return whether a section, from its schema, may be given as something else."""
    return "anyOf" in node


def _values(node: Mapping[str, Any]) -> str:
    """Return the allowed values of a setting, from its schema."""
    if "anyOf" in node:
        return " or ".join(_values(part) for part in node["anyOf"])
    if "$ref" in node:
        return "a section"
    if "enum" in node:
        return ", ".join(f"`{name}`" for name in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    match node.get("type"):
        case "array":
            of_one_kind = [node["items"], {"const": "..."}] if "items" in node else []
            parts = node.get("prefixItems", of_one_kind)
            return f"[{', '.join(map(_values, parts))}]"
        case "integer" | "number" as kind:
            return f"{kind}{_bounds(node)}"
        case "object":
            return f"{{name: {_values(node['additionalProperties'])}, ...}}"
        case "null" | "boolean" as kind:
            return {"null": "`null`", "boolean": "`true`, `false`"}[kind]
    if "pattern" in node:
        return f"text that matches `{node['pattern']}`"
    return "path" if node.get("format") == "path" else "text"


def _bounds(node: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[name]:g}" for name, sign in signs.items() if name in node]
    return f" {', '.join(bounds)}" if bounds else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case None:
            return "`null`"
        case bool() as switch:
            return f"`{str(switch).lower()}`"
        case tuple() as pair:
            return f"`{list(pair)}`"
    return f"`{field.default}`"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
