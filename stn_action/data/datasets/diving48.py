"""Diving48, labels of version 2, with its official split (Li et al. 2018)."""

from collections.abc import Mapping
from pathlib import Path

from stn_action.data.datasets.list_file import read_json_list, read_json_records, safe_name
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

TRAIN, TEST, CLASSES = "Diving48_V2_train.json", "Diving48_V2_test.json", "Diving48_vocab.json"
LISTS, VIDEOS = "annotations", ("rgb", "videos")
REMEDY = (
    f"get Diving48_rgb.tar.gz, {TRAIN}, {TEST} and {CLASSES} from "
    "http://www.svcl.ucsd.edu/projects/resound/dataset.html and unpack them in data.root"
)


def list_diving48(root: str | Path, fold: int = 1) -> Listing:
    """List the dives of the official split, labels of version 2.

    The lists are `Diving48_V2_train.json` and `Diving48_V2_test.json`, lists of objects with
    `vid_name` and `label`, and `Diving48_vocab.json`, a list of the classes, each a list of
    take-off, somersaults, twists and position; they are in `root` or `root/annotations`. The
    videos are `rgb/<vid_name>.mp4`, or in `videos` or `root`.

    The form of the lists is as the preparation scripts of others read it, no official list was at
    hand: whether both parts show dives of one competition (`vid_name` begins with the id of its
    video) is not known, and each dive is a group of its own. A mirrored dive is of the same class.

    Args:
        root: the folder of the data set.
        fold: 1; there is one.

    Raises:
        InputError: the folder or a list is missing or malformed, or a label is no class.
    """
    del fold
    root = require_folder(root, what="diving48", remedy=REMEDY)
    lists = root if (root / TRAIN).exists() else root / LISTS
    if not (lists / TRAIN).exists():
        lists = root  # named in the message
    classes = _read_classes(lists / CLASSES)
    folder = next((root / name for name in VIDEOS if (root / name).is_dir()), root)
    files = files_by_stem(folder)
    train, test = (_read_part(lists / name, classes, folder, files) for name in (TRAIN, TEST))
    return Listing("diving48 v2", classes, train, VideoTable(), test)


def _read_classes(path: Path) -> tuple[str, ...]:
    classes = []
    for number, words in enumerate(read_json_list(path, list, remedy=REMEDY)):
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"{path}: expected words for the class {number}, got {words!r}")
        classes.append(" ".join(words))
    return tuple(classes)


def _read_part(
    path: Path, classes: tuple[str, ...], folder: Path, files: Mapping[str, Path]
) -> VideoTable:
    videos = []
    for where, (name, label) in read_json_records(
        path, {"vid_name": str, "label": int}, remedy=REMEDY
    ):
        if not 0 <= label < len(classes):
            raise InputError(
                f"{where}: expected a label from 0 to {len(classes) - 1}, as {CLASSES} has "
                f"{len(classes)} classes, got {label}"
            )
        stem = safe_name(name, where=where)
        videos.append(Video(stem, files.get(stem, folder / f"{stem}.mp4"), label, stem))
    return VideoTable(videos)
