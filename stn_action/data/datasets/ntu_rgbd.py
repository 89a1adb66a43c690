"""NTU RGB+D, 60 and 120 actions, by its four official protocols (Shahroudy 2016, Liu 2019)."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stn_action.data.datasets.named_files import read_file_names, subfolder
from stn_action.data.datasets.ntu_classes import CLASSES
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable

VIDEOS = "nturgb+d_rgb"
TRAINING_CAMERAS = (2, 3)
TRAINING_SUBJECTS_60 = (
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38,
)  # fmt: skip
TRAINING_SUBJECTS_120 = (
    *TRAINING_SUBJECTS_60, 45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81,
    82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
)  # fmt: skip
REMEDY = (
    "ask for access at https://rose1.ntu.edu.sg/dataset/actionRecognition/, get the archives of "
    f"RGB videos and unpack them as {VIDEOS}/S<NNN>C<NNN>P<NNN>R<NNN>A<NNN>_rgb.avi of data.root"
)
_STEM = re.compile(r"(S(\d{3})C(\d{3})P(\d{3})R\d{3}A(\d{3}))_rgb")


class NtuSample(NamedTuple):
    """What the name of a file tells; numbers are counted from 1."""

    name: str
    setup: int
    camera: int
    person: int
    action: int


class NtuProtocol(NamedTuple):
    """How the samples are split."""

    actions: int
    """The first 60, or all 120."""
    is_training: Callable[[NtuSample], bool]
    group: Callable[[NtuSample], str]
    """A sample's group, of which the training and the test part share none."""


PROTOCOLS = {
    "ntu60_xsub": NtuProtocol(
        60,
        lambda sample: sample.person in TRAINING_SUBJECTS_60,
        lambda sample: f"P{sample.person:03}",
    ),
    "ntu60_xview": NtuProtocol(
        60,
        lambda sample: sample.camera in TRAINING_CAMERAS,
        lambda sample: f"P{sample.person:03} {'2 3' if sample.camera in TRAINING_CAMERAS else '1'}",
    ),
    "ntu120_xsub": NtuProtocol(
        120,
        lambda sample: sample.person in TRAINING_SUBJECTS_120,
        lambda sample: f"P{sample.person:03}",
    ),
    "ntu120_xset": NtuProtocol(
        120,
        lambda sample: sample.setup % 2 == 0,
        lambda sample: f"S{sample.setup:03}",
    ),
}
"""By the names of their data sets: a data set each, as `data.fold=all` would pool their tests.

Cross-subject (xsub) holds people out and a group is a person. Cross-view (xview) holds camera 1
out, which sees the same performances as both others: people and places are in both parts on
purpose, and a group is a person before the cameras of one part, so that a validation part, too, has
people of its own. Cross-setup (xset) holds places and distances out and a group is a setup; people
are in both parts on purpose.
"""


def list_ntu_rgbd(root: str | Path, fold: int = 1, *, name: str) -> Listing:
    """List the videos of one protocol, told by the names of the files.

    There is no list of the videos: `S001C002P003R002A013_rgb.avi` is setup 1, camera 2, person 3,
    repetition 2 and action 13. Setups 1 to 17 show the 60 actions of the first release, 18 to 32
    those of the second, which the protocols of the first pass over. The lists of samples with
    missing skeletons do not concern videos, so that the parts are larger than in papers on
    skeletons: of 120 actions 63,360 and not 63,026 (xsub) or 54,720 and not 54,468 (xset) to train
    on. These are the numbers of such papers and of the samples in the authors' list.

    Scheme, classes and totals are those of the authors' repository (shahroudy/NTURGB-D), the
    training people those of public preparation scripts; no video was at hand.

    Args:
        root: the folder of `nturgb+d_rgb/`, or of the videos; re-encoded ones may have another
            suffix.
        fold: 1; there is one.
        name: a key of `PROTOCOLS`.

    Raises:
        InputError: the folder is missing, holds no video, or one that is not named so.
    """
    del fold
    protocol = PROTOCOLS[name]
    root = require_folder(root, what=name, remedy=REMEDY)
    folder = subfolder(root, VIDEOS)
    parts: dict[bool, list[Video]] = {True: [], False: []}
    form = f"videos S<NNN>C<NNN>P<NNN>R<NNN>A<001-{len(CLASSES)}>_rgb.avi"
    for path, sample in read_file_names(
        folder, _read_name, expected=form, name=name, remedy=REMEDY
    ):
        if sample.action <= protocol.actions:
            video = Video(sample.name, path, sample.action - 1, protocol.group(sample))
            parts[protocol.is_training(sample)].append(video)
    train, test = VideoTable(parts[True]), VideoTable(parts[False])
    return Listing(name, CLASSES[: protocol.actions], train, VideoTable(), test)


def _read_name(stem: str) -> NtuSample | None:
    match = _STEM.fullmatch(stem)
    if match is None or not 1 <= int(match[5]) <= len(CLASSES):
        return None
    setup, camera, person, action = map(int, match.groups()[1:])
    return NtuSample(match[1], setup, camera, person, action)
