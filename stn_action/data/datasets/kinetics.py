"""Kinetics-400, -600 and -700, evaluated on their validation lists (Kay et al. 2017)."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stn_action.data.datasets.list_file import (
    class_label,
    labels_by_name,
    read_csv_rows,
    read_span,
    safe_name,
)
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import preference
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import has_video_suffix

LISTS = "annotations"
COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
REPLACED = "replacement/replacement_for_corrupted_k400"
_STEM = re.compile(r".+_\d{6}_\d{6}")
"""Name of a video without suffix, or of the folder of its frames."""
REMEDY = (
    "get the videos and lists of https://github.com/cvdfoundation/kinetics-dataset, so that "
    f"data.root holds {LISTS}/train.csv, {LISTS}/val.csv, train/ and val/"
)


@dataclass(frozen=True)
class _Part:
    """What a part is called in file names, folders and the column `split`."""

    lists: tuple[str, ...]
    folders: tuple[str, ...]
    splits: tuple[str, ...]


_TRAIN = _Part(("train.csv",), ("train", "videos/train", "videos_train"), ("train",))
_VAL = _Part(
    ("val.csv", "validate.csv", "validation.csv"),
    ("val", "videos/val", "videos_val", "validate"),
    ("val", "validate", "validation"),
)


def list_kinetics(root: str | Path, fold: int = 1, *, name: str) -> Listing:
    """List the training videos and, as the part to test on, the official validation videos.

    The official test lists have no labels, so that results are reported on the validation list.
    The lists are `train.csv` and `val.csv` (or `validate.csv`) in `root/annotations` or in `root`,
    with a line of titles: `label,youtube_id,time_start,time_end,split`. Classes are the labels of
    the training list, sorted, which is the order of torchvision's weights for Kinetics-400.

    Videos are `<youtube_id>_<start>_<end>.mp4`, seconds in six digits, or folders of frames called
    so, in `train` and `val` (or `videos/train`, `videos_train`; `validate`), directly or in folders
    of any other name. Each of these folders is listed once. Those that CVDF gives for damaged
    videos of Kinetics-400 (`replacement/`) come first. A video is called `train/<label>/<file>`;
    each is a group of its own, since all videos of a class are from different YouTube videos (arXiv
    2010.10864, section 1), and whether one gives clips of several classes in both lists is not
    known here.

    The titles, and the 19,906 videos and 400 classes of Kinetics-400's validation list, are those
    of the list of ActivityNet's repository; its 246,534 training videos are from
    `arrange_by_classes.py` of CVDF's. The lists of Kinetics-600 and -700 were released several
    times, with fewer videos each time, so that only their classes are checked.

    Args:
        root: the folder of the data set.
        fold: 1; there is one.
        name: `kinetics400`, `kinetics600` or `kinetics700`.

    Raises:
        InputError: a folder or a list is missing, a list is malformed or of another part, or a
            class is in the validation list alone.
    """
    del fold
    root = require_folder(root, what=name, remedy=REMEDY)
    train_list, val_list = (_find_list(root, part, name) for part in (_TRAIN, _VAL))
    train_rows = _read_rows(train_list, _TRAIN)
    classes = tuple(sorted({row.label for row in train_rows}))
    train = _videos(root, train_rows, _TRAIN, classes, train_list)
    test = _videos(root, _read_rows(val_list, _VAL), _VAL, classes, train_list)
    return Listing(f"{name} val", classes, train, VideoTable(), test)


list_kinetics400, list_kinetics600, list_kinetics700 = (
    partial(list_kinetics, name=f"kinetics{number}") for number in (400, 600, 700)
)


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    label: str
    youtube_id: str
    stem: str


def _find_list(root: Path, part: _Part, name: str) -> Path:
    candidates = [root / folder / file for folder in (LISTS, "") for file in part.lists]
    for path in candidates:
        if path.is_file():
            return path
    raise InputError(
        f"{name}: there is no list {' or '.join(part.lists)} in {root / LISTS} or {root}; {REMEDY}"
    )


def _read_rows(path: Path, part: _Part) -> list[_Row]:
    rows = []
    for where, cells in read_csv_rows(path, COLUMNS, remedy=REMEDY):
        label, youtube_id, start, end, split = cells
        if split not in part.splits:
            raise InputError(
                f"{where}: expected a video of the split {part.splits[0]}, got one of {split!r}; "
                "is this the list of another part?"
            )
        first, last = read_span(start, end, where=where)
        safe_name(label, where=where)  # a video is called by it, and files by the video
        stem = f"{safe_name(youtube_id, where=where)}_{first:06}_{last:06}"
        rows.append(_Row(where, label, youtube_id, stem))
    return rows


def _videos(
    root: Path, rows: Sequence[_Row], part: _Part, classes: Sequence[str], train_list: Path
) -> VideoTable:
    labels = labels_by_name(classes)
    files = _find_files(root, part.folders)
    replaced = {stem[:11]: path for stem, path in _find_files(root, (REPLACED,)).items()}
    folder = part.folders[0]

    def video(row: _Row) -> Video:
        label = class_label(row.label, labels, where=row.where, known=str(train_list))
        path = replaced.get(row.youtube_id) or files.get(row.stem)
        file = root / folder / f"{row.stem}.mp4" if path is None else Path(path)
        return Video(f"{folder}/{row.label}/{row.stem}", file, label, row.stem)

    return VideoTable(map(video, rows))


def _find_files(root: Path, folders: Sequence[str]) -> Mapping[str, str]:
    """Return the videos in these folders and in those in them, by name without suffix."""
    found: dict[str, str] = {}
    for folder in folders:
        within = []
        for entry in _entries(root / folder):
            if entry.is_dir() and not _STEM.fullmatch(entry.name):
                within.append(entry.path)
            else:
                _add(found, entry)
        for path in within:
            for entry in _entries(path):
                _add(found, entry)
    return found


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: this folder cannot be listed ({error.strerror})") from error


def _add(found: dict[str, str], entry: os.DirEntry[str]) -> None:
    stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122
    if suffix == ".mp4" and stem not in found:  # the usual case, without a Path
        found[stem] = entry.path
    elif has_video_suffix(path := Path(entry.path)):
        known = found.get(stem)
        if known is None or preference(path) < preference(Path(known)):
            found[stem] = entry.path
    elif _STEM.fullmatch(entry.name) and entry.is_dir():
        found.setdefault(entry.name, entry.path)
