"""The rows of a timeline, in two files that are complete after each row."""

import csv
import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple, Self

from stn_action.disk.atomic_file import unwritable, write_file

COLUMNS = ("track", "start_seconds", "end_seconds", "class", "probability")


class TimelineRow(NamedTuple):
    """A segment of one track."""

    track: int
    """Number of the track, from 1; 0: the whole frame."""
    start_seconds: float
    """From the first frame of the video."""
    end_seconds: float
    label: str
    """The class."""
    probability: float
    """Its mean over the segment."""


class TimelineFiles:
    """`timeline.jsonl` and `timeline.csv` of a folder; a context manager."""

    def __init__(self, folder: Path, tell: Callable[[str], object]) -> None:
        """Replace both files by empty ones.

        Args:
            folder: created if it does not exist.
            tell: called with a line for each row.

        Raises:
            WriteError: the folder cannot be written to.
        """
        self.rows: list[TimelineRow] = []
        self._tell = tell
        self._paths = folder / "timeline.jsonl", folder / "timeline.csv"
        for path in self._paths:
            write_file(path, "")
        try:
            self._lines, self._cells = (
                path.open("a", encoding="utf-8", newline="") for path in self._paths
            )
        except OSError as error:
            raise unwritable(folder, error) from None
        self._write("", _csv_line(COLUMNS))

    def add(self, row: TimelineRow) -> None:
        """Write a row.

        Raises:
            WriteError: the disk is full, or a file cannot be written for another reason.
        """
        self.rows.append(row)
        start, end = round(row.start_seconds, 3), round(row.end_seconds, 3)
        values = (row.track, start, end, row.label, round(row.probability, 4))
        line = json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False)
        self._write(f"{line}\n", _csv_line(values))
        who = f"track {row.track}" if row.track else "frame"
        self._tell(f"{who}  {start:.2f} to {end:.2f} s  {row.label}  {row.probability:.2f}")

    def _write(self, line: str, cells: str) -> None:
        for file, text, path in zip(
            (self._lines, self._cells), (line, cells), self._paths, strict=True
        ):
            try:
                file.write(text)
                file.flush()
            except OSError as error:
                raise unwritable(path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._cells.close()


def _csv_line(values: Sequence[object]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
