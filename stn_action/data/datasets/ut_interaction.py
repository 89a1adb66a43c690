"""UT-Interaction, segmented: leave one sequence out (SDHA 2010; Ryoo and Aggarwal 2009).

Set 1 is the sequences 1 to 10, set 2 the sequences 11 to 20; a folder holds one of them.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from stn_action.data.listing import NAMES_SHOWN, Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

CLASSES = ("handshake", "hug", "kick", "point", "punch", "push")
NUM_SEQUENCES = 10
"""Of each set."""
CLIPS_OF_SEQUENCE = {
    1: dict.fromkeys(range(1, 11), 6) | {6: 5, 8: 7},
    2: dict.fromkeys(range(11, 21), 6),
}
"""By set. Sequence 6 has no punch, sequence 8 has two."""
REMEDY = (
    "get ut-interaction_set1 or set2 (segmented) of the SDHA 2010 challenge from "
    "https://cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html and give its folder as data.root"
)
_STEM = re.compile(r"(?P<id>\d+)_(?P<sequence>\d+)_(?P<label>[0-5])")


def list_ut_interaction(root: str | Path, fold: int) -> Listing:
    """List the 60 clips of the set that the folder holds, and hold one sequence out.

    Args:
        root: the folder of `<id>_<sequence>_<class>.avi`; re-encoded, they may have another suffix.
        fold: the sequence to test on, 1 to 10, counted from the first one of the set: in set 2
            sequence 10 + `fold`; the other nine are trained on.

    Raises:
        InputError: the folder is missing, or its files are not the official 60 clips of one set.
    """
    root = require_folder(root, what="ut_interaction", remedy=REMEDY)
    videos = _read_videos(root)
    set_number = _require_one_set(videos, root)
    held_out = str(fold + NUM_SEQUENCES * (set_number - 1))
    return Listing(
        listing_name(set_number, held_out),
        CLASSES,
        train=VideoTable(video for video in videos if video.group != held_out),
        val=VideoTable(),
        test=VideoTable(video for video in videos if video.group == held_out),
        dataset=f"ut_interaction set {set_number}",
    )


def listing_name(set_number: int, sequence: int | str) -> str:
    """Return the name of the listing that holds a sequence out.

    >>> listing_name(2, 11)
    'ut_interaction set 2, sequence 11 held out'
    """
    return f"ut_interaction set {set_number}, sequence {sequence} held out"


def _read_videos(root: Path) -> list[Video]:
    clips = files_by_stem(root)
    strange = sorted(path.name for stem, path in clips.items() if not _STEM.fullmatch(stem))
    if strange:
        raise InputError(
            f"ut_interaction: {root} holds {len(strange)} files that are not named "
            f"<id>_<sequence>_<class 0-5>.avi: {', '.join(strange[:NAMES_SHOWN])}; {REMEDY}"
        )
    videos = [_parse(path) for path in clips.values()]
    videos.sort(key=lambda video: int(video.name.split("_")[0]))
    return videos


def _require_one_set(videos: Sequence[Video], root: Path) -> int:
    """Return the number of the set that the clips are.

    Raises:
        InputError: they are of both sets, or not all of one.
    """
    found = Counter(int(video.group) for video in videos)
    first = [video for video in videos if int(video.group) <= NUM_SEQUENCES]
    if videos and 0 < len(first) < len(videos):
        second = next(video for video in videos if int(video.group) > NUM_SEQUENCES)
        raise InputError(
            f"ut_interaction: {root} holds clips of both sets: {len(first)} of set 1 "
            f"({first[0].path.name}) and {len(videos) - len(first)} of set 2 "
            f"({second.path.name}); give each set a folder of its own"
        )
    number = 2 if videos and not first else 1
    expected = CLIPS_OF_SEQUENCE[number]
    if found != expected:
        raise InputError(
            f"ut_interaction: {root} holds {len(videos)} clips of {len(found)} sequences, expected "
            f"the {sum(expected.values())} clips of {NUM_SEQUENCES} sequences of set {number}"
            f"{_first_difference(found, expected)}; {REMEDY}"
        )
    return number


def _parse(path: Path) -> Video:
    match = _STEM.fullmatch(path.stem)
    assert match is not None
    return Video(path.stem, path, int(match["label"]), str(int(match["sequence"])))


def _first_difference(found: Counter[int], expected: Mapping[int, int]) -> str:
    for sequence in sorted(expected.keys() | found.keys()):
        number = expected.get(sequence, 0)
        if found[sequence] != number:
            return f" (sequence {sequence}: {found[sequence]} instead of {number})"
    return ""
