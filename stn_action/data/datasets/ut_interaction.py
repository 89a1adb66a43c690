"""UT-Interaction, segmented set 1: leave one sequence out (SDHA 2010; Ryoo and Aggarwal 2009)."""

import re
from collections import Counter
from pathlib import Path

from stn_action.data.listing import NAMES_SHOWN, Listing, require_folder
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import has_video_suffix

CLASSES = ("handshake", "hug", "kick", "point", "punch", "push")
NUM_SEQUENCES = 10
CLIPS_OF_SEQUENCE = dict.fromkeys(range(1, NUM_SEQUENCES + 1), 6) | {6: 5, 8: 7}
"""Sequence 6 has no punch, sequence 8 has two."""
REMEDY = (
    "get ut-interaction_set1 (segmented) of the SDHA 2010 challenge from "
    "https://cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html and give its folder as data.root"
)
_STEM = re.compile(r"(?P<id>\d+)_(?P<sequence>\d+)_(?P<label>[0-5])")


def list_ut_interaction(root: str | Path, fold: int) -> Listing:
    """List the 60 clips and hold one sequence out.

    Args:
        root: the folder of `<id>_<sequence>_<class>.avi`; re-encoded, they may have another suffix.
        fold: the sequence to test on, 1 to 10; the other nine are trained on.

    Raises:
        InputError: the folder is missing, or its files are not the official 60 clips of set 1.
    """
    root = require_folder(root, what="ut_interaction", remedy=REMEDY)
    videos = _read_videos(root)
    held_out = str(fold)
    return Listing(
        f"ut_interaction set 1, sequence {fold} held out",
        CLASSES,
        train=VideoTable(video for video in videos if video.group != held_out),
        val=VideoTable(),
        test=VideoTable(video for video in videos if video.group == held_out),
    )


def _read_videos(root: Path) -> list[Video]:
    paths = sorted(path for path in root.glob("[!.]*") if has_video_suffix(path))
    strange = [path.name for path in paths if not _STEM.fullmatch(path.stem)]
    if strange:
        raise InputError(
            f"ut_interaction: {root} holds {len(strange)} files that are not named "
            f"<id>_<sequence>_<class 0-5>.avi: {', '.join(strange[:NAMES_SHOWN])}; {REMEDY}"
        )
    videos = [_parse(path) for path in paths]
    videos.sort(key=lambda video: int(video.name.split("_")[0]))
    found = Counter(int(video.group) for video in videos)
    if found != CLIPS_OF_SEQUENCE:
        raise InputError(
            f"ut_interaction: {root} holds {len(videos)} clips of {len(found)} sequences, expected "
            f"the {sum(CLIPS_OF_SEQUENCE.values())} clips of {NUM_SEQUENCES} sequences of set 1"
            f"{_first_difference(found)}; {REMEDY}"
        )
    return videos


def _parse(path: Path) -> Video:
    match = _STEM.fullmatch(path.stem)
    assert match is not None
    return Video(path.stem, path, int(match["label"]), str(int(match["sequence"])))


def _first_difference(found: Counter[int]) -> str:
    for sequence in sorted(CLIPS_OF_SEQUENCE.keys() | found.keys()):
        expected = CLIPS_OF_SEQUENCE.get(sequence, 0)
        if found[sequence] != expected:
            return f" (sequence {sequence}: {found[sequence]} instead of {expected})"
    return ""
