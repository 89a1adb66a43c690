"""HAA500, 500 atomic actions of people, with its official split (Chung et al. 2021)."""

import re
from collections.abc import Iterator
from pathlib import Path

from stn_action.data.datasets.named_files import read_file_names, subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

VIDEOS = "video"
TRAINING, VALIDATION = range(16), range(16, 17)
"""Places of a class's clips; those after them are tested on."""
REMEDY = (
    "get HAA500 v1.1 (raw, video) by the link on https://github.com/a6o/HAA500 and unpack it as "
    f"{VIDEOS}/<class>/<class>_<000-019>.mp4 of data.root"
)


def list_haa500(root: str | Path, fold: int = 1) -> Listing:
    """List the clips of the official split: of each class 16 to train on, 1 to validate, 3 to test.

    The authors' repository (a6o/HAA500) defines it by the lines of a class's list: the first 16,
    the 17th and the others. That `<class>_<NNN>.mp4` is the line NNN, counted from 0, is how others
    read the clips; no clip was at hand. Classes are the folders, sorted. The names do not tell the
    source video: whether clips of one are in several parts is not known, and each clip is a group
    of its own.

    Args:
        root: the folder of `video/<class>/<class>_<NNN>.mp4`, or of the class folders; re-encoded
            clips may have another suffix.
        fold: 1; there is one.

    Raises:
        InputError: the folder is missing, holds no class folder, or a file is not named like a clip
            of its class.
    """
    del fold
    root = require_folder(root, what="haa500", remedy=REMEDY)
    folder = subfolder(root, VIDEOS)
    classes = tuple(
        sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[:1].isalnum())
    )
    if not classes:
        raise InputError(f"haa500: there is no class folder in {folder}; {REMEDY}")
    clips = [clip for label, name in enumerate(classes) for clip in _clips(folder / name, label)]
    train = VideoTable(video for place, video in clips if place in TRAINING)
    val = VideoTable(video for place, video in clips if place in VALIDATION)
    test = VideoTable(video for place, video in clips if place > VALIDATION[-1])
    return Listing("haa500", classes, train, val, test)


def _clips(folder: Path, label: int) -> Iterator[tuple[int, Video]]:
    """Yield the places of a class's clips, from 0, and the clips."""
    clips = read_file_names(
        folder, re.compile(rf"{re.escape(folder.name)}_(\d+)").fullmatch,
        expected=f"clips {folder.name}_<000-019>.mp4", name="haa500", remedy=REMEDY,
        may_be_empty=True,
    )  # fmt: skip
    for path, match in clips:
        yield int(match[1]), Video(f"{folder.name}/{match[0]}", path, label, match[0])
