"""Weizmann's actions: leave one person out (Gorelick et al. 2007)."""

import re
from pathlib import Path

from stn_action.data.datasets.list_file import first_names
from stn_action.data.datasets.named_files import subfolder
from stn_action.data.listing import NAMES_SHOWN, Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

CLASSES = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
PEOPLE = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")
VIDEOS = "videos"
REMEDY = (
    "get the ten archives of classification_database from "
    "https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html and unpack them as "
    f"{VIDEOS}/<class>/<person>_<class>.avi of data.root; of lena's two clips of run, skip and "
    "walk the 90 that are used as a rule hold one, all 93 need data.official=false"
)


def list_weizmann(root: str | Path, fold: int) -> Listing:
    """List the 90 clips and hold one person out.

    Args:
        root: the folder of `videos/<class>/<person>_<class>.avi`, or of the class folders; digits
            may follow the class, and re-encoded clips may have another suffix.
        fold: number of the person to test on, in the order of their names, 1 to 9; the other eight
            are trained on.

    Raises:
        InputError: the folder or that of a class is missing, or a file is not named like a clip, or
            a folder of clips not like a class.
    """
    root = require_folder(root, what="weizmann", remedy=REMEDY)
    folder = subfolder(root, VIDEOS)
    others = sorted(
        path.name
        for path in folder.glob("[!.]*")
        if path.name not in CLASSES and files_by_stem(path)
    )
    if others:
        raise InputError(
            f"weizmann: {folder} holds folders of clips that are no class: {first_names(others)}; "
            f"classes are {', '.join(CLASSES)}"
        )
    videos = [video for label in range(len(CLASSES)) for video in _videos_of(folder, label)]
    person = PEOPLE[fold - 1]
    return Listing(
        f"weizmann, {person} held out",
        CLASSES,
        train=VideoTable(video for video in videos if video.group != person),
        val=VideoTable(),
        test=VideoTable(video for video in videos if video.group == person),
    )


def _videos_of(folder: Path, label: int) -> list[Video]:
    class_name = CLASSES[label]
    clips = files_by_stem(require_folder(folder / class_name, what="weizmann", remedy=REMEDY))
    name = re.compile(rf"(?P<person>{'|'.join(PEOPLE)})_{class_name}\d*")
    strange = sorted(clip.name for stem, clip in clips.items() if not name.fullmatch(stem))
    if strange:
        raise InputError(
            f"weizmann: {folder / class_name} holds {len(strange)} files that are not named "
            f"<person>_{class_name}.avi: {', '.join(strange[:NAMES_SHOWN])}; people are "
            f"{', '.join(PEOPLE)}; {REMEDY}"
        )
    return [
        Video(f"{class_name}/{stem}", clips[stem], label, stem.partition("_")[0])
        for stem in sorted(clips)
    ]
