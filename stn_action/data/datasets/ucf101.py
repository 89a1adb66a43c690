"""UCF101 in its official layout and with its official three splits (Soomro et al. 2012)."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from stn_action.data.datasets.list_file import read_list_lines
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem, preference
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

LISTS = "ucfTrainTestlist"
REMEDY = (
    "get UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from "
    "https://www.crcv.ucf.edu/data/UCF101.php and unpack both into data.root"
)
_FILE_NAME = re.compile(r"v_(?P<action>\w+)_(?P<group>g\d{2})_c\d{2}\.avi")


def list_ucf101(root: str | Path, fold: int) -> Listing:
    """List the videos of one official split of UCF101.

    The videos are in class folders or all in one folder, in `root` or in `root/UCF-101`; the lists
    (`classInd.txt`, `trainlist0N.txt`, `testlist0N.txt`) in `ucfTrainTestlist` in or beside `root`.
    A video that was re-encoded may have another suffix than the `.avi` of the lists, and one
    without a file may be a folder of frames, called as the file without its suffix.

    Args:
        root: the folder of the data set.
        fold: number of the split: 1, 2 or 3.

    Raises:
        InputError: the folder or the lists are missing, or a list is malformed.
    """
    root = require_folder(root, what="ucf101", remedy=REMEDY)
    lists = _find_lists(root)
    classes = _read_classes(lists / "classInd.txt")
    train = _read_list(lists / f"trainlist{fold:02d}.txt", classes, root)
    test = _read_list(lists / f"testlist{fold:02d}.txt", classes, root)
    return Listing(f"ucf101 split {fold}", classes, train, VideoTable(), test)


def video_folders(root: Path) -> list[Path]:
    """Return the folders that may hold class folders or videos."""
    nested = root / "UCF-101"
    return [nested, root] if nested.is_dir() else [root]


def find_class_video(
    bases: Sequence[Path],
    class_name: str,
    stem: str,
    files_in: Callable[[Path], Mapping[str, Path]],
) -> Path:
    """Return the file of a video, or the folder of its frames; if there is none, where it belongs.

    Args:
        bases: folders that may hold class folders or videos.
        class_name: of its class folder.
        stem: name of the file without suffix.
        files_in: `files_by_stem`, each folder listed once.
    """
    folders = [base / part for base in bases for part in (class_name, "")]
    found = [files_in(folder).get(stem) for folder in folders]
    candidates = [path for path in found if path is not None]
    candidates = candidates or [folder / stem for folder in folders if (folder / stem).is_dir()]
    return min(candidates, key=preference, default=folders[0] / f"{stem}.avi")


def _find_lists(root: Path) -> Path:
    candidates = [root / LISTS, root.absolute().parent / LISTS]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(
        f"ucf101: the folder {LISTS} with the official lists is missing; "
        f"looked in {root} and {root.absolute().parent}; {REMEDY}"
    )


def _read_classes(path: Path) -> tuple[str, ...]:
    classes = []
    for place, line in enumerate(read_list_lines(path, remedy=REMEDY), start=1):
        number, _, name = line.partition(" ")
        if number != str(place) or not name:
            raise InputError(f"{path}, line {place}: expected '{place} <class>', got {line!r}")
        classes.append(name)
    return tuple(classes)


def _read_list(path: Path, classes: Sequence[str], root: Path) -> VideoTable:
    labels = {name: label for label, name in enumerate(classes)}
    bases = video_folders(root)
    files_in = cache(files_by_stem)
    videos = []
    for line in read_list_lines(path, remedy=REMEDY):
        name, _, number = line.partition(" ")
        folder, _, file_name = name.partition("/")
        match = _FILE_NAME.fullmatch(file_name)
        if match is None or folder not in labels or match["action"].lower() != folder.lower():
            raise InputError(
                f"{path}: expected '<class of classInd.txt>/v_<class>_gNN_cNN.avi', got {line!r}"
            )
        if number and number != str(labels[folder] + 1):
            raise InputError(f"{path}: {line!r} does not carry the number of {folder} in classInd")
        video_path = find_class_video(bases, folder, Path(file_name).stem, files_in)
        group = f"{folder}_{match['group']}"
        videos.append(Video(name.removesuffix(".avi"), video_path, labels[folder], group))
    return VideoTable(videos)
