"""Your own videos: `root/train/<class>/*`, `root/test/<class>/*`, and `root/val` likewise."""

from collections.abc import Sequence
from pathlib import Path

from stn_action.data.listing import VIDEO_SUFFIXES, Listing, require_folder
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

REMEDY = (
    "put videos into train/<class>/ and test/<class>/ of data.root "
    f"(suffixes {' '.join(VIDEO_SUFFIXES)}); "
    "`python tools/make_sample.py` writes an example"
)


def list_folders(root: str | Path, fold: int = 1) -> Listing:
    """List the videos of class folders; the classes are the folders of `train`, sorted.

    A video's name is its path below `root` without suffix, and it is a group of its own. Hidden
    files and files with another suffix are ignored. `val` is optional.

    Args:
        root: the folder that holds `train`, `test` and perhaps `val`.
        fold: there is only one.

    Raises:
        InputError: a folder is missing or empty, or a part has a class that `train` lacks.
    """
    del fold
    root = require_folder(root, what="folders", remedy=REMEDY)
    classes = _class_names(root / "train")
    train = _videos(root, "train", classes)
    empty = [classes[label] for label in sorted(set(range(len(classes))) - _labels(train))]
    if empty:
        raise InputError(
            f"{root / 'train'}: there is no video of the class {', '.join(empty)}; {REMEDY}"
        )
    val = _known_videos(root, "val", classes) if (root / "val").exists() else VideoTable()
    return Listing("folders", classes, train, val, _known_videos(root, "test", classes))


def _class_names(folder: Path) -> tuple[str, ...]:
    require_folder(folder, what="folders", remedy=REMEDY)
    names = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not names:
        raise InputError(f"{folder}: there is no class folder in it; {REMEDY}")
    return tuple(names)


def _known_videos(root: Path, part: str, classes: Sequence[str]) -> VideoTable:
    unknown = sorted(set(_class_names(root / part)) - set(classes))
    if unknown:
        raise InputError(
            f"{root / part}: the class {', '.join(unknown)} is not in {root / 'train'}, "
            f"which holds {', '.join(classes)}"
        )
    videos = _videos(root, part, classes)
    if not videos:
        raise InputError(f"{root / part}: there is no video in its class folders; {REMEDY}")
    return videos


def _videos(root: Path, part: str, classes: Sequence[str]) -> VideoTable:
    return VideoTable(
        Video(name := path.relative_to(root).with_suffix("").as_posix(), path, label, group=name)
        for label, class_name in enumerate(classes)
        for path in sorted((root / part / class_name).glob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    )


def _labels(videos: VideoTable) -> set[int]:
    return set(videos.targets.tolist())
