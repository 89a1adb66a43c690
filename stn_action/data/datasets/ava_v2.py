"""AVA v2.2: actions of persons at key frames of films, several each (Gu et al. 2018).

Letters: M lines of a list, N samples: persons at a key frame, L labels of all samples together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from stn_action.data.datasets.list_file import safe_name
from stn_action.data.datasets.named_files import subfolder
from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.person.formats.ava_lists import (
    AvaColumns,
    read_ava_actions,
    read_ava_columns,
    read_ava_excluded,
    timestamp_text,
)

LISTS, FULL, CUT = "annotations", "videos", "videos_15min"
ACTIONS = "ava_action_list_v2.2_for_activitynet_2019.pbtxt"
BOXES, EXCLUDED = "ava_{part}_v2.2.csv", "ava_{part}_excluded_timestamps_v2.2.csv"
PARTS = ("train", "val")
NUM_ACTIONS = 80
"""Of the lists; published results are about 60 of them."""
FIRST_SECOND, LAST_SECOND = 902, 1798
FRAMES_OF_FILM = LAST_SECOND + 1
"""Numbers that the key frames of a film may have."""
CUT_START = 900.0
"""Time in the full film of the first frame of a film in `videos_15min`."""
SLICE_SECONDS = 3.0
REMEDY = (
    "get ava_v2.2.zip from https://research.google.com/ava/download.html and unpack it in "
    f"{LISTS} of data.root, and the films by https://github.com/cvdfoundation/ava-dataset into "
    f"{FULL}, or cut from 900 s to 1801 s into {CUT}"
)


def list_ava(root: str | Path, fold: int = 1) -> Listing:
    """List every annotated person at every key frame; test on the validation list.

    A sample is one person at one key frame, called `<film>/<timestamp>/<person_id>`, with all
    actions of that person there that are among the 60 that published results are about. It is the
    slice of 3 seconds around the key frame: annotators labeled what they saw in it, 1.5 seconds on
    either side (Gu et al. 2018, arXiv 1705.08421). A person whose actions are all among the other
    20 stays, as a sample without a label: tables, loss and metrics take it as a box that should
    score low for each action. Samples at excluded timestamps are left out and counted. The labels
    of the test list are not public; published results are those of the validation list.

    The lists are `ava_{train,val}_v2.2.csv`, `ava_{train,val}_excluded_timestamps_v2.2.csv` and
    `ava_action_list_v2.2_for_activitynet_2019.pbtxt`, in `root/annotations` or in `root`. Films are
    `<film>.<suffix>`: cut from 900 s to 1801 s in `root/videos_15min`, as the preparation of
    SlowFast does it, or complete in `root/videos`; the cut one counts where both are there.

    Checked on the real action and excluded lists, and on the first lines of the validation list;
    the numbers of films, 235 to train on and 64 to validate on, are those of the page of the
    ActivityNet challenge 2018, about v2.1; that v2.2 has the same films is known from memory. The
    number of persons is not published, so that films are counted.

    Args:
        root: the folder of the data set.
        fold: 1; there is one.

    Raises:
        InputError: the folder or a list is missing, a list is malformed, a timestamp is not one of
            AVA's, an action is unknown, or a person has two boxes at a key frame.
    """
    del fold
    root = require_folder(root, what="ava", remedy=REMEDY)
    actions = _read_actions(ava_list_folder(root))
    train, test = (read_ava_samples(ava_list_folder(root), part) for part in PARTS)
    return Listing(
        "ava v2.2 val",
        tuple(actions.values()),
        train=VideoTable(train.videos(root), num_classes=len(actions)),
        val=VideoTable(num_classes=len(actions)),
        test=VideoTable(test.videos(root), num_classes=len(actions)),
        multi_label=True,
        left_out={"train": train.left_out, "test": test.left_out},
        left_out_kind="boxes at excluded timestamps",
        unit="ground truth boxes",
    )


def read_key_frames(root: str | Path, part: str = "val") -> KeyFrameBoxes:
    """Return the boxes of all samples of a part, whether or not the disk has their films.

    Args:
        root: the folder of the data set, or that of its lists.
        part: one of `PARTS`.

    Raises:
        InputError: as `list_ava`.
    """
    return read_ava_samples(ava_list_folder(root), part).key_frames()


@dataclass(frozen=True, eq=False)
class AvaSamples:
    """Persons at key frames."""

    films: list[str]
    """N."""
    seconds: np.ndarray
    """(N,) float64, timestamps in the full film."""
    frames: np.ndarray
    """(N,) int64, a number for each film and timestamp."""
    persons: np.ndarray
    """(N,) int64."""
    boxes: np.ndarray
    """(N, 4) float64."""
    labels: np.ndarray
    """(L,) int64."""
    label_ends: np.ndarray
    """(N + 1,) int64, places in `labels`."""
    left_out: int
    """Samples at excluded timestamps."""
    prefix: str = ""
    """What the number of a person begins with, in the names."""

    def names(self) -> list[str]:
        """Return `<film>/<timestamp>/<person>` of each sample."""
        rows = zip(self.films, self.seconds.tolist(), self.persons.tolist(), strict=True)
        return [
            f"{film}/{timestamp_text(second)}/{self.prefix}{person}"
            for film, second, person in rows
        ]

    def key_frames(self) -> KeyFrameBoxes:
        """Return the boxes of the samples with their actions."""
        return KeyFrameBoxes(
            self.names(),
            self.films,
            torch.from_numpy(self.frames),
            torch.from_numpy(self.boxes),
            torch.repeat_interleave(torch.from_numpy(np.diff(self.label_ends))),
            torch.from_numpy(self.labels),
        )

    def videos(self, root: Path) -> Iterator[Video]:
        """Yield a slice of the film for each sample, whether or not the disk has it."""
        films = _find_films(root)
        known = {
            film: films.get(film, (root / FULL / f"{film}.mp4", 0.0))
            for film in dict.fromkeys(self.films)
        }  # a path for each film, not for each of many samples
        labels, ends = self.labels.tolist(), self.label_ends.tolist()
        rows = zip(self.names(), self.films, self.seconds.tolist(), strict=True)
        for row, (name, film, second) in enumerate(rows):
            path, start = known[film]
            middle, target = second - start, tuple(labels[ends[row] : ends[row + 1]])
            yield Video(
                name, path, target, film, middle - SLICE_SECONDS / 2, middle + SLICE_SECONDS / 2
            )


def ava_list_folder(root: str | Path) -> Path:
    """Return the folder of the lists.

    Raises:
        InputError: there is no such root.
    """
    return subfolder(require_folder(root, what="ava", remedy=REMEDY), LISTS)


def _list(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise InputError(f"ava: there is no {name} in {folder}; {REMEDY}")
    return folder / name


def _read_actions(folder: Path) -> dict[int, str]:
    return read_ava_actions(_list(folder, ACTIONS))


def read_ava_samples(folder: Path, part: str) -> AvaSamples:
    """Read the annotated persons of a part.

    Args:
        folder: of the lists.
        part: one of `PARTS`.

    Raises:
        InputError: as `list_ava`.
    """
    actions = _read_actions(folder)
    path = _list(folder, BOXES.format(part=part))
    lines = read_ava_columns(path)
    require_ava_seconds(lines.videos, lines.seconds, path)
    _require_known(lines, path)
    films = dict.fromkeys(lines.videos)
    numbers = {safe_name(film, where=str(path)): number for number, film in enumerate(films)}
    film = np.array([numbers[one] for one in lines.videos], dtype=np.int64)
    seconds = lines.seconds.astype(np.int64)
    frames = FRAMES_OF_FILM * film + seconds
    people, person = np.unique(lines.persons, return_inverse=True)
    _, first, sample = np.unique(
        frames * len(people) + person, return_index=True, return_inverse=True
    )
    _require_one_box(lines, first, sample, path)
    left_out = are_excluded(frames[first], numbers, folder, part)
    place = np.cumsum(~left_out) - 1  # of each sample among those that stay
    index = np.full(NUM_ACTIONS + 1, -1)
    index[list(actions)] = range(len(actions))
    label = index[lines.actions]
    used = (label >= 0) & ~left_out[sample]
    pairs = np.unique(place[sample[used]] * len(actions) + label[used])
    first = first[~left_out]
    counts = np.bincount(pairs // len(actions), minlength=len(first))
    return AvaSamples(
        [lines.videos[row] for row in first],
        lines.seconds[first],
        frames[first],
        lines.persons[first],
        lines.boxes[first],
        pairs % len(actions),
        np.concatenate([[0], counts.cumsum()]),
        int(left_out.sum()),
    )


def are_excluded(
    frames: np.ndarray, numbers: Mapping[str, int], folder: Path, part: str
) -> np.ndarray:
    """Return which of the frames (N,) are at excluded timestamps, (N,) bool.

    Args:
        frames: as `AvaSamples.frames`.
        numbers: of the films.
        folder: of the lists.
        part: one of `PARTS`.

    Raises:
        InputError: the list of these timestamps is missing or malformed.
    """
    excluded = read_ava_excluded(_list(folder, EXCLUDED.format(part=part)))
    return np.isin(
        frames, [FRAMES_OF_FILM * numbers[one] + when for one, when in excluded if one in numbers]
    )


def require_ava_seconds(films: Sequence[str], seconds: np.ndarray, path: Path) -> None:
    """Check the timestamps (M,) of a list.

    Raises:
        InputError: one is none of AVA's.
    """
    wrong = (seconds < FIRST_SECOND) | (seconds > LAST_SECOND) | (seconds != seconds.round())
    for row in wrong.nonzero()[0][:1]:
        raise InputError(
            f"{path}: the timestamp {seconds[row]:g} of {films[row]} is outside of the "
            f"film's annotated part, whole seconds from {FIRST_SECOND} to {LAST_SECOND}; {REMEDY}"
        )


def _require_known(lines: AvaColumns, path: Path) -> None:
    actions = lines.actions
    for row in (actions > NUM_ACTIONS).nonzero()[0][:1]:
        raise InputError(
            f"{path}: {_where(lines, row)} has the unknown action {actions[row]}, AVA's are 1 to "
            f"{NUM_ACTIONS}; {REMEDY}"
        )


def _require_one_box(lines: AvaColumns, first: np.ndarray, sample: np.ndarray, path: Path) -> None:
    moved = (lines.boxes != lines.boxes[first][sample]).any(1)
    for row in moved.nonzero()[0][:1]:
        raise InputError(
            f"{path}: {_where(lines, row)} has two different boxes, "
            f"{lines.boxes[first[sample[row]]].tolist()} and {lines.boxes[row].tolist()}"
        )


def _where(lines: AvaColumns, row: int) -> str:
    second = timestamp_text(float(lines.seconds[row]))
    return f"person {lines.persons[row]} of {lines.videos[row]} at {second} s"


def _find_films(root: Path) -> dict[str, tuple[Path, float]]:
    """Return the file of each film, and the time of its first frame in the full film."""
    full, cut = (files_by_stem(root / folder) for folder in (FULL, CUT))
    return {
        **{film: (path, 0.0) for film, path in full.items()},
        **{film: (path, CUT_START) for film, path in cut.items()},
    }
