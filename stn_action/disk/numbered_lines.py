"""Text files of lines `<number> <text>`, as some data sets have their lists."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError

MAX_NUMBERED_BYTES = 2**26
MAX_DIGITS = 9
NUMBERS_SHOWN = 3


class NumberedLine(NamedTuple):
    """A line without its number."""

    text: str
    """What follows the number, without white space at its ends."""
    where: str
    """`<file>, line <n>`, the start of a message."""


def read_numbered_lines(path: Path, *, what: str, expected: str) -> dict[int, NumberedLine]:
    """Read the lines by their numbers, in the order of the file; empty ones are passed over.

    Args:
        path: the file, UTF-8.
        what: its kind in messages.
        expected: a line, for messages: `<id> <class>`.

    Raises:
        InputError: the file cannot be read or holds no line, a line is not `<number> <text>`, or
            two have one number.
    """
    found: dict[int, NumberedLine] = {}
    content = read_text_file(path, max_bytes=MAX_NUMBERED_BYTES, what=what)
    for place, line in enumerate(content.split("\n"), start=1):
        where = f"{path}, line {place}"
        cells = line.split(maxsplit=1)
        if not cells:
            continue
        digits = cells[0]
        if len(cells) < 2 or not (digits.isascii() and digits.isdigit()):
            raise InputError(f"{where}: expected '{expected}', got {line.strip()!r}")
        if len(digits) > MAX_DIGITS:
            raise InputError(f"{where}: expected a number of at most {MAX_DIGITS} digits")
        number = int(digits)
        if number in found:
            before = found[number].where.rpartition("line ")[2]
            raise InputError(f"{where}: {number} is the number of line {before} already")
        found[number] = NumberedLine(cells[1].strip(), where)
    if not found:
        raise InputError(f"{path}: there is no line '{expected}' in it")
    return found


def require_same_numbers(tables: Mapping[Path, Mapping[int, NumberedLine]]) -> None:
    """Check that all files have lines of the same numbers.

    Args:
        tables: the lines of each file.

    Raises:
        InputError: with the line of a number that one of the files lacks.
    """
    (first, lines), *others = tables.items()
    for path, other_lines in others:
        _require_all(lines, path, other_lines)
        _require_all(other_lines, first, lines)


def _require_all(
    lines: Mapping[int, NumberedLine], path: Path, others: Mapping[int, NumberedLine]
) -> None:
    """Check that the file at `path`, which holds `others`, has the number of each line."""
    lacking = [number for number in lines if number not in others]
    if lacking:
        names = ", ".join(map(str, lacking[:NUMBERS_SHOWN]))
        more = ", ..." if len(lacking) > NUMBERS_SHOWN else ""
        raise InputError(
            f"{lines[lacking[0]].where}: {path.name} has no line of {names}{more} ({len(lacking)} "
            f"of {len(lines)} numbers); are both files of one data set?"
        )
