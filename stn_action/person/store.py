"""Tubes on disk: one CSV file per video, found by the video's name."""

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.boxes import box_sizes, clip_boxes
from stn_action.person.track import Tube

COLUMNS = ("frame", "x0", "y0", "x1", "y1")
SCORE = "score"


def read_tube_csv(path: str | Path, size_hw: tuple[int, int] | None = None) -> Tube:
    """Read the boxes of one person from a CSV file.

    The header is `frame,x0,y0,x1,y1` with `score` as an optional sixth column; other columns are
    passed over. `frame` counts from 0 and increases from line to line; the corners are pixel edges
    of the source picture; a missing score is 1.

    Args:
        path: the CSV file.
        size_hw: height and width of the picture, if they are known: boxes are clipped to it.

    Raises:
        InputError: the file cannot be read, a column is missing, a value is no number or not
            finite, corners are swapped, frames do not increase, or a box lies wholly outside.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: these boxes cannot be read: {error}") from error
    columns = _column_places(path, rows[0] if rows else [])
    values = [
        _parse_row(path, line, row, columns)
        for line, row in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    if not values:
        raise InputError(f"{path}: there is no box in it; leave the file out if nobody was found")
    table = torch.tensor(values, dtype=torch.float64)
    if (backward := (table[:, 0].diff() <= 0).nonzero()).numel():
        frame = int(table[int(backward[0]) + 1, 0])
        raise InputError(f"{path}: frames must increase from line to line, but {frame} does not")
    tube = Tube(table[:, 0].long(), table[:, 1:5].float(), table[:, 5].float())
    return tube if size_hw is None else fit_to_picture(tube, size_hw, path)


def fit_to_picture(tube: Tube, size_hw: tuple[int, int], source: str | Path) -> Tube:
    """Clip the boxes of a tube to the picture, and refuse one that lies wholly outside.

    Args:
        tube: boxes in source pixels.
        size_hw: height and width of the picture, pixels.
        source: where the tube comes from, for the message.

    Raises:
        InputError: a box lies wholly outside the picture.
    """
    clipped = clip_boxes(tube.boxes, size_hw)
    outside = (box_sizes(clipped) <= 0).any(dim=1)
    if outside.any():
        worst = int(outside.nonzero()[0])
        corners = ", ".join(f"{value:g}" for value in tube.boxes[worst].tolist())
        raise InputError(
            f"{source}: the box ({corners}) of frame {int(tube.frame_indices[worst])} lies wholly "
            f"outside the picture, which is {size_hw[1]} wide and {size_hw[0]} high "
            f"({int(outside.sum())} such boxes); are these boxes of another video, or in another "
            "resolution?"
        )
    return Tube(tube.frame_indices, clipped, tube.scores)


def write_tube_csv(path: str | Path, tube: Tube) -> None:
    """Write a tube as `frame,x0,y0,x1,y1,score`, first to a temporary name, then renamed.

    Values are written so that reading gives the same float32 numbers back.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join((*COLUMNS, SCORE))]
    for frame, box, score in zip(tube.frame_indices, tube.boxes, tube.scores, strict=True):
        lines.append(",".join([str(int(frame)), *map(_shortest, [*box, score])]))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(path)


class TubeFolder:
    """CSV files of tubes anywhere below a folder, found by the name of their video."""

    def __init__(self, root: str | Path):
        """List the files below `root`.

        Raises:
            InputError: `root` is no folder, or there is no CSV file below it.
        """
        self.root = Path(root)
        if not self.root.is_dir():
            raise InputError(f"{self.root}: this folder of person boxes does not exist")
        self._by_stem: dict[str, list[PurePosixPath]] = {}
        for path in sorted(self.root.rglob("*.csv")):
            relative = PurePosixPath(path.relative_to(self.root).with_suffix("").as_posix())
            self._by_stem.setdefault(relative.name, []).append(relative)
        if not self._by_stem:
            raise InputError(
                f"{self.root}: there is no CSV file below it; expected one `<video name>.csv` per "
                f"video with the columns {','.join(COLUMNS)}[,{SCORE}]"
            )

    def __len__(self) -> int:
        return sum(len(paths) for paths in self._by_stem.values())

    def path_of(self, video_name: str) -> Path | None:
        """Return the file that holds the boxes of a video, None where there is none.

        The file is called like the video; where both carry folders, those must agree, counted from
        the end: the boxes of `train/wave/001.mp4` may be `001.csv`, `wave/001.csv` or
        `boxes/train/wave/001.csv`, but never `kick/001.csv`. The longest agreement wins.

        Args:
            video_name: the video's name in its list, with or without a suffix, `/` between folders.

        Raises:
            InputError: several files fit equally well.
        """
        name = PurePosixPath(video_name)
        for candidate in (name, name.with_suffix("")):
            path = self._longest_agreement(candidate)
            if path is not None:
                return path
        return None

    def checked_paths(self, video_names: Sequence[str]) -> list[Path | None]:
        """Return `path_of` each video, after reading every file once.

        Raises:
            InputError: two videos share a file, or a file is malformed.
        """
        paths = [self.path_of(name) for name in video_names]
        owners: dict[Path, str] = {}
        for path, name in zip(paths, video_names, strict=True):
            if path is None:
                continue
            if (other := owners.setdefault(path, name)) is not name:
                raise InputError(
                    f"{path}: these boxes fit the video {other} and the video {name}; put them "
                    "into folders like those of the videos"
                )
            read_tube_csv(path)
        return paths

    def find(self, video_name: str, size_hw: tuple[int, int] | None = None) -> Tube | None:
        """Read the tube of a video, None where there is none; see `path_of` and `read_tube_csv`."""
        path = self.path_of(video_name)
        return None if path is None else read_tube_csv(path, size_hw)

    def _longest_agreement(self, name: PurePosixPath) -> Path | None:
        agreements = {
            path: min(len(path.parts), len(name.parts))
            for path in self._by_stem.get(name.name, [])
            if all(a == b for a, b in zip(reversed(path.parts), reversed(name.parts), strict=False))
        }
        if not agreements:
            return None
        longest = max(agreements.values())
        best = [path for path, length in agreements.items() if length == longest]
        if len(best) > 1:
            raise InputError(
                f"{self.root}: the boxes of {name} may be in {best[0]}.csv or in {best[1]}.csv; "
                "give the videos names of their own, or point to a folder further down"
            )
        return self.root / f"{best[0]}.csv"


def _column_places(path: Path, header: list[str]) -> list[int | None]:
    names = [cell.strip().lower() for cell in header]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise InputError(
            f"{path}: the column {', '.join(missing)} is missing; the first line must be "
            f"{','.join(COLUMNS)} with {SCORE} as an optional sixth, got {','.join(header)!r}"
        )
    return [names.index(name) if name in names else None for name in (*COLUMNS, SCORE)]


def _parse_row(path: Path, line: int, row: list[str], columns: list[int | None]) -> list[float]:
    """The six numbers of one line, checked on their own."""
    try:
        values = [1.0 if column is None else float(row[column]) for column in columns]
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}, line {line}: {','.join(row)!r} are not numbers") from error
    frame, x0, y0, x1, y1, _ = values
    if not all(math.isfinite(value) for value in values):
        raise InputError(f"{path}, line {line}: {','.join(row)!r} holds NaN or infinity")
    if frame < 0 or frame != int(frame):
        raise InputError(f"{path}, line {line}: frame must be a whole number from 0, got {frame:g}")
    if x1 <= x0 or y1 <= y0:
        raise InputError(
            f"{path}, line {line}: x0 < x1 and y0 < y1 must hold, got ({x0:g}, {y0:g}, {x1:g}, "
            f"{y1:g}); corners are top left and bottom right, not centre or width and height"
        )
    return values


def _shortest(value: Tensor) -> str:
    return f"{float(value):.9g}"
