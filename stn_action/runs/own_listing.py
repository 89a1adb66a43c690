"""The list of videos of your own, and whether they are enough to train and test on."""

from pathlib import Path

from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.video.suffixes import without_video_suffix

MOST_FOLDS = 5


def list_own_videos(root: Path) -> Listing:
    """Return the videos of class folders or of a CSV file; without a test part they are one pool.

    Raises:
        InputError: there are none, or they are not enough to train and test on.
    """
    if not root.exists():
        raise InputError(f"{root}: there is no such folder or file; give the folder of your videos")
    if root.is_file() and root.suffix.lower() != ".csv":
        raise InputError(
            f"{root}: expected a folder of class folders, or a CSV file that lists videos"
        )
    spec = DATASETS["csv" if root.is_file() else "folders"]
    listing = spec.keep_present(spec.list_videos(root, 1), root)
    _require_enough(root, listing)
    names = zip(listing.all_videos.names(), listing.all_videos.paths(), strict=True)
    twice = [
        path for name, path in names
        if without_video_suffix(Path(path).name) != Path(path).name
        and name.split("#")[0].endswith(Path(path).name)
    ]  # fmt: skip
    if twice:
        raise InputError(
            f"{root}: {len(twice)} videos differ in the suffix alone, {', '.join(twice[:2])}: if "
            "they are one video twice, it would be trained and tested on; remove or rename one"
        )
    return listing


def number_of_own_folds(listing: Listing) -> int | None:
    """Return into how many folds videos are split, so that each tests every class.

    Returns:
        At most `MOST_FOLDS`; None: they have a test part.
    """
    if listing.test:
        return None
    return max(2, min(MOST_FOLDS, *groups_of_classes(listing.train, len(listing.classes))))


def groups_of_classes(videos: VideoTable, num_classes: int) -> list[int]:
    """Return the number of groups that have videos of each class."""
    found: list[set[str]] = [set() for _ in range(num_classes)]
    for group, labels in zip(videos.groups(), videos.labels(), strict=True):
        for label in labels:
            found[label].add(group)
    return [len(groups) for groups in found]


def videos_of_classes(videos: VideoTable, num_classes: int) -> list[int]:
    """Return the number of videos of each class."""
    counts = [0] * num_classes
    for labels in videos.labels():
        for label in labels:
            counts[label] += 1
    return counts


def _require_enough(root: Path, listing: Listing) -> None:
    """Check that there are at least two classes, each with training and test videos.

    Raises:
        InputError: there are not; names the classes.
    """
    classes = listing.classes
    if len(classes) < 2:
        raise InputError(f"{root}: {', '.join(classes)} is the only class; two at least are needed")
    groups = groups_of_classes(listing.train, len(classes))
    if listing.test or min(groups) > 1:
        return
    videos = videos_of_classes(listing.train, len(classes))
    few = [
        f"{name} has {'one video' if videos[label] == 1 else 'videos of one group alone'}"
        for label, name in enumerate(classes)
        if groups[label] == 1
    ]
    raise InputError(
        f"{root}: {', '.join(few[:NAMES_SHOWN])}{', ...' if few[NAMES_SHOWN:] else ''}; each class "
        "needs one to train on and another to test on: add videos, or remove the class"
    )
