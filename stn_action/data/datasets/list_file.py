"""The files of official lists, and the checks that an entry of any of them goes through.

A list comes from elsewhere: its content is checked before it becomes a path or a label. `where`
is the place of an entry for messages, as "train.csv, line 3".
"""

import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stn_action.data.listing import NAMES_SHOWN
from stn_action.disk.json_file import read_json
from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError

MAX_LIST_BYTES = 2**26
"""The longest list known, of Kinetics-700, has half a million lines of about 45 bytes."""


def read_list_lines(path: Path, *, remedy: str) -> list[str]:
    """Return the lines of a list that are not empty, without white space at their ends.

    Args:
        path: the file.
        remedy: how to get it, one sentence without a full stop.

    Raises:
        InputError: the file is missing, cannot be read or holds no line.
    """
    lines = [line.strip() for line in _read_text(path, remedy).splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path}: this list is empty; {remedy}")
    return lines


def read_csv_rows(
    path: Path, columns: tuple[str, ...], *, remedy: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield where each row of a table with a line of titles is, and its cells in these columns.

    Args:
        path: the file.
        columns: titles; others are passed over.
        remedy: as in `read_list_lines`.

    Raises:
        InputError: the file is missing or cannot be read, a title is missing, or a row is short.
    """
    reader = csv.reader(_read_text(path, remedy).splitlines())
    try:
        yield from _csv_rows(reader, path, columns, remedy)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}; {remedy}") from None


def read_json_records(
    path: Path, fields: Mapping[str, type], *, remedy: str
) -> Iterator[tuple[str, list[Any]]]:
    """Yield where each entry of a JSON list of objects is, and its values of these fields.

    Args:
        path: the file.
        fields: names and the types of their values; others are passed over.
        remedy: as in `read_list_lines`.

    Raises:
        InputError: the file is missing or no such list, or an entry lacks a field.
    """
    content = read_json_list(path, list, remedy=remedy)
    for number, entry in enumerate(content, start=1):
        where = f"{path}, entry {number}"
        values = [entry.get(field) for field in fields] if isinstance(entry, dict) else []
        if [type(value) for value in values] != list(fields.values()):
            expected = ", ".join(f"{field} ({kind.__name__})" for field, kind in fields.items())
            raise InputError(f"{where}: expected an object with {expected}; {remedy}")
        yield where, values


def read_json_list(path: Path, kind: type, *, remedy: str) -> Any:
    """Return the content of a list in JSON, which is not empty.

    Args:
        path: the file.
        kind: `list` or `dict`, as the content must be.
        remedy: as in `read_list_lines`.

    Raises:
        InputError: the file is missing, no JSON, or holds something else.
    """
    try:
        content = read_json(path, remedy="is this another file?")
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    if not isinstance(content, kind) or not content:
        words = {list: "a list [...]", dict: "an object {...}"}[kind]
        raise InputError(f"{path}: expected {words} that is not empty; {remedy}")
    return content


def safe_name(name: str, *, where: str) -> str:
    """Return a name in a list: of a video or a class, a path that stays below its folder.

    Raises:
        InputError: it is empty or absolute, leads upwards, or no file can be called so.
    """
    parts = name.replace("\\", "/").split("/")  # not a Path: there may be half a million names
    if not parts[0] or parts[0].endswith(":") or ".." in parts:
        raise InputError(
            f"{where}: expected the name of a video or a class, below its folder and without '..', "
            f"got {name!r}"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{where}: no file can be called {name!r}") from None
    if "\0" in name:
        raise InputError(f"{where}: no file can be called {name!r}")
    return name


def class_label(name: str, labels: Mapping[str, int], *, where: str, known: str) -> int:
    """Return the label of a class by its name.

    Args:
        name: of the class.
        labels: by name.
        where: the entry.
        known: what gives the classes, for the message.

    Raises:
        InputError: there is no such class.
    """
    if name not in labels:
        raise InputError(
            f"{where}: the class {name!r} is none of the {len(labels)} of {known}; are both of one "
            "release?"
        )
    return labels[name]


def labels_by_name(classes: Collection[str]) -> dict[str, int]:
    """Return the labels of classes by name."""
    return {name: label for label, name in enumerate(classes)}


def read_span(start: str, end: str, *, where: str) -> tuple[int, int]:
    """Return the seconds or frames, integers, from which and to which an entry lasts.

    Raises:
        InputError: they are not two numbers, or the end is not after the start.
    """
    numbers = [int(text) for text in (start, end) if _is_number(text)]
    if len(numbers) < 2 or numbers[0] >= numbers[1]:
        raise InputError(
            f"{where}: expected a start and an end after it, integers, got {start!r} and {end!r}"
        )
    return numbers[0], numbers[1]


def first_names(names: Collection[str]) -> str:
    """Return the first few names as text."""
    shown = ", ".join(list(names)[:NAMES_SHOWN])
    return shown + (", ..." if len(names) > NAMES_SHOWN else "")


def _read_text(path: Path, remedy: str) -> str:
    try:
        return read_text_file(path, max_bytes=MAX_LIST_BYTES, what="list")
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None


def _csv_rows(
    reader: Any, path: Path, columns: tuple[str, ...], remedy: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    titles = next(reader, [])
    missing = [column for column in columns if column not in titles]
    if missing:
        raise InputError(
            f"{path}: expected the columns {', '.join(columns)} in the first line, which has no "
            f"{', '.join(missing)}; {remedy}"
        )
    places = [titles.index(column) for column in columns]
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if len(row) <= max(places):
            if not row:
                continue
            raise InputError(f"{where}: expected {len(titles)} columns, got {len(row)}; {remedy}")
        yield where, tuple(row[place] for place in places)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
