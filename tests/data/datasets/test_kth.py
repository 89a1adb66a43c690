"""KTH: sequences of videos, split by person."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.kth import PEOPLE
from stn_action.errors import InputError
from tests.listed_trees import write_kth, write_kth_list


@pytest.fixture
def root(tmp_path):
    return write_kth_list(tmp_path, range(1, 26))


def test_the_official_numbers_are_those_of_the_split_by_person(root):
    listing = DATASETS["kth"].read(root, 1)
    assert listing.name == "kth"
    parts = (listing.train, listing.val, listing.test)
    assert [len(part) for part in parts] == [760, 768, 863]
    assert sum(len(part) for part in parts) == 2391
    people = [{f"person{person:02}" for person in of_part} for of_part in PEOPLE.values()]
    assert [set(part.groups()) for part in parts] == people


def test_a_sequence_is_a_slice_of_its_video(root):
    write_kth(root)
    listing = load_dataset("kth", root, require_official=False)
    second = listing.train[1]
    assert second.name == "boxing/person11_boxing_d1_2"
    assert second.path == root / "boxing/person11_boxing_d1_uncomp.avi"
    assert (second.start_seconds, second.end_seconds) == (95 / 25, 185 / 25)


@pytest.mark.parametrize("name", ["{stem}_uncomp.avi", "{stem}.mp4", "{action}/{stem}.mp4"])
def test_videos_may_be_in_one_folder_and_have_short_names(root, name):
    write_kth(root, name=name)
    assert len(load_dataset("kth", root, require_official=False).val) == 96


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("person26_boxing_d1 frames 1-9", r"expected 'person<01-25>_<class>_d<1-4> frames .*'per"),
        ("person01_hopping_d1 frames 1-9", r"expected 'person<01-25>_<class>_d<1-4> frames"),
        ("person01_boxing_d1 frames 9-1", r"person01_boxing_d1: expected a start and an end after"),
        ("person01_boxing_d1 frames 0-9", r"person01_boxing_d1: frames are counted from 1, got '0"),
        ("person02_boxing_d1 frames 1-9", r"1 test videos are listed more than once \(boxing/per"),
    ],
)
def test_wrong_lines_are_named(root, line, message):
    with (root / "00sequences.txt").open("a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(InputError, match=message):
        DATASETS["kth"].read(root, 1, require_official=False)


def test_missing_videos_are_named(root):
    write_kth(root)
    (root / "boxing/person11_boxing_d1_uncomp.avi").unlink()
    message = (
        r"4 of 286 listed sequences are missing: boxing/person11_boxing_d1_uncomp.avi, .*; get"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("kth", root, require_official=False)
