"""Merging YAML files and overrides into settings that know their sources."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from stn_action.config.sections import Key, annotation_at, expand_short_forms
from stn_action.config.typed_text import read_typed_text, shown
from stn_action.config.yaml_text import MAX_DEPTH, MAX_NODES, parse_yaml
from stn_action.disk.regular_file import path_of_text, read_text_file
from stn_action.errors import InputError

MAX_BYTES = 2**18
"""A configuration has a few thousand."""
Tree = dict[str, Any]
Overrides = Sequence[str] | Mapping[str, Any]
"""Of a command line, `key.sub=value`; or of Python, values by dotted key."""


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
        tree = _read_yaml(current, named_by=layers[0][0] if layers else None)
        resolved = current.resolve()
        if resolved in seen:
            chain = " -> ".join(str(step) for step in [*seen, resolved])
            raise InputError(f"{path}: `base:` leads back to a file it came from: {chain}")
        base = tree.pop("base", None)
        layers.insert(0, (str(current), tree))
        seen.append(resolved)
        current = None if base is None else current.parent / _base_path(base, current)
    return layers


def settings_from(
    layers: Sequence[tuple[str, Tree]], overrides: Overrides, schema: type[BaseModel]
) -> Settings:
    """Merge layers, then overrides; messages name the last layer where no source is known."""
    main = layers[-1][0] if layers else "configuration"
    settings = Settings(main)
    for source, tree in layers:
        settings.overlay(expand_short_forms(tree, schema), source, opener=main)
    if isinstance(overrides, Mapping):
        given = [python_override(key, value) for key, value in overrides.items()]
    else:
        given = [(override_of(text, schema), source_of_override(text)) for text in overrides]
    for tree, source in given:
        settings.overlay(expand_short_forms(tree, schema), source)
    return settings


def python_override(key: str, value: Any) -> tuple[Tree, str]:
    """Return nested settings of a dotted key and a value of Python, and its name in messages.

    Raises:
        InputError: the key is no text, or a part of it is empty.

    >>> python_override("optim.lr", 0.01)
    ({'optim': {'lr': 0.01}}, 'override optim.lr=0.01')
    """
    names = key.split(".") if isinstance(key, str) else [""]
    if not all(names):
        raise InputError(f"override {shown(key)}: expected a dotted key, as in 'optim.lr'")
    source = f"override {key}={shown(value, 200) if isinstance(value, str) else value}"
    tree: Any = plain_values(value)
    for name in reversed(names):
        tree = {name: tree}
    return tree, source[:300]


def plain_values(value: Any) -> Any:
    """Return a value as a YAML file gives it: paths as text, tuples as lists, mappings as dicts."""
    if isinstance(value, Mapping):
        return {name: plain_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def override_of(text: str, schema: type[BaseModel]) -> Tree:
    """Parse one `key.sub=value` into a tree; the value is read as the declared type of the key.

    Raises:
        InputError: there is no `=`, a part of the key is empty, or the value is not YAML where it
            has to be.
    """
    dotted, equals, value = text.partition("=")
    names = dotted.strip().split(".")
    source = source_of_override(text)
    if not equals or not all(names):
        raise InputError(f"{source}: expected key=value, as in optim.lr=0.01")
    tree: Any = read_typed_text(value, annotation_at(names, schema), source)
    for name in reversed(names):
        tree = {name: tree}
    return tree


def source_of_override(text: str) -> str:
    """Return how an override is named in messages."""
    return f"override {shown(text, 200)}"


def check_tree(tree: Any, source: str) -> None:
    """Check that nested settings, of a checkpoint for instance, are a tree of bounded size.

    Raises:
        InputError: a name is no text, or it is too deep or too large; an object that is in it
            several times is counted each time.
    """
    rest, count = [(tree, 1)], 0
    while rest:
        value, depth = rest.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise InputError(
                f"{source}: its settings are damaged: more than {MAX_NODES} values, or nested more "
                f"than {MAX_DEPTH} deep"
            )
        if isinstance(value, dict):
            if wrong := [name for name in value if not isinstance(name, str)]:
                raise InputError(f"{source}: a setting is called {shown(wrong[0])}, expected text")
            rest += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, list | tuple):
            rest += [(inner, depth + 1) for inner in value]


def _base_path(base: Any, file: Path) -> Path:
    wanted = "expected the path of one YAML file"
    if not isinstance(base, str):
        raise InputError(f"{file}: base: {wanted}, got {shown(base)}")
    try:
        return path_of_text(base)
    except ValueError as error:
        raise InputError(f"{file}: base: {wanted}: {error}") from None


def _read_yaml(path: Path, named_by: str | None) -> Tree:
    name = f"{path} (the `base:` of {named_by})" if named_by else str(path)
    if path.is_dir():
        raise InputError(
            f"{name} is a folder, expected a configuration file; for a folder of videos "
            f"`stn-action init {path}` writes one"
        )
    text = read_text_file(path, max_bytes=MAX_BYTES, what="configuration file", name=name)
    tree = parse_yaml(text, name)
    if not isinstance(tree, dict):
        raise InputError(
            f"{name}: expected a mapping of sections, as in `data: {{name: ucf101}}`, "
            f"got {type(tree).__name__}"
        )
    return tree
