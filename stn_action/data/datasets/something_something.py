"""Something-Something, versions 1 and 2, evaluated on the validation lists (Goyal et al. 2017).

The layouts, the numbers and the forms of the lists are those that TSM's and GluonCV's preparation
scripts read; no official list was at hand.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from stn_action.data.datasets.list_file import (
    class_label,
    labels_by_name,
    read_json_list,
    read_json_records,
    read_list_lines,
    safe_name,
)
from stn_action.data.datasets.named_files import subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import holds_frames
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

FRAMES_V1, VIDEOS_V2 = "20bn-something-something-v1", "20bn-something-something-v2"
LIST_FOLDERS = ("", "labels", "annotations")
PARTS = ("train", "validation")
_SITE = "https://www.qualcomm.com/developer/software/something-something-v-2-dataset"
REMEDY_V1 = (
    "version 1 is no longer offered by its authors; data.root holds the folders of frames in "
    f"{FRAMES_V1}/ and something-something-v1-labels.csv, -train.csv and -validation.csv"
)
REMEDY_V2 = (
    f"get videos and labels from {_SITE}, so that data.root holds {VIDEOS_V2}/ and labels.json, "
    "train.json and validation.json in labels/"
)


def list_something_v1(root: str | Path, fold: int = 1) -> Listing:
    """List the folders of frames (12 a second) of the training and of the validation list.

    The lists are `something-something-v1-labels.csv`, a class a line, and `-train.csv` and
    `-validation.csv`, lines of `<id>;<class>`, in `root`, `root/labels` or `root/annotations`; the
    frames `20bn-something-something-v1/<id>/00001.jpg` and so on, or, re-encoded, `<id>.mp4` there.
    Labels count the lines of the list of classes. The lists do not name the people: each video is a
    group of its own.

    Args:
        root: the folder of the data set.
        fold: 1; there is one.

    Raises:
        InputError: a folder or a list is missing or malformed, or a class is in no list of classes.
    """
    del fold
    root = require_folder(root, what="something_v1", remedy=REMEDY_V1)
    file = "something-something-v1-{part}.csv"
    classes_list = _find(root, (file.format(part="labels"),), "something_v1", REMEDY_V1)
    classes = tuple(read_list_lines(classes_list, remedy=REMEDY_V1))

    def read(part: str) -> list[tuple[str, str, str]]:
        path = _find(root, (file.format(part=part),), "something_v1", REMEDY_V1)
        rows = []
        for number, line in enumerate(read_list_lines(path, remedy=REMEDY_V1), start=1):
            video, separator, class_name = line.partition(";")
            if not separator:
                raise InputError(f"{path}, entry {number}: expected '<id>;<class>', got {line!r}")
            rows.append((f"{path}, entry {number}", video, class_name))
        return rows

    folder = root / FRAMES_V1
    suffix = _suffix_in(folder, "")
    return _listing(
        "something_v1", classes, classes_list, read, lambda video: folder / f"{video}{suffix}"
    )


def list_something_v2(root: str | Path, fold: int = 1) -> Listing:
    """List the videos of the training and of the validation list.

    The lists are `labels.json`, an object of classes and their numbers from 0, and `train.json`
    and `validation.json`, lists of objects whose `template` without its square brackets is the
    class of `id`; as published first they were called `something-something-v2-train.json` and so
    on. They are in `root`, `root/labels` or `root/annotations`, the videos
    `20bn-something-something-v2/<id>.webm` or, re-encoded, `<id>.mp4` there or in `root`, or
    folders of frames, `<id>`. The lists do not name the people: each video is a group of its own.

    Args:
        root: the folder of the data set.
        fold: 1; there is one.

    Raises:
        InputError: a folder or a list is missing or malformed, or a class is in no list of classes.
    """
    del fold
    root = require_folder(root, what="something_v2", remedy=REMEDY_V2)

    def find(part: str) -> Path:
        files = (f"{part}.json", f"something-something-v2-{part}.json")
        return _find(root, files, "something_v2", REMEDY_V2)

    def read(part: str) -> list[tuple[str, str, str]]:
        records = read_json_records(find(part), {"id": str, "template": str}, remedy=REMEDY_V2)
        return [(where, video, _without_brackets(text)) for where, (video, text) in records]

    classes = _numbered_classes(find("labels"))
    folder = subfolder(root, VIDEOS_V2)
    suffix = _suffix_in(folder, ".webm")
    return _listing(
        "something_v2", classes, find("labels"), read, lambda video: folder / f"{video}{suffix}"
    )


def _suffix_in(folder: Path, published: str) -> str:
    """Return the suffix of the videos: of re-encoded ones, as published, or none of frames."""
    for suffix in (".mp4", published):
        if next(folder.glob(f"*{suffix}"), None) is not None:
            return suffix
    has_frames = any(path.is_dir() and holds_frames(path) for path in folder.glob("[!.]*"))
    return "" if has_frames else published


def _find(root: Path, files: tuple[str, ...], name: str, remedy: str) -> Path:
    candidates = [root / folder / file for folder in LIST_FOLDERS for file in files]
    for path in candidates:
        if path.is_file():
            return path
    raise InputError(
        f"{name}: there is no list {' or '.join(files)} in {root}, its {LIST_FOLDERS[1]}/ or its "
        f"{LIST_FOLDERS[2]}/; {remedy}"
    )


def _numbered_classes(path: Path) -> tuple[str, ...]:
    content: Mapping[str, object] = read_json_list(path, dict, remedy=REMEDY_V2)
    classes = {str(number): name for name, number in content.items()}
    missing = [number for number in map(str, range(len(content))) if number not in classes]
    if missing:
        raise InputError(
            f"{path}: expected the numbers 0 to {len(content) - 1} of {len(content)} classes, "
            f"{missing[0]} is missing; {REMEDY_V2}"
        )
    return tuple(classes[str(number)] for number in range(len(content)))


def _without_brackets(template: str) -> str:
    return template.replace("[", "").replace("]", "")


def _listing(
    name: str,
    classes: tuple[str, ...],
    classes_list: Path,
    read: Callable[[str], list[tuple[str, str, str]]],
    path_of: Callable[[str], Path],
) -> Listing:
    labels = labels_by_name(classes)

    def videos(part: str) -> VideoTable:
        return VideoTable(
            Video(
                video,
                path_of(safe_name(video, where=where)),
                class_label(class_name, labels, where=where, known=str(classes_list)),
                video,
            )
            for where, video, class_name in read(part)
        )

    train, test = map(videos, PARTS)
    return Listing(f"{name} validation", classes, train, VideoTable(), test)
