"""UCF101-24: the tubes of people in 24 classes of UCF101, a sample each (Singh et al. 2017)."""

import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from stn_action.data.datasets.list_file import read_list_lines
from stn_action.data.datasets.ucf101 import find_class_video, video_folders
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.person.formats.ucf101_24 import CLASSES, read_ucf101_24_tubes
from stn_action.person.video_people import VideoPeople

BOXES, TEST_LIST = ("pyannot.pkl", "pyannot_with_class_names.pkl"), "testlist01.txt"
LIST_FOLDERS = ("annotations", "splitfiles", "ucfTrainTestlist")
FRAMES = "rgb-images"
REMEDY = (
    "get pyannot.pkl of https://github.com/gurkirt/corrected-UCF101-Annots, testlist01.txt of "
    "UCF101TrainTestSplits-RecognitionTask.zip and UCF101.rar, both of "
    "https://www.crcv.ucf.edu/data/UCF101.php, and unpack them in data.root: lists in annotations, "
    "videos in UCF-101/<class>"
)
_NAME = r"(?P<action>\w+)/v_\w+_(?P<group>g\d\d)_c\d\d"


def list_ucf101_24(root: str | Path, fold: int = 1) -> Listing:
    """List the tubes of all annotated videos, of those in the first official test list to test on.

    A sample is the tube of one person, called `<class>/<video>/<number>`, in all of its video. Its
    clips show the frames of the tube, if `convert_people --from ucf101_24_tubes` has written its
    boxes and `data.tubes.select` is `all`; without boxes they are cut from all of the video. It is
    not a slice in seconds, as tubes are given in frames, and not all videos have one frame rate.

    The boxes are `pyannot.pkl` of corrected-UCF101-Annots, 4458 tubes in 3194 of the 3207 videos of
    these classes; the others have none and are not used. Videos that are not in the test list are
    trained on: of the 3194, 910 are in UCF101's first test list, and all others in its first
    training list. Boxes and list are in `root` or one of `LIST_FOLDERS`. Checked on the real files.
    The list may be that of all 101 classes, with or without `.avi`.

    Videos are where those of UCF101 are, or folders of frames `rgb-images/<class>/<video>`, as
    several public repositories of detectors have them (known from their instructions).

    Args:
        root: the folder of the data set.
        fold: 1; published results are of the first split.

    Raises:
        InputError: the folder or a file is missing, damaged or malformed, the list names a video
            twice, or none of its videos has boxes.
    """
    del fold
    root = require_folder(root, what="ucf101_24", remedy=REMEDY)
    boxes, test_list = _find(root, BOXES), _find(root, (TEST_LIST,))
    tested = _read_tested(test_list)
    people = sorted(read_ucf101_24_tubes(boxes), key=lambda one: one.name)
    videos = list(_videos(people, root, boxes))
    train, test = (
        VideoTable(video for video in videos if (_video_of(video.name) in tested) == is_test)
        for is_test in (False, True)
    )
    if not test:
        raise InputError(
            f"{test_list}: none of its {len(tested)} videos of the {len(CLASSES)} classes is in "
            f"{boxes}; {REMEDY}"
        )
    return Listing("ucf101_24 split 1", CLASSES, train, VideoTable(), test, unit="tubes")


def _find(root: Path, names: Collection[str]) -> Path:
    for path in (root / folder / name for folder in ("", *LIST_FOLDERS) for name in names):
        if path.is_file():
            return path
    raise InputError(
        f"ucf101_24: there is no {' or '.join(names)} in {root} or its {', '.join(LIST_FOLDERS)}; "
        f"{REMEDY}"
    )


def _read_tested(path: Path) -> set[str]:
    """Return the videos of the 24 classes in a list."""
    tested: set[str] = set()
    for line in read_list_lines(path, remedy=REMEDY):
        match = re.fullmatch(rf"({_NAME})(\.avi)?( \d+)?", line)
        if match is None:
            raise InputError(f"{path}: expected '<class>/v_<class>_gNN_cNN[.avi]', got {line!r}")
        if match[1] in tested:
            raise InputError(f"{path}: {match[1]} is listed twice; {REMEDY}")
        if match["action"] in CLASSES:
            tested.add(match[1])
    return tested


def _videos(people: Collection[VideoPeople], root: Path, boxes: Path) -> Iterator[Video]:
    folders = [*video_folders(root), *([root / FRAMES] if (root / FRAMES).is_dir() else [])]
    files_in = cache(files_by_stem)
    for one in people:
        name, labels = _video_of(one.name), one.labels
        match = re.fullmatch(_NAME, name)
        if match is None or labels != (match["action"],):
            raise InputError(
                f"{boxes}: expected videos '<class>/v_<class>_gNN_cNN' with tubes of their class, "
                f"got {name!r} with {labels[0]}; {REMEDY}"
            )
        action = match["action"]
        path = find_class_video(folders, action, Path(name).name, files_in)
        yield Video(one.name, path, CLASSES.index(action), f"{action}_{match['group']}")


def _video_of(name: str) -> str:
    """Return the video of a tube."""
    return name.rpartition("/")[0]
