"""Your own videos by a CSV file: a row for each video, or for each slice of one."""

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from os.path import normpath
from pathlib import Path

import numpy as np

from stn_action.data.datasets.csv_columns import CsvRows, read_csv_columns
from stn_action.data.datasets.csv_slices import slice_names, slice_seconds
from stn_action.data.listing import Listing
from stn_action.data.video_columns import VideoColumns
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import VIDEO_SUFFIXES

REQUIRED = ("path", "label")
OPTIONAL = ("start_seconds", "end_seconds", "split", "group")
LAYOUT = f"{','.join(REQUIRED)}[,{'][,'.join(OPTIONAL)}]"
PARTS = {"train": "train", "val": "val", "validation": "val", "test": "test"}
"""Words of the column `split`, and the parts they stand for."""
REMEDY = (
    f"list the videos in data.root=FILE.csv with the header {LAYOUT} (split: train, val or test; "
    "paths: absolute, or relative to the folder of the file)"
)
_SUFFIXES = {suffix.removeprefix(".") for suffix in VIDEO_SUFFIXES}
_OUTSIDE = re.compile(r"^(?:/|\.\./)+")
_SEMICOLON = re.compile(r"(?<!\\);")
"""Between labels; a semicolon of a label's own has a backslash before it."""


def list_csv(root: str | Path, fold: int = 1) -> Listing:
    r"""List the videos of a CSV file.

    A row is a video, or with `start_seconds` and `end_seconds` a slice of one. Labels are the names
    of classes; several are joined by `;` and make the set one of several labels (`\;` is a
    semicolon in a name). The classes are all labels, sorted. Without the column `split` all rows
    are one pool, returned as training videos. Rows of one `group` stay in one part; those without
    are grouped by their file.

    A video is named by its path as written, without suffix (with it, where two files differ in the
    suffix alone) and without `/` and `../` at its start; a slice by a media fragment (W3C) too:
    `wave/a#t=1.5,3`. Whether files exist is not checked.

    Args:
        root: the file; its paths are relative to its folder, or absolute.
        fold: there is only one.

    Raises:
        InputError: there is no such file, or a row of it is wrong: with its line.
    """
    del fold
    file = Path(root)
    if not file.is_file():
        found = "is a folder, expected a CSV file" if file.is_dir() else "is no file"
        raise InputError(f"data.root: {file} {found}; {REMEDY}")
    content = _Content(file)
    if content.names_differ:
        return content.listing()
    return _Content(file, with_suffix=_named_alike(file)).listing()


class _Content:
    """The rows of a file: columns of each part, and what tells whether they fit together."""

    def __init__(self, file: Path, with_suffix: frozenset[str] = frozenset()) -> None:
        """Read the file.

        Args:
            file: as `list_csv` takes it.
            with_suffix: names of videos that keep their suffix.
        """
        self.file = file
        self.with_suffix = with_suffix
        self.labels = _Labels()
        self.parts = {part: VideoColumns() for part in ("train", "val", "test")}
        # Hashes in place of the texts: a set of a million names takes 200 MB. Equal ones are
        # looked up in the file before anything is refused.
        self._names = array("q")
        self._groups = {part: array("q") for part in self.parts}
        for rows in _rows_of(file):
            self._add(rows)

    @property
    def names_differ(self) -> bool:
        """Whether no two rows have the same name."""
        return len(_unique(self._names)) == len(self._names)

    def listing(self) -> Listing:
        """Return the videos in parts.

        Raises:
            InputError: a group is in two parts, or training lacks a class.
        """
        self._require_separate_parts()
        self._require_trained_classes()
        order = sorted(range(len(self.labels.classes)), key=self.labels.classes.__getitem__)
        number = np.argsort(order).astype(np.int32)
        several = self.labels.several
        tables = {}
        for part, columns in self.parts.items():
            columns.labels = array("i", number[np.array(columns.labels, dtype=np.int32)].tobytes())
            num_classes = len(order) if several else None
            tables[part] = VideoTable.from_columns(columns, num_classes=num_classes)
        classes = tuple(self.labels.classes[label] for label in order)
        return Listing("csv", classes, **tables, multi_label=several)

    def _add(self, rows: CsvRows) -> None:
        """Append some rows to the columns of their parts."""
        paths = rows.columns["path"]
        stems = _stems(paths, self.with_suffix)
        seconds = slice_seconds(rows)
        names = slice_names(stems, seconds)
        groups = rows.columns.get("group", stems)
        if not all(groups):
            groups = [group or stem for group, stem in zip(groups, stems, strict=True)]
        labels = self.labels.of(rows)
        folder = "" if self.file.parent == Path() else f"{self.file.parent}/"
        paths = [path if path[0] == "/" else folder + path for path in paths]
        self._names.extend(map(hash, names))
        for part, places in _places_of_parts(rows).items():
            own_groups = [groups[row] for row in places]
            self.parts[part].extend(
                [names[row] for row in places],
                [paths[row] for row in places],
                own_groups,
                [labels[row] for row in places],
                seconds[places].flatten().tolist(),
            )
            self._groups[part].extend(map(hash, own_groups))

    def _require_separate_parts(self) -> None:
        every = np.concatenate([_unique(hashes) for hashes in self._groups.values()])
        if len(_unique(every)) == len(every):
            return
        part_of: dict[str, tuple[str, int]] = {}
        for rows in _rows_of(self.file):
            stems = _stems(rows.columns["path"], self.with_suffix)
            groups = rows.columns.get("group", stems)
            for row, (group, stem) in enumerate(zip(groups, stems, strict=True)):
                part = PARTS[rows.columns["split"][row]]
                other, line = part_of.setdefault(group or stem, (part, rows.lines[row]))
                if other != part:
                    raise InputError(
                        f"{rows.where(row)}: the group {group or stem!r} is in {part} here and in "
                        f"{other} on line {line}; slices of one file are a group, too: videos that "
                        "show the same people and place belong in one split"
                    )

    def _require_trained_classes(self) -> None:
        trained = set(self.parts["train"].labels)
        if not trained:
            raise InputError(f"{self.file}: no row has the split train; {REMEDY}")
        for rows in _rows_of(self.file) if len(trained) < len(self.labels.classes) else ():
            for row, labels in enumerate(self.labels.of(rows)):
                if lacking := set(labels) - trained:
                    part = PARTS[rows.columns["split"][row]]
                    raise InputError(
                        f"{rows.where(row)}: no row with the split train has the class "
                        f"{self.labels.classes[min(lacking)]!r} of this {part} video"
                    )


class _Labels(dict[str, tuple[int, ...]]):
    """Cells of labels and the indices of their classes, in the order of appearance."""

    def __init__(self) -> None:
        super().__init__()
        self.classes: list[str] = []
        self._index: dict[str, int] = {}
        self.several = False

    def of(self, rows: CsvRows) -> list[tuple[int, ...]]:
        """Return the indices of the classes of each row.

        Raises:
            InputError: a label is empty, or twice in a cell.
        """
        try:
            return [self[cell] for cell in rows.columns["label"]]
        except ValueError as error:
            cell, reason = error.args
            where = rows.where(rows.columns["label"].index(cell))
            raise InputError(f"{where}: {reason}") from None

    def __missing__(self, cell: str) -> tuple[int, ...]:
        names = [name.strip().replace("\\;", ";") for name in _SEMICOLON.split(cell)]
        if not all(names):
            reason = "the label is empty" if not cell else f"a label of {cell!r} is empty"
            raise ValueError(
                cell, f"{reason}; write the name of a class, or several with ; between"
            )
        if len(set(names)) < len(names):
            raise ValueError(cell, f"a label of {cell!r} is there twice")
        for name in names:
            if name not in self._index:
                self._index[name] = len(self.classes)
                self.classes.append(name)
        self.several |= len(names) > 1
        self[cell] = tuple(self._index[name] for name in names)
        return self[cell]


def _rows_of(file: Path) -> Iterable[CsvRows]:
    rows = read_csv_columns(file, required=REQUIRED, optional=OPTIONAL, what="list of videos")
    for some in rows:
        paths, splits = some.columns["path"], some.columns.get("split", ())
        if not all(paths):
            raise InputError(f"{some.where(paths.index(''))}: the path is empty")
        if wrong := set(splits) - PARTS.keys():
            row = min(map(splits.index, wrong))
            raise InputError(
                f"{some.where(row)}: split must be train, val or test, got {splits[row]!r}"
            )
        yield some


def _places_of_parts(rows: CsvRows) -> Mapping[str, Sequence[int]]:
    """Return the rows of each part that has some."""
    splits = rows.columns.get("split")
    if splits is None:
        return {"train": range(len(rows.lines))}
    places: dict[str, list[int]] = {}
    for row, split in enumerate(splits):
        places.setdefault(PARTS[split], []).append(row)
    return places


def _stems(paths: Sequence[str], with_suffix: frozenset[str]) -> list[str]:
    """Return the names of files: see `list_csv`."""
    together = "\n".join(("", *paths))
    if any(odd in together for odd in ("\n.", "\n/", "/.", "//")):
        paths = list(map(_below, paths))
    stems = []
    for path in paths:
        stem, _, suffix = path.rpartition(".")
        is_known = (suffix in _SUFFIXES or suffix.lower() in _SUFFIXES) and stem not in with_suffix
        stems.append(stem if is_known and stem[-1:] not in ("", "/") else path)
    return stems


def _below(path: str) -> str:
    """Return a path as it is written, but without detours and steps upwards at its start."""
    if path[0] in "./" or "/." in path or "//" in path:
        return _OUTSIDE.sub("", normpath(path))
    return path


def _named_alike(file: Path) -> frozenset[str]:
    """Return the names that files would share which differ in the suffix alone.

    Raises:
        InputError: two rows are the same video, or two files have one name for another reason.
    """
    line_of: dict[str, int] = {}
    path_of: dict[str, str] = {}
    alike: set[str] = set()
    for rows in _rows_of(file):
        paths = list(map(normpath, rows.columns["path"]))
        stems = _stems(paths, frozenset())
        for row, name in enumerate(slice_names(stems, slice_seconds(rows))):
            path, stem, line = paths[row], stems[row], rows.lines[row]
            first = line_of.setdefault(path + name[len(stem) :], line)
            if first != line:
                raise InputError(
                    f"{rows.where(row)}: the same video, or slice of it, as on line {first}; "
                    "several labels of a video are in one row, with ; between"
                )
            other = path_of.setdefault(stem, path)
            if Path(other).with_suffix("") != Path(path).with_suffix(""):
                raise InputError(
                    f"{rows.where(row)}: {path} and {other} would both be called {stem}; write "
                    "both paths from the same folder"
                )
            alike |= {stem} if other != path else set()
    return frozenset(alike)


def _unique(numbers: array | np.ndarray) -> np.ndarray:
    """Return each number once, in a tenth of the time of `np.unique`."""
    ordered = np.sort(np.array(numbers, dtype=np.int64))
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]
