"""Merging YAML files and overrides into settings, and error messages that name their source."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from stn_action.config.renamed_keys import RENAMED
from stn_action.errors import InputError

Tree = dict[str, Any]
Key = tuple[str, ...]


class Settings:
    """Merged settings; each key keeps the source that set it last."""

    def __init__(self, default_source: str) -> None:
        self.tree: Tree = {}
        self._default_source = default_source
        self._sources: dict[Key, str] = {}

    def overlay(self, new: Tree, source: str, opener: str | None = None) -> None:
        """Merge `new` into the tree: sections are merged, other values replaced.

        Args:
            new: nested settings.
            source: their source, for messages.
            opener: the source named when a section that `new` opens lacks a key; None: `source`.
        """
        self._overlay(self.tree, new, source, opener or source, ())

    def source_of(self, key: Key) -> str:
        """Return the file or override that set `key`, or else the one that opened its section."""
        for length in range(len(key), 0, -1):
            if key[:length] in self._sources:
                return self._sources[key[:length]]
        return self._default_source

    def value_of(self, key: Key) -> Any:
        """Return the value given for `key`."""
        value: Any = self.tree
        for name in key:
            value = value[name]
        return value

    def _overlay(self, tree: Tree, new: Tree, source: str, opener: str, at: Key) -> None:
        for name, value in new.items():
            key = (*at, name)
            if isinstance(value, dict):
                if not isinstance(tree.get(name), dict):
                    self._set(tree, key, {}, opener)
                self._overlay(tree[name], value, source, opener, key)
            else:
                self._set(tree, key, value, source)

    def _set(self, tree: Tree, key: Key, value: Any, source: str) -> None:
        replaced = [old for old in self._sources if old[: len(key)] == key]
        for old in replaced:
            del self._sources[old]
        tree[key[-1]] = value
        self._sources[key] = source


def read_layers(path: Path) -> list[tuple[str, Tree]]:
    """Read a file and its `base:` files; return (source, tree) of each, bases first.

    Raises:
        InputError: a file is missing, is not YAML or not a mapping, or the bases form a cycle.
    """
    layers: list[tuple[str, Tree]] = []
    seen: list[Path] = []
    current: Path | None = path
    while current is not None:
        resolved = current.resolve()
        if resolved in seen:
            chain = " -> ".join(str(step) for step in [*seen, resolved])
            raise InputError(f"{path}: `base:` leads back to a file it came from: {chain}")
        tree = _read_yaml(current, named_by=layers[0][0] if layers else None)
        base = tree.pop("base", None)
        if base is not None and not isinstance(base, str):
            raise InputError(f"{current}: base: expected the path of one YAML file, got {base!r}")
        layers.insert(0, (str(current), tree))
        seen.append(resolved)
        current = current.parent / base if base is not None else None
    return layers


def settings_from(layers: Sequence[tuple[str, Tree]], overrides: Sequence[str]) -> Settings:
    """Merge layers, then overrides; messages name the last layer where no source is known."""
    main = layers[-1][0] if layers else "configuration"
    settings = Settings(main)
    for source, tree in layers:
        settings.overlay(tree, source, opener=main)
    for text in overrides:
        settings.overlay(parse_override(text), f"override {text!r}")
    return settings


def parse_override(text: str) -> Tree:
    """Parse one `key.sub=value` into a tree; the value is read as YAML.

    Raises:
        InputError: there is no `=`, a part of the key is empty, or the value is not YAML.
    """
    dotted, equals, value = text.partition("=")
    names = dotted.strip().split(".")
    if not equals or not all(names):
        raise InputError(f"override {text!r}: expected key=value, as in optim.lr=0.01")
    try:
        tree = _with_text_keys(yaml.load(value, _Loader))
    except yaml.YAMLError as error:
        raise InputError(f"override {text!r}: its value is not YAML: {_one_line(error)}") from None
    for name in reversed(names):
        tree = {name: tree}
    return tree


def explain(error: ValidationError, settings: Settings, schema: type[BaseModel]) -> str:
    """Return a line for each wrong key: source, dotted name, expected value."""
    expected: dict[Key, list[str]] = {}
    lines: list[str] = []
    for problem in error.errors():
        key, section, ends_here = _locate(schema, problem["loc"])
        place = ": ".join(filter(None, (settings.source_of(key), ".".join(key))))
        if problem["type"] == "extra_forbidden" and (dotted := ".".join(key)) in RENAMED:
            lines.append(f"{settings.source_of(key)}: {dotted} is now {RENAMED[dotted]}")
        elif problem["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key; {_suggest(key, section, schema)}")
        elif problem["type"] == "missing" and ends_here:
            about = section.model_fields[key[-1]].description
            lines.append(f"{place}: missing, it has no default: {about}")
        elif problem["type"] == "value_error" and isinstance(problem["input"], dict):
            lines.append(f"{place}: {_wanted(problem)}")
        else:
            expected.setdefault(key, []).append(_wanted(problem))
    for key, wanted in expected.items():
        choices = " or ".join(dict.fromkeys(wanted)).replace(" or expected ", " or ")
        got = settings.value_of(key)
        lines.append(f"{settings.source_of(key)}: {'.'.join(key)}: {choices}, got {got!r}")
    return "\n".join(lines)


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where PyYAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [child.value for child, _ in node.value if isinstance(child, yaml.ScalarNode)]
        for position, (child, _) in enumerate(node.value):
            if child.value in names[:position] and child.value != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {child.value!r} is given twice",
                    problem_mark=child.start_mark,
                )
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path, named_by: str | None) -> Tree:
    because = f" (the `base:` of {named_by})" if named_by else ""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise InputError(f"{path}{because}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}{because}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}{because}: not valid YAML: {_one_line(error)}") from None
    if not isinstance(tree, dict):
        raise InputError(
            f"{path}{because}: expected a mapping of sections, as in `data: {{name: ucf101}}`, "
            f"got {type(tree).__name__}"
        )
    return _with_text_keys(tree)


def _with_text_keys(value: Any) -> Any:
    """Convert keys to text: YAML 1.1 reads some bare words (on, no, 1) as other types."""
    if isinstance(value, dict):
        return {str(name): _with_text_keys(inner) for name, inner in value.items()}
    return value


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _locate(
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


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section in the annotation of a field, or None if the field is a plain setting."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _suggest(key: Key, section: type[BaseModel], schema: type[BaseModel]) -> str:
    prefix = "".join(f"{name}." for name in key[:-1])
    near = [prefix + name for name in difflib.get_close_matches(key[-1], section.model_fields, n=1)]
    near += [dotted for dotted in _dotted_names(schema) if dotted.split(".")[-1] == key[-1]]
    asks = f"did you mean {' or '.join(near[:2])}? " if near else ""
    return f"{asks}valid names here: {', '.join(section.model_fields)}"


def _dotted_names(schema: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in schema.model_fields.items():
        yield prefix + name
        inner = section_of(field.annotation)
        if inner is not None:
            yield from _dotted_names(inner, f"{prefix}{name}.")


def _wanted(problem: Any) -> str:
    """Convert Pydantic's "Input should be a valid integer" to "expected an integer"."""
    match problem["type"]:
        case "value_error":
            return str(problem["ctx"]["error"])
        case "model_type":
            return "expected a section of `name: value` pairs"
        case "missing" | "too_long" | "too_short" | "tuple_type":
            return "expected a list of two values"
        case "path_type":
            return "expected a path"
        case "literal_error":
            names = re.findall(r"'(.*?)'", problem["ctx"]["expected"])
            near = difflib.get_close_matches(str(problem["input"]), names, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"expected {problem['ctx']['expected']}{hint}"
        case _:
            message = problem["msg"].replace("Input should be ", "expected ")
            message = message.replace("expected a valid integer", "expected an integer")
            message = message.replace("expected a valid ", "expected a ")
            return re.sub(r"^expected (?=greater|less)", "expected a number ", message)
