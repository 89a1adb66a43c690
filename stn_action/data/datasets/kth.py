"""KTH's actions: 25 people in four scenes, split by person (Schuldt, Laptev and Caputo 2004)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from stn_action.data.datasets.list_file import read_list_lines, read_span
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

CLASSES = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
LIST = "00sequences.txt"
FPS = 25
PEOPLE = {
    "train": (11, 12, 13, 14, 15, 16, 17, 18),
    "val": (19, 20, 21, 23, 24, 25, 1, 4),
    "test": (22, 2, 3, 5, 6, 7, 8, 9, 10),
}
"""As the head of `00sequences.txt` has them."""
REMEDY = (
    f"get the six archives and {LIST} from https://www.csc.kth.se/cvap/actions/ and unpack them as "
    f"<class>/person<NN>_<class>_d<N>_uncomp.avi of data.root, with {LIST} beside them"
)
_LINE = re.compile(
    rf"(?P<stem>person(?P<person>\d\d)_(?P<action>{'|'.join(CLASSES)})_d[1-4])\s+"
    r"(?:frames\s+(?P<spans>.+)|\*missing\*)"
)


def list_kth(root: str | Path, fold: int = 1) -> Listing:
    """List the sequences of the official split by person: 8 to train on, 8 to validate, 9 to test.

    The samples are the 2391 sequences into which `00sequences.txt` cuts the 599 videos, most of
    them into four: the paper counts and classifies these, and so do most after it (863 to test
    on); in jogging, running and walking the frames between are empty. A sequence is a slice of its
    video: frames a to b, counted from 1, are the seconds (a - 1)/25 to b/25. Some sequences of a
    video overlap. Many papers train on the 16 people of both other parts; here 8 of these choose
    the checkpoint, as in the first paper. person13_handclapping_d3 is missing from the data set.
    The form and numbers are those of the official list, as copied in a public repository.

    Args:
        root: the folder of `00sequences.txt` and of the videos, or of their class folders;
            `_uncomp` may be left out of the names, and re-encoded videos may have another suffix.
        fold: 1; there is one.

    Raises:
        InputError: the folder or the list is missing, or the list is malformed.
    """
    del fold
    root = require_folder(root, what="kth", remedy=REMEDY)
    files = {folder: files_by_stem(root / folder) for folder in ("", *CLASSES)}
    part_of = {person: part for part, people in PEOPLE.items() for person in people}
    videos: dict[str, list[Video]] = {part: [] for part in PEOPLE}
    for video in _sequences(root / LIST, files, root):
        videos[part_of[int(video.group.removeprefix("person"))]].append(video)
    train, val, test = (VideoTable(videos[part]) for part in PEOPLE)
    return Listing("kth", CLASSES, train, val, test, unit="sequences")


def _sequences(path: Path, files: Mapping[str, Mapping[str, Path]], root: Path) -> Iterator[Video]:
    for line in read_list_lines(path, remedy=REMEDY):
        if not re.search(r"person\d+_", line):  # the head
            continue
        match = _LINE.fullmatch(line)
        if match is None or not 1 <= int(match["person"]) <= 25:
            raise InputError(
                f"{path}: expected 'person<01-25>_<class>_d<1-4> frames <first>-<last>, ...' or "
                f"'... *missing*', got {line!r}"
            )
        stem, action = match["stem"], match["action"]
        names = [f"{stem}_uncomp", stem]
        found = [files[folder].get(name) for folder in (action, "") for name in names]
        default = root / action / f"{names[0]}.avi"
        file = next((path for path in found if path is not None), default)
        for number, span in enumerate(filter(None, (match["spans"] or "").split(",")), start=1):
            first, _, last = span.strip().partition("-")
            start, end = read_span(first, last, where=f"{path}, {stem}")
            if start == 0:
                raise InputError(f"{path}, {stem}: frames are counted from 1, got {span.strip()!r}")
            yield Video(
                f"{action}/{stem}_{number}",
                file,
                CLASSES.index(action),
                f"person{match['person']}",
                (start - 1) / FPS,
                end / FPS,
            )
