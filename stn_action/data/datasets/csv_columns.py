"""The rows of a CSV file with a header, many at once, each on one line."""

import codecs
import csv
import difflib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError

MAX_BYTES = 2**29
"""Several million rows."""
AT_ONCE = 500
"""Rows of which there are Python objects at a time; more of them outlive a garbage collection."""


class CsvRows(NamedTuple):
    """Some consecutive rows of a file."""

    file: Path
    lines: Sequence[int]
    """The number of each row's line, from 1."""
    columns: Mapping[str, Sequence[str]]
    """The cells of each column of the header, without blanks at their ends."""

    def where(self, row: int) -> str:
        """Return `<file>, line <n>`, the start of a message."""
        return f"{self.file}, line {self.lines[row]}"


def read_csv_columns(
    file: Path, *, required: Sequence[str], optional: Sequence[str], what: str
) -> Iterator[CsvRows]:
    """Yield the rows of a CSV file (RFC 4180) in UTF-8, in order; blank lines are passed over.

    The first line is the header, which has the required columns and any of the optional ones, in
    any order. Cells with a comma or a quotation mark are quoted; no cell has a line break.

    Args:
        file: with commas between cells.
        required: names of columns.
        optional: names of columns.
        what: the kind of file, for messages.

    Raises:
        InputError: with the line: it is not such a file, or has no row.
    """
    header: Sequence[str] = ()
    has_rows = False
    for first, rows in _rows_of(file, what):
        if not header:
            header = _header_of(rows.pop(0), f"{file}, line {first}", required, optional)
            first += 1
        lines: Sequence[int] = range(first, first + len(rows))
        if not set(map(len, rows)) <= {len(header)}:
            lines, rows = _filled_rows(file, first, rows, header)
        if rows:
            has_rows = True
            columns = [list(map(str.strip, column)) for column in zip(*rows, strict=True)]
            yield CsvRows(file, lines, dict(zip(header, columns, strict=True)))
    if not has_rows:
        raise InputError(f"{file}: there is no row in this {what}, expected a header and rows")


def _rows_of(file: Path, what: str) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield the number of a line, and the cells of this and the following lines, if there are any.

    A row is one line: one that spans several was not meant to, its quotation mark is not closed.
    """
    with open_regular(file, what=what) as raw:
        if (size := os.fstat(raw.fileno()).st_size) > MAX_BYTES:
            raise InputError(
                f"{file}: {size} bytes, a {what} has at most {MAX_BYTES}; is this another file?"
            )
        if raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InputError(f"{file}: it is in UTF-16; save it as UTF-8")
        raw.seek(0)
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True, skipinitialspace=True)
        first, rows = 1, []
        try:
            while True:
                rows = []
                rows.extend(islice(reader, AT_ONCE))  # keeps those before an error
                if not rows:
                    return
                _check_lines(file, first, rows, reader.line_num)
                yield first, rows
                first = reader.line_num + 1
        except csv.Error as error:
            _check_lines(file, first, rows, reader.line_num)
            reason = f"this is not CSV: {error}"
            if any(word in str(error) for word in ("end of data", "field limit")):
                reason = "a quotation mark that is opened here is never closed"
            raise InputError(
                f"{file}, line {first + len(rows)}: {reason}; a cell with a comma or a quotation "
                'mark is "quoted", and a quotation mark in it doubled ("")'
            ) from None
        except UnicodeDecodeError:
            raise InputError(
                f"{file}, line {_line_not_utf8(file)}: this is not UTF-8; save the file as UTF-8"
            ) from None


def _check_lines(file: Path, first: int, rows: list[list[str]], last: int) -> None:
    """Check that each row is one line, without the character NUL."""
    if last - first + 1 != len(rows) or "\0" in "".join(map("".join, rows)):
        for line, row in enumerate(rows, start=first):
            if any("\n" in cell or "\r" in cell for cell in row):
                raise InputError(
                    f"{file}, line {line}: a quotation mark that is opened here is not closed on "
                    "this line"
                )
            if any("\0" in cell for cell in row):
                raise InputError(f"{file}, line {line}: there is the character NUL in it")


def _line_not_utf8(file: Path) -> int:
    with file.open("rb") as raw:
        for number, line in enumerate(raw, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    raise AssertionError(file)


def _header_of(
    row: Sequence[str], where: str, required: Sequence[str], optional: Sequence[str]
) -> list[str]:
    names = [cell.strip() for cell in row]
    layout = f"{','.join(required)}[,{'][,'.join(optional)}]"
    known = [*required, *optional]
    if not set(names) & set(known):
        raise InputError(
            f"{where}: expected the header {layout}, with commas between, got {','.join(row)!r}"
        )
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"{where}: unknown column {name!r}; {hint}columns are {layout}")
        if names.count(name) > 1:
            raise InputError(f"{where}: the column {name} is there twice")
    if missing := [name for name in required if name not in names]:
        raise InputError(f"{where}: the column {', '.join(missing)} is missing; expected {layout}")
    return names


def _filled_rows(
    file: Path, first: int, rows: list[list[str]], header: Sequence[str]
) -> tuple[list[int], list[list[str]]]:
    """Return the rows of lines that are not blank, with the numbers of these."""
    filled = [
        (line, row)
        for line, row in enumerate(rows, start=first)
        if len(row) > 1 or any(map(str.strip, row))
    ]
    for line, row in filled:
        if len(row) != len(header):
            raise InputError(
                f"{file}, line {line}: expected {len(header)} cells ({','.join(header)}), got "
                f"{len(row)}; a cell with a comma is quoted"
            )
    return [line for line, _ in filled], [row for _, row in filled]
