"""The layout of HMDB51 and J-HMDB-21: class folders, and one list of a class and split."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stn_action.data.datasets.list_file import first_names, read_list_lines
from stn_action.data.listing import Listing, require_folder
from stn_action.data.video_files import files_by_stem
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import without_video_suffix

_TAGS = r"_[a-z]+_[cn]m_np\d+_[a-z]{2}_[a-z]{3}_\d+"
"""Visible body, camera motion, number of people, viewpoint, quality, number of the clip: HMDB51's
names end so."""
_LIST_NAME = "{class_name}_test_split{fold}.txt"


@dataclass(frozen=True)
class ClassSplits:
    """Where a data set of this layout has its clips and lists, and what its lists say.

    The lists are `<class>_test_splitN.txt`, lines of `<name>.avi 1` to train on and `<name>.avi 2`
    to test on. A clip that was re-encoded may have another suffix than the `.avi` of the lists, and
    one without a file may be a folder of frames, called as the file without its suffix. A clip is
    called `class/name`; its group is the source video of its class.
    """

    name: str
    """Of the data set, for messages and for the names of listings."""
    video_folders: tuple[str, ...]
    """Folders in the root that may hold the class folders, the first that exists does; none: the
    root does."""
    list_folders: tuple[str, ...]
    """Folders in the root that may hold the lists; likewise."""
    remedy: str
    """How to get the data, one sentence without a full stop."""
    unused: tuple[str, ...] = ()
    """What marks a clip that a split leaves out."""

    def list_split(self, root: str | Path, fold: int) -> Listing:
        """List the clips of one official split.

        Raises:
            InputError: the folder or the lists are missing, a list is malformed, or a class or a
                clip on the disk is in no list.
        """
        root = require_folder(root, what=self.name, remedy=self.remedy)
        list_folder = _first_folder(root, self.list_folders)
        lists = self._find_lists(list_folder or root / self.list_folders[0], fold)
        classes = tuple(sorted(lists))
        folder = _first_folder(root, self.video_folders) or root
        self._require_lists(folder, lists, fold)
        videos: dict[str, list[Video]] = {"1": [], "2": []}
        for label, class_name in enumerate(classes):
            clips = files_by_stem(folder / class_name)
            parts = self._read_parts(lists[class_name])
            _require_listed(clips, parts, lists[class_name])
            for stem, part in parts.items():
                if part in self.unused:
                    continue
                frames = folder / class_name / stem
                beside = frames.with_name(f"{stem}.avi")
                path = clips.get(stem) or (frames if frames.is_dir() else beside)
                name, group = f"{class_name}/{stem}", _group_of(class_name, stem)
                videos[part].append(Video(name, path, label, group))
        train, test = VideoTable(videos["1"]), VideoTable(videos["2"])
        return Listing(f"{self.name} split {fold}", classes, train, VideoTable(), test)

    def _find_lists(self, folder: Path, fold: int) -> dict[str, Path]:
        """Return the lists of a split by class."""
        ending = _LIST_NAME.format(class_name="", fold=fold)
        found = {path.name.removesuffix(ending): path for path in folder.glob(f"[!.]*{ending}")}
        if not found:
            raise InputError(
                f"{self.name}: {folder} holds no list of split {fold} (<class>{ending}); "
                f"{self.remedy}"
            )
        return found

    def _require_lists(self, folder: Path, lists: Mapping[str, Path], fold: int) -> None:
        """Check that every class folder with clips has a list."""
        strange = sorted(
            path.name
            for path in folder.glob("[!.]*")
            if path.name not in lists and files_by_stem(path)
        )
        if strange:
            missing = _LIST_NAME.format(class_name=strange[0], fold=fold)
            raise InputError(
                f"{self.name}: {folder} holds {len(strange)} classes that have no list of split "
                f"{fold} ({first_names(strange)}): there is no "
                f"{next(iter(lists.values())).parent.name}/{missing}; {self.remedy}"
            )

    def _read_parts(self, path: Path) -> dict[str, str]:
        """Return the parts of the clips of a list, by name without suffix."""
        parts: dict[str, str] = {}
        known = sorted(["1", "2", *self.unused])
        for line in read_list_lines(path, remedy=self.remedy):
            file_name, _, part = line.rpartition(" ")
            stem = without_video_suffix(file_name.strip())
            if part not in known or not stem or "/" in stem:
                expected = " or ".join(f"'<name>.avi {number}'" for number in known)
                raise InputError(f"{path}: expected {expected}, got {line!r}")
            if stem in parts:
                raise InputError(f"{path}: {stem} is listed twice; {self.remedy}")
            parts[stem] = part
        return parts


def _first_folder(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _require_listed(clips: Mapping[str, Path], parts: Mapping[str, str], path: Path) -> None:
    strange = sorted(clip.name for stem, clip in clips.items() if stem not in parts)
    if strange:
        raise InputError(
            f"{path}: {len(strange)} of {len(clips)} clips on the disk are not in this list "
            f"({first_names(strange)}); remove them from {clips[Path(strange[0]).stem].parent}, or "
            "get the list they are in"
        )


def _group_of(class_name: str, stem: str) -> str:
    """Return the source video of a clip where its name tells it, else the clip."""
    match = re.fullmatch(rf"(?P<source>.+)_{re.escape(class_name)}{_TAGS}", stem)
    return f"{class_name}/{stem if match is None else match['source']}"
