"""ARID, actions recorded in the dark, with its official three splits (Xu et al. 2020)."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from stn_action.data.datasets.list_file import read_list_lines
from stn_action.data.datasets.named_files import subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

CLASSES = (
    "Drink", "Jump", "Pick", "Pour", "Push", "Run", "Sit", "Stand", "Turn", "Walk", "Wave",
)  # fmt: skip
LISTS, VIDEOS = "list_cvt", "data"
REMEDY = (
    "get the clips from https://xuyu0010.github.io/arid.html and the lists from dataset/ARID/raw "
    f"of https://github.com/xuyu0010/ARID_v1, so that data.root holds {VIDEOS}/<class>/ and "
    f"{LISTS}/"
)
_LINE = re.compile(
    rf"\d+\s+(?P<label>\d+)\s+(?P<action>{'|'.join(CLASSES)})/(?P<stem>(?P=action)_(?P<group>\d+)_\d+)\.avi"
)


def list_arid(root: str | Path, fold: int) -> Listing:
    """List the clips of one official split of ARID, version 1 or 1.5.

    The lists are `ARID_splitN_train.txt` and `ARID_splitN_test.txt` in `root/list_cvt` or `root`,
    lines of `<number> <label> <class>/<class>_<group>_<clip>.avi`; the clips are in class folders
    in `root/data` or `root`, and may have another suffix, as in version 1.5. A group is that of the
    names: of the lists of split 2, which were compared, none is in both parts. A third list
    (`other`) holds 673 of the 3784 clips, of groups of both parts, which a split leaves out. The
    numbers are those of the authors' repository but for the test list of split 1, which was not at
    hand: 823 are left of 3784 clips.

    Args:
        root: the folder of the data set.
        fold: number of the split: 1, 2 or 3.

    Raises:
        InputError: the folder or a list is missing, or a list is malformed.
    """
    root = require_folder(root, what="arid", remedy=REMEDY)
    lists, folder = (subfolder(root, name) for name in (LISTS, VIDEOS))
    train, test = (
        _read_part(lists / f"ARID_split{fold}_{part}.txt", folder) for part in ("train", "test")
    )
    return Listing(f"arid split {fold}", CLASSES, train, VideoTable(), test)


def _read_part(path: Path, folder: Path) -> VideoTable:
    @cache
    def clips(action: str) -> Mapping[str, Path]:
        return files_by_stem(folder / action)

    videos = []
    for line in read_list_lines(path, remedy=REMEDY):
        match = _LINE.fullmatch(line)
        if match is None or match["label"] != str(CLASSES.index(match["action"])):
            raise InputError(
                f"{path}: expected '<number> <label of the class> <class>/<class>_<group>_<clip>"
                f".avi', got {line!r}; classes are counted from 0: {', '.join(CLASSES)}"
            )
        action, stem = match["action"], match["stem"]
        file = clips(action).get(stem, folder / action / f"{stem}.avi")
        group = f"{action}_{match['group']}"
        videos.append(Video(f"{action}/{stem}", file, CLASSES.index(action), group))
    return VideoTable(videos)
