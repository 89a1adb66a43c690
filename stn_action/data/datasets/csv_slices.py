"""Slices of files in a list of videos: their bounds and names. Letter: N rows."""

import math
from collections.abc import Sequence

import numpy as np

from stn_action.data.datasets.csv_columns import CsvRows
from stn_action.errors import InputError


def slice_seconds(rows: CsvRows) -> np.ndarray:
    """Return (N, 2) float64, the start and the end of each row; NaN: those of the file.

    Raises:
        InputError: one is no number from 0 on, or a slice ends before it starts.
    """
    seconds = np.full((len(rows.lines), 2), math.nan)
    for place, column in enumerate(("start_seconds", "end_seconds")):
        cells = rows.columns.get(column, ())
        if any(cells):
            seconds[:, place] = _numbers(cells)
            for row in (seconds[:, place] < 0).nonzero()[0][:1]:
                raise InputError(
                    f"{rows.where(row)}: {column} must be a number of seconds from 0 on, or empty, "
                    f"got {cells[row]!r}"
                )
    for row in (seconds[:, 1] <= np.nan_to_num(seconds[:, 0])).nonzero()[0][:1]:
        start, end = seconds[row]
        raise InputError(
            f"{rows.where(row)}: end_seconds must be after start_seconds, got {end:g} after "
            f"{np.nan_to_num(start):g}"
        )
    return seconds


def _numbers(cells: Sequence[str]) -> Sequence[float]:
    """Return the seconds of cells: see `_parsed`."""
    try:
        numbers = [float(cell) if cell else math.nan for cell in cells]
    except ValueError:
        return [_parsed(cell) for cell in cells]
    if np.isfinite(numbers).sum() + cells.count("") == len(cells):
        return numbers
    return [_parsed(cell) for cell in cells]


def _parsed(cell: str) -> float:
    """Return the seconds of a cell, NaN of an empty one, -1 of one that holds something else."""
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return -1.0
    return value if math.isfinite(value) else -1.0


def slice_names(stems: list[str], seconds: np.ndarray) -> list[str]:
    """Return the names of videos, those of slices with a media fragment (W3C).

    Args:
        stems: the N names of their files.
        seconds: (N, 2), as of `slice_seconds`.
    """
    if np.isnan(seconds).all():
        return stems
    return [
        stem + _fragment(start, end)
        for stem, (start, end) in zip(stems, seconds.tolist(), strict=True)
    ]


def _fragment(start: float, end: float) -> str:
    """Return the name of a slice within a file, empty for all of it.

    >>> _fragment(1.5, 3), _fragment(math.nan, 3), _fragment(1.5, math.nan), _fragment(0, math.nan)
    ('#t=1.5,3', '#t=,3', '#t=1.5', '')
    """
    first = f"{start:.15g}" if start > 0 else ""
    last = "" if end != end else f",{end:.15g}"
    return f"#t={first}{last}" if first or last else ""
