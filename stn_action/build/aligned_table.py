"""Tables of plain text: aligned columns, one line a row."""

from collections.abc import Sequence
from io import StringIO
from typing import Literal

from rich.console import Console
from rich.table import Table

WIDTH = 250
"""Characters; rows are not wrapped, so that a log has one line for each."""


def aligned_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()
) -> list[str]:
    """Return the lines of a table.

    Args:
        head: the title of each column.
        rows: of as many texts.
        left: titles of columns that are aligned on the left; the others are on the right.
    """
    table = Table.grid(padding=(0, 3))
    for title in head:
        justify: Literal["left", "right"] = "left" if title in left else "right"
        table.add_column(justify=justify, no_wrap=True)
    for row in (head, *rows):
        table.add_row(*row)
    printed = StringIO()
    Console(file=printed, width=WIDTH, markup=False, highlight=False).print(table)
    return [line.rstrip() for line in printed.getvalue().splitlines()]
