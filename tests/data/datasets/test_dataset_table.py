"""The table of data sets: its rows, and what every data set gets from it."""

from dataclasses import replace
from typing import get_args

import pytest

from stn_action.data.data_choices import DatasetName
from stn_action.data.datasets.dataset_spec import Counts, DatasetSpec
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError

CLASSES = ("a", "b")


def made_up(root, fold) -> Listing:
    """Two training videos, a validation and two test videos, of which a file may be missing."""
    parts = {"train": "pq", "val": "r", "test": "st"}
    tables = {
        part: VideoTable(Video(name, root / f"{name}.mp4", 0, name) for name in names)
        for part, names in parts.items()
    }
    return Listing(f"toy {fold}", CLASSES, **tables)


SPEC = DatasetSpec(
    "toy",
    made_up,
    "get it",
    folds=(2, 3),
    official={"toy 2": Counts(2, 2, 2, 1), "toy 3": Counts(2, 9, 8)},
)


@pytest.fixture
def root(tmp_path):
    for name in "pqrs":
        (tmp_path / f"{name}.mp4").touch()
    return tmp_path


def test_the_choices_of_a_configuration_are_the_rows():
    assert get_args(DatasetName) == tuple(DATASETS)
    assert all(spec.name == name for name, spec in DATASETS.items())


def test_every_official_fold_has_its_counts():
    sets = dict.fromkeys(("ut_interaction set 1", "ut_interaction set 2", "weizmann", "jhmdb"), 0)
    for spec in DATASETS.values():
        number = 2 if spec.name in ("ut_interaction", "svhn") else 1  # sets, with extra
        assert len(spec.official) in (0, number * len(spec.folds))
        for name, counts in spec.official.items():
            known = name.split(",")[0].split(" split")[0]
            if known in sets:
                sets[known] += counts.test
                assert counts.train + counts.test == {"weizmann": 90, "jhmdb": 928}.get(known, 60)
    assert list(sets.values()) == [60, 60, 90, 268 + 270 + 265]


def test_an_official_fold_keeps_its_name(root):
    assert SPEC.read(root, 2).name == "toy 2"


def test_other_lists_are_refused_or_named_a_subset(root):
    message = (
        "not the official lists of toy 3: 2 classes, 2 training, 1 validation and 2 test videos, "
        "expected 2 classes, 9 training and 8 test videos; get it"
    )
    with pytest.raises(InputError, match=message):
        SPEC.read(root, 3)
    name = SPEC.read(root, 3, require_official=False).name
    assert name == "toy 3 (subset: 2 train, 1 validation, 2 test videos)"


def test_lists_of_several_releases_are_known_by_their_classes(root):
    listing = replace(SPEC, official={"toy 3": Counts(2)}).read(root, 3)
    assert listing.name == "toy 3"
    other = replace(SPEC, official={"toy 3": Counts(4)})
    with pytest.raises(InputError, match="2 test videos, expected 4 classes; get it"):
        other.read(root, 3)


def test_a_video_that_is_listed_twice_is_refused(root):
    def twice(root, fold):
        listing = made_up(root, fold)
        return replace(listing, train=listing.train + listing.train)

    message = r"toy 2: 2 training videos are listed more than once \(p, q\); each would count"
    with pytest.raises(InputError, match=message):
        replace(SPEC, list_videos=twice).read(root, 2, require_official=False)


def test_sets_that_tell_left_from_right_say_so():
    directed = {name for name, spec in DATASETS.items() if spec.mirrors_labels}
    assert directed == {"something_v1", "something_v2", "utd_mhad"}


@pytest.mark.parametrize("fold", [1, 4])
def test_a_fold_that_is_not_there_is_refused(root, fold):
    with pytest.raises(InputError, match=rf"data.fold of toy must be 2 or 3, got {fold}"):
        SPEC.read(root, fold)
    with pytest.raises(InputError, match=r"data.fold of folders must be 1, got 2"):
        DATASETS["folders"].read(root, 2)


def test_a_missing_file_is_refused_or_counted(root):
    listing = SPEC.read(root, 2)
    with pytest.raises(InputError, match=r"1 of 5 listed videos are missing: t.mp4; looked in .*"):
        SPEC.keep_present(listing, root)
    lenient = replace(SPEC, files_may_be_missing=True)
    present = lenient.keep_present(listing, root)
    assert (present.test.names(), present.missing) == (["s"], 1)
    assert (present.train.names(), present.val.names()) == (["p", "q"], ["r"])
    (root / "r.mp4").unlink()
    with pytest.raises(InputError, match=r"all 1 val videos of toy 2 are missing: r.mp4, ...;"):
        lenient.keep_present(listing, root)
