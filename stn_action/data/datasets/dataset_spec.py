"""What a data set is: how its videos are listed and what the lists must hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from stn_action.data.group_folds import NumFolds, hold_fold_out, number_of_folds
from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.listing import (
    Listing,
    require_separate_groups,
    require_unique_classes,
    require_unique_names,
    require_videos,
)
from stn_action.data.video_files import are_present
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError


class Counts(NamedTuple):
    """Numbers of an official fold."""

    classes: int
    train: int | None = None
    """Videos; None: released several times, with other numbers, or none is published."""
    test: int | None = None
    val: int = 0

    def fits(self, found: "Counts") -> bool:
        """Return whether a list has these numbers."""
        return found == self or (self.train is None and found.classes == self.classes)

    def words(self, unit: str) -> str:
        """Return them as text; `unit` is that of the listing."""
        if self.train is None:
            return f"{self.classes} classes"
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
    multi_label: bool | None = False
    """A video may have several labels; None: the list decides."""
    user_folds: bool = False
    """The list is the user's own: where it names no test videos, `data.folds` splits it."""
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
    list_folders: tuple[str, ...] = ()
    """Folders of official lists in the root."""
    lists_beside: bool = False
    """These folders may be beside the root."""
    key_frames: Callable[[Path], KeyFrameBoxes] | None = None
    """Root to the boxes of the test list, which the frame mAP is about; None: there are none."""
    of_tubes: bool = False
    """A sample is a tube in its video: its clips show it with `data.tubes.select=all` alone."""
    mirrors_labels: bool = False
    """A mirrored video may show another class: "from left to right". It must not be mirrored."""

    def fold_numbers(self, root: str | Path, folds: NumFolds | None = None) -> Sequence[int]:
        """Return the numbers of all folds.

        Args:
            root: the folder of the data set, or the file that lists it.
            folds: into which the user's own videos are split; None: the official ones.

        Raises:
            InputError: as `list_videos` and `number_of_folds`, or such a split is not to be made.
        """
        if folds is None:
            return self.folds
        pool = self._pool(root)
        return range(1, 1 + number_of_folds(pool.train, folds))

    def read(
        self,
        root: str | Path,
        fold: int,
        *,
        folds: NumFolds | None = None,
        fold_seed: int = 0,
        require_official: bool = True,
    ) -> Listing:
        """Return the videos that the lists name, whether or not the disk has them.

        Args:
            root: the folder of the data set, or the file that lists it.
            fold: one of `fold_numbers`.
            folds: into which the user's own videos are split, see `hold_fold_out`; None: the lists
                tell what to test on.
            fold_seed: see `hold_fold_out`.
            require_official: refuse lists whose counts are not the official ones; else the name
                of a smaller one states that it is a subset.

        Raises:
            InputError: there is no such fold, the folder or the lists are missing, malformed or
                not the official ones, a class or a video is listed twice, or a group is in two
                parts.
        """
        if folds is not None:
            listing = hold_fold_out(self._pool(root), fold, folds, seed=fold_seed)
        else:
            listing = self._listed(root, fold)
        parts = {"training": listing.train, "validation": listing.val, "test": listing.test}
        found = self._counts(listing)
        official = self.official[listing.name] if self.official else found
        unit = self.counted_groups or listing.unit
        if require_official and not official.fits(found):
            raise InputError(
                f"{root}: not the official lists of {listing.name}: {found.words(unit)}, "
                f"expected {official.words(unit)}; {self.remedy}"
            )
        require_unique_classes(listing.classes, what=f"{root}, {listing.name}")
        require_unique_names(parts, what=f"{root}, {listing.name}")
        require_separate_groups(parts, what=f"{root}, {listing.name}")
        if official.fits(found):
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

    def _listed(self, root: str | Path, fold: int) -> Listing:
        """Return the parts that the lists name."""
        if fold not in self.folds:
            *first, last = map(str, self.folds)
            expected = f"{', '.join(first)} or {last}" if first else last
            raise InputError(f"data.fold of {self.name} must be {expected}, got {fold}")
        listing = self.list_videos(Path(root), fold)
        assert self.multi_label in (None, listing.multi_label)
        if not listing.test:
            raise InputError(
                f"{root}: nothing tells what to test on; set data.folds=5 (data.fold=1 tests on a "
                f"fifth of the groups, data.fold=all on each fifth in turn), or {self.remedy}"
            )
        return listing

    def _pool(self, root: str | Path) -> Listing:
        """Return the user's own videos before they are split into folds."""
        if not self.user_folds:
            raise InputError(f"data.folds: {self.name} has splits of its own; leave it at null")
        pool = self.list_videos(Path(root), 1)
        if pool.test:
            raise InputError(
                f"data.folds: {root} tells already which {len(pool.test)} videos to test on; leave "
                f"data.folds at null, or give all videos without a split: {self.remedy}"
            )
        return pool


def _present(videos: VideoTable) -> VideoTable:
    kept = [row for row, there in enumerate(are_present(videos.paths())) if there]
    return videos if len(kept) == len(videos) else videos.select(kept)
