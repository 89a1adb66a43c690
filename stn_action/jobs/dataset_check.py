"""What a data set's folder has of the videos that its official lists name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stn_action.data.datasets.dataset_table import DatasetSpec
from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.errors import InputError


@dataclass(frozen=True)
class FoldCheck:
    """The outcome for one official fold."""

    name: str
    """As in the protocol line; of lists that cannot be read `<data set> fold <n>`."""
    unit: str = "videos"
    """What its videos are."""
    present: int = 0
    """Videos that are there."""
    missing: tuple[str, ...] = ()
    """Names of those that are not."""
    problem: str = ""
    """Why the lists cannot be used; empty: they can."""

    @property
    def is_complete(self) -> bool:
        """Whether the lists are the official ones and everything in them is there."""
        return not self.problem and not self.missing

    def line(self) -> str:
        """Return the line to print."""
        if self.problem:
            return f"{self.name}: {self.problem}"
        total = self.present + len(self.missing)
        line = f"{self.name}: {self.present} of {total} {self.unit} are there"
        if not self.missing:
            return line
        more = f" and {len(self.missing) - NAMES_SHOWN} more" * (len(self.missing) > NAMES_SHOWN)
        return f"{line}; missing: {', '.join(self.missing[:NAMES_SHOWN])}{more}"


def check_folds(spec: DatasetSpec, root: Path) -> Iterator[FoldCheck]:
    """Compare the disk with the official lists, fold by fold.

    Folds that hold one group out name the same videos, so that one of them is checked.

    Args:
        spec: the data set.
        root: its folder.

    Yields:
        The outcome of each fold; lists that cannot be read are an outcome, too.
    """
    for fold in spec.folds[:1] if spec.one_group_out else spec.folds:
        try:
            listing = spec.read(root, fold)
        except InputError as error:
            yield FoldCheck(f"{spec.name} fold {fold}", problem=str(error))
        else:
            yield _check(listing)


def _check(listing: Listing) -> FoldCheck:
    videos = listing.all_videos
    paths = videos.paths()
    absent = {path for path in set(paths) if not Path(path).exists()}
    names = videos.names()
    missing = tuple(name for name, path in zip(names, paths, strict=True) if path in absent)
    present = len(paths) - len(missing)
    return FoldCheck(listing.name, listing.unit, present, missing)
