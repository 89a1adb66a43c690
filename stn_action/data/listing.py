"""The parts of a data set, and the checks that every list of videos goes through."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import torch

from stn_action.batch import class_text
from stn_action.data.video_files import are_present
from stn_action.data.video_groups import may_repeat
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Listing:
    """The labeled videos of a data set, in parts."""

    name: str
    """As in the protocol line: `ucf101 split 1`."""
    classes: tuple[str, ...]
    """Class names; a target is an index into them, or several, or one at each position."""
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
    """Test videos without a person, of which the full frame is used though others are cropped."""
    skipped: int = 0
    """Test videos that are left out because they have no person."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """Files in the data set's folders that are not called like a video: kinds and numbers."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Listed videos that are not used, as their classes cannot be expressed or the list excludes
    them: numbers by part, train and test."""
    left_out_kind: str = ""
    """What they are."""
    unit: str = "videos"
    """What its videos are, in messages and in the protocol line: `images`, `sequences`."""
    subject: str = "person"
    """What person boxes are around."""
    dataset: str = ""
    """The name without the fold, where `data.name` does not tell it: `ut_interaction set 2`."""

    @property
    def whole(self) -> str:
        """What is used where there is no box, in the protocol line."""
        return "whole image" if self.unit == "images" else "whole frame"

    @property
    def positions(self) -> int:
        """Classifications of each video, as the digits of a number; 1: one class, or labels."""
        return (self.train or self.test).positions

    @property
    def num_outputs(self) -> int:
        """Scores of a network for it: one of each class at each position."""
        return len(self.classes) * self.positions

    def label_text(self, video: Video) -> str:
        """Return the names of a video's classes as one text; of several labels there may be none.

        Labels are separated by a semicolon, which no class of AVA has in its name.
        """
        if self.positions > 1:
            return class_text(self.classes, video.labels)
        return "; ".join(self.classes[label] for label in video.labels) or "no label"

    def with_frames_fps(self, frames_fps: float) -> "Listing":
        """Return the same videos, those that are folders of frames at another rate."""
        train, val, test = (
            part.with_frames_fps(frames_fps) for part in (self.train, self.val, self.test)
        )
        return replace(self, train=train, val=val, test=test)

    @property
    def all_videos(self) -> VideoTable:
        """The videos of all parts: train, then val, then test."""
        return self.train + self.val + self.test


def require_videos(
    videos: VideoTable, *, looked_in: str, remedy: str, unit: str = "videos"
) -> None:
    """Check that all listed files, or folders of frames, exist.

    Args:
        videos: the list.
        looked_in: the folders that were searched, for the message.
        remedy: how to get the files, one sentence without a full stop.
        unit: see `Listing.unit`.

    Raises:
        InputError: with the number of missing files and the first few names.
    """
    paths = videos.paths()
    missing = [
        Path(path) for path, there in zip(paths, are_present(paths), strict=True) if not there
    ]
    if not missing:
        return
    unique = len({Path(path).name for path in paths}) == len(paths)
    parts = 1 if unique else 2  # with the folder, as in train/1.png
    names = ", ".join("/".join(path.parts[-parts:]) for path in missing[:NAMES_SHOWN])
    more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
    raise InputError(
        f"{len(missing)} of {len(videos)} listed {unit} are missing: {names}{more}; "
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


def require_unique_names(parts: Mapping[str, VideoTable], *, what: str) -> None:
    """Check that no part lists a video twice.

    Args:
        parts: by their names, for the message.
        what: the lists, for the message.

    Raises:
        InputError: with the number of such videos and the first few.
    """
    if not may_repeat(parts.values(), "name", within=True):
        return
    for part, videos in parts.items():
        if repeated := [name for name, times in Counter(videos.names()).items() if times > 1]:
            raise InputError(
                f"{what}: {len(repeated)} {part} videos are listed more than once "
                f"({', '.join(repeated[:NAMES_SHOWN])}); each would count several times: remove "
                "the repeated lines, or get the official lists"
            )


def require_unique_classes(classes: Sequence[str], *, what: str) -> None:
    """Check that no two classes have one name.

    Args:
        classes: names.
        what: the lists, for the message.

    Raises:
        InputError: with the first few that several have.
    """
    repeated = [name for name, times in Counter(classes).items() if times > 1]
    if repeated:
        raise InputError(
            f"{what}: several of the {len(classes)} classes have the same name "
            f"({', '.join(repeated[:NAMES_SHOWN])}); is the list of classes the official one?"
        )


def require_separate_groups(parts: Mapping[str, VideoTable], *, what: str) -> None:
    """Check that each group of videos is in one part only.

    Args:
        parts: by their names, for the message.
        what: the lists, for the message.

    Raises:
        InputError: with the number of shared groups and the first few.
    """
    if not may_repeat(parts.values(), "group", within=False):
        return
    groups = {part: set(videos.groups()) for part, videos in parts.items()}
    for one, other in combinations(parts, 2):
        shared = sorted(groups[one] & groups[other])
        if shared:
            raise InputError(
                f"{what}: {len(shared)} groups are in the {one} and in the {other} list "
                f"({', '.join(shared[:NAMES_SHOWN])}): videos of a group show the same people and "
                "place, so the result would be invalid; use one official pair of lists"
            )


def hold_out_groups(listing: Listing, share: float, *, seed: int) -> Listing:
    """Move some groups of the training videos to an empty validation part.

    Groups are moved in a random order until the share is reached. A group stays if a class would
    have no training video without it.

    Args:
        listing: without validation videos.
        share: of the training videos, in (0, 1); at least that many are moved, if groups allow.
        seed: of the order.

    Raises:
        InputError: no group can be moved.
    """
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(listing.train.groups()):
        rows.setdefault(group, []).append(row)
    labels = listing.train.labels()
    left = Counter(label for of_video in labels for label in of_video)
    names, wanted = sorted(rows), math.ceil(share * len(labels) - 1e-9)
    held_out: list[int] = []
    for place in torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist():
        members = rows[names[place]]
        lost = Counter(label for row in members for label in labels[row])
        if len(held_out) < wanted and all(left[label] > lost[label] for label in lost):
            held_out += members
            left -= lost
    if not held_out:
        raise InputError(
            f"data.val_share={share:g}: no group of the {len(labels)} training "
            f"{listing.unit} of {listing.name} can be held out, a class would have none left; set "
            "data.val_share to 0"
        )
    kept = sorted(set(range(len(labels))).difference(held_out))
    train, val = listing.train.select(kept), listing.train.select(sorted(held_out))
    return replace(listing, train=train, val=val)
