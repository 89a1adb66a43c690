"""J-HMDB-21 in its official layout and with its official three splits (Jhuang et al. 2013)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from stn_action.data.datasets.list_file import read_list_lines
from stn_action.data.listing import NAMES_SHOWN, Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import without_video_suffix

VIDEOS, LISTS = "ReCompress_Videos", "splits"
REMEDY = (
    "get JHMDB_video.zip and splits.zip from http://jhmdb.is.tue.mpg.de and unpack both into "
    f"data.root, so that it holds {VIDEOS} and {LISTS}"
)
_TAGS = r"_[a-z]+_[cn]m_np\d+_[a-z]{2}_[a-z]{3}_\d+"
"""Visible body, camera motion, number of people, viewpoint, quality, number of the clip: HMDB51's
names end so."""
_LIST_NAME = "{class_name}_test_split{fold}.txt"


def list_jhmdb(root: str | Path, fold: int) -> Listing:
    """List the clips of one official split of J-HMDB-21.

    The clips are in class folders in `root/ReCompress_Videos` or in `root`, the lists
    (`<class>_test_splitN.txt`, lines of `<name>.avi 1` to train on and `<name>.avi 2` to test on)
    in `root/splits`. A clip that was re-encoded may have another suffix than the `.avi` of the
    lists, and one without a file may be a folder of frames, called as the file without its suffix.
    A clip is called `class/name`; its group is the source video of its class, since the official
    splits keep the clips of a class from one video together, but not all scenes of a film.

    Args:
        root: the folder of the data set.
        fold: number of the split: 1, 2 or 3.

    Raises:
        InputError: the folder or the lists are missing, a list is malformed, or a class or a clip
            on the disk is in no list.
    """
    root = require_folder(root, what="jhmdb", remedy=REMEDY)
    lists = _find_lists(root, fold)
    classes = tuple(sorted(lists))
    folder = root / VIDEOS if (root / VIDEOS).is_dir() else root
    _require_lists(folder, lists, fold)
    train, test = [], []
    for label, class_name in enumerate(classes):
        clips = files_by_stem(folder / class_name)
        parts = _read_parts(lists[class_name])
        _require_listed(clips, parts, lists[class_name])
        for stem, part in parts.items():
            frames = folder / class_name / stem
            path = clips.get(stem) or (
                frames if frames.is_dir() else frames.with_name(f"{stem}.avi")
            )
            name = f"{class_name}/{stem}"
            video = Video(name, path, label, _group_of(class_name, stem))
            (train if part == 1 else test).append(video)
    return Listing(
        f"jhmdb split {fold}", classes, VideoTable(train), VideoTable(), VideoTable(test)
    )


def _find_lists(root: Path, fold: int) -> dict[str, Path]:
    """Return the lists of a split by class."""
    ending = _LIST_NAME.format(class_name="", fold=fold)
    found = {path.name.removesuffix(ending): path for path in (root / LISTS).glob(f"[!.]*{ending}")}
    if not found:
        raise InputError(
            f"jhmdb: {root / LISTS} holds no list of split {fold} (<class>{ending}); {REMEDY}"
        )
    return found


def _require_lists(folder: Path, lists: Mapping[str, Path], fold: int) -> None:
    """Check that every class folder with clips has a list."""
    strange = sorted(
        path.name for path in folder.glob("[!.]*") if path.name not in lists and files_by_stem(path)
    )
    if strange:
        expected = _LIST_NAME.format(class_name=strange[0], fold=fold)
        raise InputError(
            f"jhmdb: {folder} holds {len(strange)} classes that have no list of split {fold} "
            f"({_first(strange)}): there is no {LISTS}/{expected}; {REMEDY}"
        )


def _read_parts(path: Path) -> dict[str, int]:
    """Return the clips of a list, without suffix: 1 to train on, 2 to test on."""
    parts: dict[str, int] = {}
    for line in read_list_lines(path, remedy=REMEDY):
        file_name, _, part = line.rpartition(" ")
        stem = without_video_suffix(file_name.strip())
        if part not in ("1", "2") or not stem or "/" in stem:
            raise InputError(f"{path}: expected '<name>.avi 1' or '<name>.avi 2', got {line!r}")
        if stem in parts:
            raise InputError(f"{path}: {stem} is listed twice; {REMEDY}")
        parts[stem] = int(part)
    return parts


def _require_listed(clips: Mapping[str, Path], parts: Mapping[str, int], path: Path) -> None:
    strange = sorted(clip.name for stem, clip in clips.items() if stem not in parts)
    if strange:
        raise InputError(
            f"{path}: {len(strange)} of {len(clips)} clips on the disk are not in this list "
            f"({_first(strange)}); remove them from {clips[Path(strange[0]).stem].parent}, or get "
            "the list they are in"
        )


def _group_of(class_name: str, stem: str) -> str:
    """Return the source video of a clip where its name tells it, else the clip."""
    match = re.fullmatch(rf"(?P<source>.+)_{re.escape(class_name)}{_TAGS}", stem)
    return f"{class_name}/{stem if match is None else match['source']}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
