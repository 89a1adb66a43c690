"""UTD-MHAD's videos: 27 actions of eight people, split by person (Chen et al. 2015)."""

import re
from itertools import product
from pathlib import Path

from stn_action.data.datasets.named_files import read_file_names, subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable

CLASSES = (
    "right arm swipe to the left", "right arm swipe to the right", "right hand wave",
    "two hand front clap", "right arm throw", "cross arms in the chest", "basketball shoot",
    "right hand draw x", "right hand draw circle (clockwise)",
    "right hand draw circle (counter clockwise)", "draw triangle", "bowling (right hand)",
    "front boxing", "baseball swing from right", "tennis right hand forehand swing",
    "arm curl (two arms)", "tennis serve", "two hand push", "right hand knock on door",
    "right hand catch an object", "right hand pick up and throw", "jogging in place",
    "walking in place", "sit to stand", "stand to sit", "forward lunge (left foot forward)",
    "squat (two arms stretch out)",
)  # fmt: skip
"""In the order of the numbers in file names, from `a1`."""
SUBJECTS, REPETITIONS = 8, 4
CORRUPTED = ("a8_s1_t4", "a23_s6_t4", "a27_s8_t4")
"""Sequences that the authors left out."""
VIDEOS = "RGB"
_STEM = re.compile(rf"(a([1-9]\d?)_s[1-{SUBJECTS}]_t[1-{REPETITIONS}])_color")
REMEDY = (
    "get RGB.zip from https://personal.utdallas.edu/~kehtar/UTD-MHAD.html and unpack it as "
    f"{VIDEOS}/a<action>_s<subject>_t<repetition>_color.avi of data.root"
)


def list_utd_mhad(root: str | Path, fold: int = 1) -> Listing:
    """List the 861 videos of the protocol by person: odd subjects to train on, even ones to test.

    Each of eight people shows each action four times; of these 864 sequences the authors left three
    out. As there is no list, the names are those of this scheme. A group is a person. Some classes
    mirror another one (swipes, circles): clips must not be mirrored. Names, classes and numbers are
    those that the authors' page gives, as others quote it; no file was at hand.

    Args:
        root: the folder of `RGB/a<action>_s<subject>_t<repetition>_color.avi`, or of the videos;
            re-encoded videos may have another suffix.
        fold: 1; there is one.

    Raises:
        InputError: the folder is missing, or holds a video that is not named so.
    """
    del fold
    root = require_folder(root, what="utd_mhad", remedy=REMEDY)
    folder = subfolder(root, VIDEOS)
    files = {
        name: path
        for path, name in read_file_names(
            folder, _read_name, expected="videos a<1-27>_s<1-8>_t<1-4>_color.avi",
            name="utd_mhad", remedy=REMEDY, may_be_empty=True,
        )
    }  # fmt: skip
    parts: tuple[list[Video], list[Video]] = ([], [])
    for label, subject, repetition in product(
        range(len(CLASSES)), range(1, SUBJECTS + 1), range(1, REPETITIONS + 1)
    ):
        name = f"a{label + 1}_s{subject}_t{repetition}"
        if name not in CORRUPTED:
            file = files.get(name, folder / f"{name}_color.avi")
            parts[(subject + 1) % 2].append(Video(name, file, label, f"s{subject}"))
    train, test = map(VideoTable, parts)
    return Listing("utd_mhad", CLASSES, train, VideoTable(), test)


def _read_name(stem: str) -> str | None:
    match = _STEM.fullmatch(stem)
    return match[1] if match and int(match[2]) <= len(CLASSES) else None
