"""YAML of configurations: the scalars of YAML 1.2, no tags, and bounds on size and depth.

PyYAML follows YAML 1.1, in which 010 is eight, 1:30 is ninety, `on` is true and 2024-01-31 a date.
Here a plain scalar is null (empty, `~`, null), true or false, a decimal number, or else text, as in
YAML 1.2. A file that would grow without bound (aliases of aliases, merges of merges, an anchor in
itself, deep nesting) is refused while it is read, before anything is built from it.
"""

import re
from typing import Any

import yaml

from stn_action.errors import InputError

MAX_DEPTH = 20
"""Of sections and lists in each other; a configuration has four."""
MAX_NODES = 2000
"""Keys and values, aliases expanded; a configuration has less than 200."""
MAX_DIGITS = 30
MAX_SHOWN = 200
"""Characters of a message of the parser, which may quote the file."""

_PREFIX = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9][0-9_]*", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
"""Kind, pattern and first characters of the plain scalars that are no text."""


def parse_yaml(text: str, name: str) -> Any:
    """Return what one YAML document holds; keys are text.

    Args:
        text: the document.
        name: its source, for the message.

    Raises:
        InputError: it is not YAML, has a tag or a key twice, or is too deep or too large.
    """
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not valid YAML: {_one_line(error, text)}") from None
    except (ValueError, OverflowError):
        line = loader.get_mark().line + 1 if loader else 1
        raise InputError(
            f"{name}: not valid YAML: a number out of range in an escape sequence or a directive "
            f"(line {line})"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def dump_yaml(tree: dict[str, Any]) -> str:
    """Return text that `parse_yaml` reads back as the same; text that looks otherwise is quoted."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """Safe YAML within the bounds of this file."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:
                raise _error(f"*{event.anchor} is inside &{event.anchor} itself", event)
            self._add(self._sizes[id(node)], event)
            return node
        if event.tag is not None:
            raise _error(
                f"the tag {event.tag}: a configuration has none; quote what shall be text", event
            )
        before = self._count
        self._add(1, event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _error(f"more than {MAX_DEPTH} sections or lists inside each other", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._sizes[id(node)] = self._count - before
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        names: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error("a key must be text, this is a list or a section", key)
            if key.value in names:
                raise _error(f"the key {key.value!r} is given twice", key)
            names.add(key.value)
            if key.tag != f"{_PREFIX}merge":
                key.tag = f"{_PREFIX}str"
        return node

    def _add(self, number: int, event: Any) -> None:
        self._count += number
        if self._count > MAX_NODES:
            raise _error(
                f"more than {MAX_NODES} keys and values, with those that aliases repeat", event
            )


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or 1.2 reads as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct_int(loader: Any, node: yaml.ScalarNode) -> int:
    if len(node.value) > MAX_DIGITS:
        raise _error(f"a number of {len(node.value)} digits, expected {MAX_DIGITS} at most", node)
    return int(node.value.replace("_", ""))


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    return float(re.sub(r"\.(?=inf|nan)", "", node.value.lower()))


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    """Return the node of a text; one with line breaks or other controls has escapes."""
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(f"{_PREFIX}str", text, style=style)


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _first in _SCALARS:
    for _user in (_Loader, _Dumper):
        _user.add_implicit_resolver(f"{_PREFIX}{_kind}", re.compile(f"(?:{_pattern})$"), _first)
_Dumper.add_representer(str, _represent_text)
_Loader.add_constructor(f"{_PREFIX}int", _construct_int)
_Loader.add_constructor(f"{_PREFIX}float", _construct_float)


def _error(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


def _one_line(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        character = ord(error.character) if isinstance(error.character, str) else error.character
        return f"the character #x{character:x} is not allowed, is this a text file? (line {line})"
    mark = getattr(error, "problem_mark", None)
    problem = _short(getattr(error, "problem", None) or str(error))
    if problem.startswith("but "):
        problem = f"{getattr(error, 'context', None)}, {problem}"
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
