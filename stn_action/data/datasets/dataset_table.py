"""The data sets by name, one row each: how videos are listed and what the lists must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from stn_action.data.datasets import (
    ava_v2,
    cub200,
    folders,
    jhmdb21,
    mnist,
    sample,
    svhn,
    ucf101,
    ut_interaction,
    weizmann,
)
from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.listing import Listing, require_separate_groups, require_videos
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError


class Counts(NamedTuple):
    """Numbers of an official fold."""

    classes: int
    train: int
    test: int
    val: int = 0

    def words(self, unit: str) -> str:
        """Return them as text; `unit` is that of the listing."""
        val = f", {self.val} validation" if self.val else ""
        return f"{self.classes} classes, {self.train} training{val} and {self.test} test {unit}"


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: one file that lists its videos, and this row."""

    name: str
    """As `data.name` gives it."""
    list_videos: Callable[[Path, int], Listing]
    """Root and fold to the videos that the lists name, whether or not the disk has them."""
    remedy: str
    """How to get the data, one sentence without a full stop."""
    folds: tuple[int, ...] = (1,)
    """Numbers of the official splits, or of the groups that are held out in turn."""
    one_group_out: bool = False
    """A fold holds one group out and trains on all others."""
    multi_label: bool = False
    """A video may have several labels."""
    official: Mapping[str, Counts] = field(default_factory=dict)
    """Official numbers by the name of the listing; none: the lists are the user's own."""
    counted_groups: str | None = None
    """What its groups are called, if the official numbers are those of groups; None: of videos."""
    files_may_be_missing: bool = False
    """Listed videos that the disk lacks are left out and counted, as is usual for Kinetics."""
    lists_the_disk: bool = False
    """The list is what the folders hold: nothing can be missing, though a file may be no video."""
    searched: str = "{root}"
    """Folders in which videos are searched, for messages."""
    list_folder: str | None = None
    """Folder of official lists, in the root or beside it."""
    key_frames: Callable[[Path], KeyFrameBoxes] | None = None
    """Root to the boxes of the test list, which the frame mAP is about; None: there are none."""

    def read(self, root: str | Path, fold: int, *, require_official: bool = True) -> Listing:
        """Return the videos that the lists name, whether or not the disk has them.

        Args:
            root: the folder of the data set.
            fold: one of `folds`.
            require_official: refuse lists whose counts are not the official ones; else the name
                of a smaller one states that it is a subset.

        Raises:
            InputError: there is no such fold, the folder or the lists are missing, malformed or
                not the official ones, or a group is in two parts.
        """
        if fold not in self.folds:
            *first, last = map(str, self.folds)
            expected = f"{', '.join(first)} or {last}" if first else last
            raise InputError(f"data.fold of {self.name} must be {expected}, got {fold}")
        listing = self.list_videos(Path(root), fold)
        assert listing.multi_label == self.multi_label
        parts = {"training": listing.train, "validation": listing.val, "test": listing.test}
        found = self._counts(listing)
        official = self.official[listing.name] if self.official else found
        unit = self.counted_groups or listing.unit
        if require_official and found != official:
            raise InputError(
                f"{root}: not the official lists of {listing.name}: {found.words(unit)}, "
                f"expected {official.words(unit)}; {self.remedy}"
            )
        require_separate_groups(parts, what=f"{root}, {listing.name}")
        if found == official:
            return listing
        val = f", {found.val} validation" if found.val else ""
        train, test = len(listing.train), len(listing.test)
        subset = f"subset: {train} train{val}, {test} test {listing.unit}"
        return replace(listing, name=f"{listing.name} ({subset})")

    def _counts(self, listing: Listing) -> Counts:
        """Return what the official numbers are compared with."""
        train, test = len(listing.train), len(listing.test)
        if self.counted_groups is not None:
            train, test = (len(set(part.groups())) for part in (listing.train, listing.test))
            return Counts(len(listing.classes), train, test)
        left_out = listing.left_out
        return Counts(
            len(listing.classes),
            train + left_out.get("train", 0),
            test + left_out.get("test", 0),
            len(listing.val),
        )

    def keep_present(self, listing: Listing, root: str | Path) -> Listing:
        """Return the listing with the videos that the disk has.

        Raises:
            InputError: videos are missing that may not be, or a part has none left.
        """
        if self.lists_the_disk:
            return listing
        if not self.files_may_be_missing:
            searched = self.searched.format(root=root)
            require_videos(
                listing.all_videos, looked_in=searched, remedy=self.remedy, unit=listing.unit
            )
            return listing
        parts = {"train": listing.train, "val": listing.val, "test": listing.test}
        present = {part: _present(videos) for part, videos in parts.items()}
        for part, videos in parts.items():
            if videos and not present[part]:
                raise InputError(
                    f"all {len(videos)} {part} {listing.unit} of {listing.name} are missing: "
                    f"{videos[0].path.name}, ...; looked in {self.searched.format(root=root)}; "
                    f"{self.remedy}"
                )
        return replace(listing, **present, missing=len(listing.test) - len(present["test"]))


DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            "ucf101",
            ucf101.list_ucf101,
            ucf101.REMEDY,
            folds=(1, 2, 3),
            official={
                "ucf101 split 1": Counts(101, 9537, 3783),
                "ucf101 split 2": Counts(101, 9586, 3734),
                "ucf101 split 3": Counts(101, 9624, 3696),
            },
            searched="{root}, {root}/UCF-101 and their class folders",
            list_folder=ucf101.LISTS,
        ),
        DatasetSpec(
            "jhmdb",
            jhmdb21.list_jhmdb,
            jhmdb21.REMEDY,
            folds=(1, 2, 3),
            official={
                "jhmdb split 1": Counts(21, 660, 268),
                "jhmdb split 2": Counts(21, 658, 270),
                "jhmdb split 3": Counts(21, 663, 265),
            },
            searched=f"{{root}}/{jhmdb21.VIDEOS} or, without it, {{root}}, in their class folders",
        ),
        DatasetSpec(
            "ut_interaction",
            ut_interaction.list_ut_interaction,
            ut_interaction.REMEDY,
            folds=tuple(range(1, ut_interaction.NUM_SEQUENCES + 1)),
            one_group_out=True,
            official={
                ut_interaction.listing_name(number, sequence): Counts(6, 60 - clips, clips)
                for number, clips_of in ut_interaction.CLIPS_OF_SEQUENCE.items()
                for sequence, clips in clips_of.items()
            },
        ),
        DatasetSpec(
            "weizmann",
            weizmann.list_weizmann,
            weizmann.REMEDY,
            folds=tuple(range(1, len(weizmann.PEOPLE) + 1)),
            one_group_out=True,
            official={
                f"weizmann, {person} held out": Counts(10, 80, 10) for person in weizmann.PEOPLE
            },
        ),
        DatasetSpec(
            "cub200",
            cub200.list_cub200,
            cub200.REMEDY,
            official={"cub200": Counts(200, 5994, 5794)},
            searched=f"{{root}}/{cub200.FOLDER}/{cub200.PHOTOS} or {{root}}/{cub200.PHOTOS}",
        ),
        DatasetSpec(
            "svhn",
            svhn.list_svhn,
            svhn.REMEDY,
            official={
                "svhn": Counts(11, 33_402, 13_068),
                "svhn with extra": Counts(11, 33_402 + 202_353, 13_068),
            },
            searched="{root}/train, {root}/extra and {root}/test",
        ),
        DatasetSpec(
            "mnist",
            mnist.list_mnist,
            mnist.REMEDY,
            official={"mnist": Counts(10, 60_000, 10_000)},
        ),
        DatasetSpec(
            "mnist_addition",
            mnist.list_mnist_addition,
            mnist.REMEDY,
            official={"mnist addition": Counts(19, 60_000, 10_000)},
        ),
        DatasetSpec(
            "ava",
            ava_v2.list_ava,
            ava_v2.REMEDY,
            multi_label=True,
            official={"ava v2.2 val": Counts(60, 235, 64)},
            counted_groups="films",
            files_may_be_missing=True,
            searched=f"{{root}}/{ava_v2.CUT} and {{root}}/{ava_v2.FULL}",
            key_frames=ava_v2.read_key_frames,
        ),
        DatasetSpec("folders", folders.list_folders, folders.REMEDY, lists_the_disk=True),
        DatasetSpec("sample", sample.list_sample, folders.REMEDY, lists_the_disk=True),
    )
}
"""The rows by name. A new data set: a file that lists its videos, a row, its name in
`data/data_choices.py`, and a configuration."""


def load_dataset(
    name: str, root: str | Path, fold: int = 1, *, require_official: bool = True
) -> Listing:
    """Return the listing of a data set, checked against its official lists and the disk.

    Args:
        name: a key of `DATASETS`.
        root: see `DatasetSpec.read`.
        fold: see `DatasetSpec.read`.
        require_official: see `DatasetSpec.read`.

    Raises:
        InputError: as `DatasetSpec.read` and `DatasetSpec.keep_present`.
    """
    spec = DATASETS[name]
    return spec.keep_present(spec.read(root, fold, require_official=require_official), root)


def _present(videos: VideoTable) -> VideoTable:
    paths = videos.paths()
    there = {path for path in set(paths) if Path(path).is_file()}  # many may be slices of one file
    if len(there) == len(set(paths)):
        return videos
    return videos.select(index for index, path in enumerate(paths) if path in there)
