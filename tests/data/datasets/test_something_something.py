"""Something-Something: frames of version 1, videos of version 2, and their lists."""

import json

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.listed_trees import SOMETHING_CLASSES, write_something_v1, write_something_v2


@pytest.fixture
def version_1(tmp_path):
    return write_something_v1(tmp_path)


@pytest.fixture
def version_2(tmp_path):
    return write_something_v2(tmp_path)


def test_version_1_is_folders_of_frames(version_1):
    listing = load_dataset("something_v1", version_1, require_official=False)
    assert listing.name == "something_v1 validation (subset: 2 train, 1 test videos)"
    assert listing.classes == SOMETHING_CLASSES
    assert listing.train.targets.tolist() == [1, 0]
    assert listing.train.paths()[1] == str(version_1 / "20bn-something-something-v1/20")


def test_version_2_is_listed_by_templates_and_numbers(version_2):
    listing = load_dataset("something_v2", version_2, require_official=False)
    assert listing.name == "something_v2 validation (subset: 2 train, 1 test videos)"
    assert (listing.classes, listing.train.targets.tolist()) == (SOMETHING_CLASSES, [1, 0])
    assert listing.test[0].path == version_2 / "20bn-something-something-v2/3.webm"


def test_version_2_may_be_reencoded_and_have_the_later_names_of_lists(tmp_path):
    write_something_v2(tmp_path, lists="", name="{part}.json", video="{}.mp4")
    assert len(load_dataset("something_v2", tmp_path, require_official=False).train) == 2


def test_missing_frames_and_other_numbers_are_refused(version_1):
    with pytest.raises(InputError, match=r"expected 174 classes, 86017 training and 11522 test"):
        load_dataset("something_v1", version_1)
    (version_1 / "20bn-something-something-v1/3").rename(version_1 / "3")
    with pytest.raises(InputError, match=r"1 of 3 listed videos are missing: 3; looked in .*-v1;"):
        load_dataset("something_v1", version_1, require_official=False)


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        ("train", "1\n", r"train.csv, entry 1: expected '<id>;<class>', got '1'"),
        ("train", "1;Nothing\n", r"the class 'Nothing' is none of the 2 of .*v1-labels.csv"),
        ("validation", "../1;Nothing\n", r"entry 1: expected the name of a video or a class, b"),
    ],
)
def test_malformed_lists_of_version_1_are_named(version_1, part, text, message):
    (version_1 / f"something-something-v1-{part}.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        load_dataset("something_v1", version_1, require_official=False)


def test_numbers_of_classes_have_no_gap(version_2):
    path = version_2 / "labels/something-something-v2-labels.json"
    path.write_text(json.dumps({SOMETHING_CLASSES[0]: "0", SOMETHING_CLASSES[1]: "2"}))
    message = r"expected the numbers 0 to 1 of 2 classes, 1 is missing; get videos and labels"
    with pytest.raises(InputError, match=message):
        load_dataset("something_v2", version_2, require_official=False)


def test_a_missing_list_names_where_it_may_be(tmp_path):
    message = r"no list labels.json or something-something-v2-labels.json in .*, its labels/ or its"
    with pytest.raises(InputError, match=message):
        DATASETS["something_v2"].read(tmp_path, 1)
