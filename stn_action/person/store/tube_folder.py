"""Tubes on disk: one CSV file per video, found by the video's name."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from stn_action.disk.atomic_file import write_file
from stn_action.disk.regular_file import read_text_file
from stn_action.errors import InputError
from stn_action.person.names import NameIndex
from stn_action.person.store.people_rows import MAX_COORDINATE
from stn_action.person.tube import MAX_FRAMES, Tube
from stn_action.person.video_people import VideoPeople, fit_to_image
from stn_action.video.reader import VideoError

COLUMNS = ("frame", "x0", "y0", "x1", "y1")
SCORE = "score"
MAX_CSV_BYTES = 2**26
"""Of one person in one video: hours have a tenth of it."""


def read_tube_csv(path: str | Path, size_hw: tuple[int, int] | None = None) -> Tube:
    """Read the boxes of one person from a CSV file.

    The header is `frame,x0,y0,x1,y1` with `score` as an optional sixth column; other columns are
    ignored. `frame` counts from 0 and increases from line to line; the corners are pixel edges
    of the source image; a missing score is 1.

    Args:
        path: the CSV file.
        size_hw: height and width of the image, if known: boxes are clipped to it.

    Raises:
        VideoError: the file cannot be read, a column is missing, a value is no number or not
            finite, corners are swapped, frames do not increase, or a box is entirely outside.
    """
    path = Path(path)
    try:
        text = read_text_file(path, max_bytes=MAX_CSV_BYTES, what="file of boxes")
        rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    except InputError as error:
        raise VideoError(str(error)) from None
    except csv.Error as error:
        raise VideoError(f"{path}: the boxes cannot be read: it is no CSV: {error}") from None
    columns = _column_places(path, rows[0] if rows else [])
    values = [
        _parse_row(path, line, row, columns)
        for line, row in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    if not values:
        raise VideoError(f"{path}: no box in it; omit the file if no person was found")
    table = torch.tensor(values, dtype=torch.float64)
    if (backward := (table[:, 0].diff() <= 0).nonzero()).numel():
        frame = int(table[int(backward[0]) + 1, 0])
        raise VideoError(f"{path}: frames must increase from line to line, but {frame} does not")
    tube = Tube(table[:, 0].long(), table[:, 1:5].float(), table[:, 5].float())
    return tube if size_hw is None else fit_to_image(tube, size_hw, path)


def write_tube_csv(path: str | Path, tube: Tube) -> None:
    """Write a tube as `frame,x0,y0,x1,y1,score`; reading returns the same float32 numbers.

    Raises:
        InputError: the file cannot be written.
    """
    lines = [",".join((*COLUMNS, SCORE))]
    for frame, box, score in zip(tube.frame_indices, tube.boxes, tube.scores, strict=True):
        lines.append(",".join([str(int(frame)), *map(_shortest, [*box, score])]))
    write_file(path, "\n".join(lines) + "\n", sync=False)


class TubeFolder:
    """CSV files of tubes below a folder, found by the name of their video."""

    def __init__(self, root: str | Path):
        """List the files below `root`.

        Raises:
            InputError: `root` is not a folder, or there is no CSV file below it.
        """
        self.root = Path(root)
        if not self.root.is_dir():
            raise InputError(f"{self.root}: this folder of person boxes does not exist")
        names = (
            path.relative_to(self.root).with_suffix("").as_posix()
            for path in sorted(self.root.rglob("*.csv"))
        )
        self._names = NameIndex(names, self.root)
        if not len(self._names):
            raise InputError(
                f"{self.root}: there is no CSV file below it; expected one `<video name>.csv` per "
                f"video with the columns {','.join(COLUMNS)}[,{SCORE}]"
            )

    def __len__(self) -> int:
        return len(self._names)

    @property
    def source(self) -> Path:
        """The folder."""
        return self.root

    def path_of(self, video_name: str) -> Path | None:
        """Return the file with the boxes of a video, None if there is none.

        The file has the video's name; see `NameIndex.find`.

        Raises:
            InputError: several files match equally well.
        """
        stored = self._names.find(video_name)
        return None if stored is None else self.root / f"{stored}.csv"

    def find(self, video_name: str) -> VideoPeople | None:
        """Return the tube of a video, None if there is none; see `path_of` and `read_tube_csv`."""
        path = self.path_of(video_name)
        return (
            None
            if path is None
            else VideoPeople(video_name, (read_tube_csv(path),), source=str(path))
        )

    def longest_spans(self, video_names: Sequence[str]) -> list[int | None]:
        """Return the span of each video: see `People.longest_spans`; every file is read once."""
        spans: list[int | None] = []
        for stored in self._names.find_each(video_names):
            path = None if stored is None else self.root / f"{stored}.csv"
            spans.append(None if path is None else read_tube_csv(path).span)
        return spans


def _column_places(path: Path, header: list[str]) -> list[int | None]:
    names = [cell.strip().lower() for cell in header]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise VideoError(
            f"{path}: the column {', '.join(missing)} is missing; the first line must be "
            f"{','.join(COLUMNS)} with {SCORE} as an optional sixth, got {','.join(header)!r}"
        )
    return [names.index(name) if name in names else None for name in (*COLUMNS, SCORE)]


def _parse_row(path: Path, line: int, row: list[str], columns: list[int | None]) -> list[float]:
    """Parse and check the six numbers of one line."""
    try:
        values = [1.0 if column is None else float(row[column]) for column in columns]
    except (ValueError, IndexError) as error:
        raise VideoError(f"{path}, line {line}: {','.join(row)!r} are not numbers") from error
    frame, x0, y0, x1, y1, _ = values
    if not all(math.isfinite(value) for value in values):
        raise VideoError(f"{path}, line {line}: {','.join(row)!r} holds NaN or infinity")
    if not 0 <= frame < MAX_FRAMES or frame != int(frame):
        limit = f" below {MAX_FRAMES}" if frame >= MAX_FRAMES else ""
        raise VideoError(
            f"{path}, line {line}: frame must be an integer from 0{limit}, got {frame:g}"
        )
    if max(map(abs, values[1:5])) > MAX_COORDINATE:
        raise VideoError(f"{path}, line {line}: corners must be in pixels, got {','.join(row)!r}")
    if x1 <= x0 or y1 <= y0:
        raise VideoError(
            f"{path}, line {line}: x0 < x1 and y0 < y1 must hold, got ({x0:g}, {y0:g}, {x1:g}, "
            f"{y1:g}); corners are top left and bottom right, not center or width and height"
        )
    return values


def _shortest(value: Tensor) -> str:
    return f"{float(value):.9g}"
