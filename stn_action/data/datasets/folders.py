"""Your own videos: `root/train/<class>/**`, `root/test/<class>/**`, and `root/val` likewise.

Or `root/<class>/**`: then `data.folds` tells what to test on.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import find_video_files, name_files
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import FRAMES_IN_WORDS, SUFFIXES_IN_WORDS, has_video_suffix

REMEDY = (
    "put videos into train/<class>/ and test/<class>/ of data.root, or into <class>/ for "
    f"data.folds (suffixes {SUFFIXES_IN_WORDS}; or folders of frames: {FRAMES_IN_WORDS}); "
    "`python tools/make_sample.py` writes an example"
)
BESIDE = "videos outside of a class folder"


def list_folders(root: str | Path, fold: int = 1) -> Listing:
    """List the videos of class folders; the classes are the folders of `train`, sorted.

    Videos, files or folders of frames, may be in folders below those of the classes. A video's name
    is its path below `root` without suffix (with it, where two files differ in the suffix alone),
    and it is a group of its own. Hidden files are ignored, files with another suffix counted. `val`
    is optional.

    A folder without `train`, `test` and `val` holds the class folders themselves. Its videos are
    returned as training videos, and there are none to test on.

    Args:
        root: the folder that holds `train`, `test` and perhaps `val`, or the class folders.
        fold: there is only one.

    Raises:
        InputError: a folder is missing or empty, or a part has a class that `train` lacks.
    """
    del fold
    root = require_folder(root, what="folders", remedy=REMEDY)
    passed_over: Counter[str] = Counter()
    is_pool = not any((root / part).exists() for part in ("train", "val", "test"))
    learned = "" if is_pool else "train"
    classes = _class_names(root / learned)
    train = _videos(root, learned, classes, passed_over)
    empty = [classes[label] for label in sorted(set(range(len(classes))) - _labels(train))]
    if empty:
        raise InputError(
            f"{root / learned}: there is no video of the class {', '.join(empty)}; {REMEDY}"
        )
    val = VideoTable()
    if is_pool and len(classes) == 1:
        raise InputError(f"{root}: {classes[0]} is the only class folder in it; {REMEDY}")
    if is_pool:
        return Listing("folders", classes, train, val, VideoTable(), passed_over=passed_over)
    if (root / "val").exists():
        val = _known_videos(root, "val", classes, passed_over)
    test = _known_videos(root, "test", classes, passed_over)
    return Listing("folders", classes, train, val, test, passed_over=passed_over)


def _class_names(folder: Path) -> tuple[str, ...]:
    require_folder(folder, what="folders", remedy=REMEDY)
    names = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not names:
        raise InputError(f"{folder}: there is no class folder in it; {REMEDY}")
    return tuple(names)


def _known_videos(
    root: Path, part: str, classes: Sequence[str], passed_over: Counter[str]
) -> VideoTable:
    unknown = sorted(set(_class_names(root / part)) - set(classes))
    if unknown:
        raise InputError(
            f"{root / part}: the class {', '.join(unknown)} is not in {root / 'train'}, "
            f"which holds {', '.join(classes)}"
        )
    videos = _videos(root, part, classes, passed_over)
    if not videos:
        raise InputError(f"{root / part}: there is no video in its class folders; {REMEDY}")
    return videos


def _videos(root: Path, part: str, classes: Sequence[str], passed_over: Counter[str]) -> VideoTable:
    """List the videos of one part; what is passed over is added to `passed_over`."""
    videos: list[Video] = []
    for label, class_name in enumerate(classes):
        folder = root / part / class_name
        if not folder.is_dir():
            continue
        found = find_video_files(folder)
        passed_over.update(found.passed_over)
        names = name_files([path.relative_to(root) for path in found.videos])
        videos += [
            Video(name, path, label, group=name)
            for name, path in zip(names, found.videos, strict=True)
        ]
    beside = [
        path
        for path in (root / part).iterdir()
        if has_video_suffix(path) and not path.name.startswith(".") and not path.is_dir()
    ]
    passed_over.update({BESIDE: len(beside)} if beside else {})
    return VideoTable(videos)


def _labels(videos: VideoTable) -> set[int]:
    return set(videos.targets.tolist())
