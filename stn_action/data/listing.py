"""The parts of a data set, and the checks that every list of videos goes through."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
"""What counts as a video where a folder is searched; lower case."""
NAMES_SHOWN = 3


@dataclass(frozen=True)
class Listing:
    """The labelled videos of a data set, in parts."""

    name: str
    """As in the protocol line: `ucf101 split 1`."""
    classes: tuple[str, ...]
    """Class names; a target is an index into them, or several."""
    train: VideoTable
    """Videos to train on."""
    val: VideoTable
    """Videos to choose a checkpoint on; empty: there are none."""
    test: VideoTable
    """Videos to evaluate on."""
    multi_label: bool = False
    """A video may have several labels."""
    missing: int = 0
    """Listed test videos that are left out because the disk lacks them."""
    whole_frame: int = 0
    """Test videos without a person, of which the whole frame is used though others are cropped."""
    skipped: int = 0
    """Test videos that are left out because they have no person."""

    @property
    def all_videos(self) -> VideoTable:
        """The videos of all parts: train, then val, then test."""
        return self.train + self.val + self.test


def require_videos(videos: Sequence[Video], *, looked_in: str, remedy: str) -> None:
    """Refuse a list that names files which do not exist.

    Args:
        videos: the list.
        looked_in: the folders that were searched, for the message.
        remedy: how to get the files, one sentence without a full stop.

    Raises:
        InputError: with the number of missing files and the first few names.
    """
    missing = [video for video in videos if not video.path.is_file()]
    if not missing:
        return
    names = ", ".join(video.path.name for video in missing[:NAMES_SHOWN])
    more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
    raise InputError(
        f"{len(missing)} of {len(videos)} listed videos are missing: {names}{more}; "
        f"looked in {looked_in}; {remedy}"
    )


def require_folder(root: str | Path, *, what: str, remedy: str) -> Path:
    """Return `root` as a path.

    Raises:
        InputError: it does not exist or is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        state = "is a file, not a folder" if root.exists() else "does not exist"
        raise InputError(f"{what}: the folder {root} {state}; {remedy}")
    return root


def require_separate_groups(train: Sequence[Video], test: Sequence[Video], *, what: str) -> None:
    """Refuse a split that tears a group apart.

    Raises:
        InputError: with the number of shared groups and the first few.
    """
    shared = sorted({video.group for video in train} & {video.group for video in test})
    if shared:
        raise InputError(
            f"{what}: {len(shared)} groups are in the training and in the test list "
            f"({', '.join(shared[:NAMES_SHOWN])}): videos of a group show the same people and "
            "place, so the result would be worthless; use one official pair of lists"
        )
