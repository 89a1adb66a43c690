"""Toyota Smarthome, trimmed: activities of daily living, by three protocols (Das et al. 2019)."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stn_action.data.datasets.list_file import labels_by_name
from stn_action.data.datasets.named_files import read_file_names, subfolder
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_table import Video, VideoTable

CLASSES = (
    "Cook.Cleandishes", "Cook.Cleanup", "Cook.Cut", "Cook.Stir", "Cook.Usestove", "Cutbread",
    "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass", "Eat.Attable",
    "Eat.Snack", "Enter", "Getup", "Laydown", "Leave", "Makecoffee.Pourgrains",
    "Makecoffee.Pourwater", "Maketea.Boilwater", "Maketea.Insertteabag", "Pour.Frombottle",
    "Pour.Fromcan", "Pour.Fromkettle", "Readbook", "Sitdown", "Takepills", "Uselaptop",
    "Usetablet", "Usetelephone", "Walk", "WatchTV",
)  # fmt: skip
CROSS_VIEW_CLASSES = (
    "Cutbread", "Drink.Frombottle", "Drink.Fromcan", "Drink.Fromcup", "Drink.Fromglass",
    "Eat.Attable", "Eat.Snack", "Enter", "Getup", "Leave", "Pour.Frombottle", "Pour.Fromcan",
    "Readbook", "Sitdown", "Takepills", "Uselaptop", "Usetablet", "Usetelephone", "Walk",
)  # fmt: skip
TRAINING_PEOPLE = (3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25)
VIDEOS = "mp4"
REMEDY = (
    "ask for access at https://project.inria.fr/toyotasmarthome/, get the trimmed videos and "
    f"unpack them as {VIDEOS}/<class>_p<NN>_r<NN>_v<NN>_c<NN>.mp4 of data.root"
)
_STEM = re.compile(r"(?P<action>[A-Za-z.]+)_p(?P<person>\d\d)_r\d\d_[a-z]?\d\d_c(?P<camera>\d\d)")


class SmarthomeProtocol(NamedTuple):
    """How the clips are split."""

    classes: tuple[str, ...]
    """Clips of others are passed over."""
    part: Callable[[int, int], str | None]
    """Numbers of person and camera to train, val or test; None: the protocol skips the clip."""
    group_has_part: bool
    """People are in several parts on purpose; a group is a person in one part."""


def _by_person(person: int, camera: int) -> str:
    del camera
    return "train" if person in TRAINING_PEOPLE else "test"


def _by_camera(training: tuple[int, ...]) -> Callable[[int, int], str | None]:
    parts = {**dict.fromkeys(training, "train"), 5: "val", 2: "test"}
    return lambda person, camera: parts.get(camera)


PROTOCOLS = {
    "smarthome_xsub": SmarthomeProtocol(CLASSES, _by_person, group_has_part=False),
    "smarthome_xview1": SmarthomeProtocol(
        CROSS_VIEW_CLASSES, _by_camera((1,)), group_has_part=True
    ),
    "smarthome_xview2": SmarthomeProtocol(
        CROSS_VIEW_CLASSES, _by_camera((1, 3, 4, 6, 7)), group_has_part=True
    ),
}
"""By the names of their data sets: a data set each, as `data.fold=all` would pool their tests.

Cross-subject trains on 11 of 18 people. The cross-view protocols train on camera 1, or on 1, 3, 4,
6 and 7, choose the checkpoint on camera 5 and test on camera 2.
"""


def list_smarthome(root: str | Path, fold: int = 1, *, name: str) -> Listing:
    """List the clips of one protocol, told by the names of the files.

    `Cook.Cleandishes_p02_r00_v02_c03.mp4` is a class, person 2 and camera 3. The results of others
    are means over classes, since some classes have many more clips than others.

    Scheme, classes and protocols are those of the authors' and several other public loaders, which
    agree; no video was at hand. How many clips a part has is not published: a download that lacks
    some is not noticed. The authors' list of validation clips of the cross-subject protocol is not
    used: `data.val_share` holds people out.

    Args:
        root: the folder of `mp4/`, or of the clips; re-encoded ones may have another suffix.
        fold: 1; there is one.
        name: a key of `PROTOCOLS`.

    Raises:
        InputError: the folder is missing, holds no clip, or one that is not named so.
    """
    del fold
    protocol = PROTOCOLS[name]
    root = require_folder(root, what=name, remedy=REMEDY)
    folder = subfolder(root, VIDEOS)
    labels = labels_by_name(protocol.classes)
    parts: dict[str, list[Video]] = {"train": [], "val": [], "test": []}
    form = f"clips <class>_p<NN>_r<NN>_v<NN>_c<NN>.mp4 of {len(CLASSES)} classes"
    for path, match in read_file_names(folder, _read_name, expected=form, name=name, remedy=REMEDY):
        part = protocol.part(int(match["person"]), int(match["camera"]))
        if part is not None and match["action"] in labels:
            group = f"p{match['person']}{f' {part}' if protocol.group_has_part else ''}"
            parts[part].append(Video(match[0], path, labels[match["action"]], group))
    train, val, test = map(VideoTable, parts.values())
    return Listing(name, protocol.classes, train, val, test)


def _read_name(stem: str) -> re.Match[str] | None:
    match = _STEM.fullmatch(stem)
    return match if match and match["action"] in CLASSES else None
