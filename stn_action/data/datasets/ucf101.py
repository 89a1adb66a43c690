"""UCF101 in its official layout and with its official three splits (Soomro et al. 2012)."""

import re
from collections.abc import Sequence
from pathlib import Path

from stn_action.data.listing import (
    VIDEO_SUFFIXES,
    Listing,
    require_folder,
    require_separate_groups,
    require_videos,
)
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

NUM_CLASSES = 101
NUM_VIDEOS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}
"""Videos in the official training and test list of each split."""
LISTS = "ucfTrainTestlist"
REMEDY = (
    "get UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from "
    "https://www.crcv.ucf.edu/data/UCF101.php and unpack both into data.root"
)
_FILE_NAME = re.compile(r"v_(?P<action>\w+)_(?P<group>g\d{2})_c\d{2}\.avi")


def load_ucf101(root: str | Path, split: int, *, require_official: bool = True) -> Listing:
    """Read one official split of UCF101.

    The videos lie in class folders or all in one folder, in `root` or in `root/UCF-101`; the lists
    (`classInd.txt`, `trainlist0N.txt`, `testlist0N.txt`) in `ucfTrainTestlist` in or beside `root`.
    A video that was re-encoded may have another suffix than the `.avi` of the lists.

    Args:
        root: the folder of the data set.
        split: 1, 2 or 3.
        require_official: refuse lists whose counts are not the official ones. Without, the name of
            a smaller split tells that it is a subset.

    Raises:
        InputError: the folder, the lists or listed videos are missing, the lists are not the
            official ones, or a group is in both of them.
    """
    listed = read_ucf101_lists(root, split, require_official=require_official)
    searched = f"{root}, {Path(root) / 'UCF-101'} and their class folders"
    require_videos([*listed.train, *listed.test], looked_in=searched, remedy=REMEDY)
    return listed


def read_ucf101_lists(root: str | Path, split: int, *, require_official: bool = True) -> Listing:
    """Do what `load_ucf101` does, but leave open whether the listed videos exist.

    Raises:
        InputError: as `load_ucf101`, except for missing videos.
    """
    if split not in NUM_VIDEOS:
        raise InputError(f"data.fold of ucf101 must be 1, 2 or 3, got {split}")
    root = require_folder(root, what="ucf101", remedy=REMEDY)
    lists = _find_lists(root)
    classes = _read_classes(lists / "classInd.txt")
    train = _read_list(lists / f"trainlist{split:02d}.txt", classes, root)
    test = _read_list(lists / f"testlist{split:02d}.txt", classes, root)
    counts = len(train), len(test)
    official = (len(classes), *counts) == (NUM_CLASSES, *NUM_VIDEOS[split])
    if require_official and not official:
        raise InputError(
            f"{lists}: not the official lists of ucf101 split {split}: {len(classes)} classes, "
            f"{counts[0]} training and {counts[1]} test videos, expected {NUM_CLASSES}, "
            f"{NUM_VIDEOS[split][0]} and {NUM_VIDEOS[split][1]}; {REMEDY}"
        )
    require_separate_groups(train, test, what=f"{lists}, ucf101 split {split}")
    subset = "" if official else f" (subset: {counts[0]} train, {counts[1]} test videos)"
    return Listing(f"ucf101 split {split}{subset}", classes, train, VideoTable(), test)


def _find_lists(root: Path) -> Path:
    candidates = [root / LISTS, root.absolute().parent / LISTS]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(
        f"ucf101: the folder {LISTS} with the official lists is missing; "
        f"looked in {root} and {root.absolute().parent}; {REMEDY}"
    )


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this list cannot be read: {error}; {REMEDY}") from error
    lines = [line.strip() for line in lines if line.strip()]
    if not lines:
        raise InputError(f"{path}: this list is empty; {REMEDY}")
    return lines


def _read_classes(path: Path) -> tuple[str, ...]:
    classes = []
    for place, line in enumerate(_read_lines(path), start=1):
        number, _, name = line.partition(" ")
        if number != str(place) or not name:
            raise InputError(f"{path}, line {place}: expected '{place} <class>', got {line!r}")
        classes.append(name)
    return tuple(classes)


def _read_list(path: Path, classes: Sequence[str], root: Path) -> VideoTable:
    labels = {name: label for label, name in enumerate(classes)}
    bases = _video_folders(root)
    videos = []
    for line in _read_lines(path):
        name, _, number = line.partition(" ")
        folder, _, file_name = name.partition("/")
        match = _FILE_NAME.fullmatch(file_name)
        if match is None or folder not in labels or match["action"].lower() != folder.lower():
            raise InputError(
                f"{path}: expected '<class of classInd.txt>/v_<class>_gNN_cNN.avi', got {line!r}"
            )
        if number and number != str(labels[folder] + 1):
            raise InputError(f"{path}: {line!r} does not carry the number of {folder} in classInd")
        video_path = _locate(bases, folder, file_name)
        group = f"{folder}_{match['group']}"
        videos.append(Video(name.removesuffix(".avi"), video_path, labels[folder], group))
    return VideoTable(videos)


def _video_folders(root: Path) -> list[Path]:
    """Where class folders or videos may lie."""
    nested = root / "UCF-101"
    return [nested, root] if nested.is_dir() else [root]


def _locate(bases: Sequence[Path], folder: str, file_name: str) -> Path:
    candidates = [base / part for base in bases for part in (f"{folder}/{file_name}", file_name)]
    suffixes = sorted(VIDEO_SUFFIXES, key=lambda suffix: (suffix != ".avi", suffix != ".mp4"))
    paths = (path.with_suffix(suffix) for suffix in suffixes for path in candidates)
    return next((path for path in paths if path.is_file()), candidates[0])
