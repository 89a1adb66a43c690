"""Weizmann: ninety clips, nine people, each held out once."""

import pytest

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.datasets.weizmann import CLASSES, PEOPLE
from stn_action.errors import InputError
from tests.named_trees import write_weizmann


@pytest.fixture
def root(tmp_path):
    return write_weizmann(tmp_path)


@pytest.mark.parametrize("fold", range(1, 10))
def test_one_person_is_held_out(root, fold):
    listing = load_dataset("weizmann", root, fold)
    person = PEOPLE[fold - 1]
    assert listing.name == f"weizmann, {person} held out"
    assert listing.classes == CLASSES
    assert listing.test.groups() == [person] * 10
    assert listing.test.names()[8] == f"wave1/{person}_wave1"
    assert listing.test.targets.tolist() == list(range(10))
    assert set(listing.train.groups()) == {*PEOPLE} - {person}
    assert len(listing.train) == 80


def test_people_are_numbered_by_their_names():
    assert list(PEOPLE) == sorted(PEOPLE)
    assert list(CLASSES) == sorted(CLASSES)


def test_class_folders_may_be_in_the_root_and_files_re_encoded(root):
    (root / "videos/run/ido_run.avi").rename(root / "videos/run/ido_run.mp4")
    listing = load_dataset("weizmann", root / "videos", 4)
    assert listing.test[4].path == root / "videos/run/ido_run.mp4"


def test_the_real_clips_are_the_official_ones(shared):
    folds = [load_dataset("weizmann", shared / "data/weizmann", fold) for fold in range(1, 10)]
    tested = [video for fold in folds for video in fold.test]
    assert len({video.name for video in tested}) == 90
    assert [fold.test[0].group for fold in folds] == list(PEOPLE)


def test_a_second_clip_of_a_person_is_no_official_set(root):
    (root / "videos/run/lena_run.avi").rename(root / "videos/run/lena_run1.avi")
    (root / "videos/run/lena_run2.avi").touch()
    message = (
        r"official lists of weizmann, lena held out: .* 80 training and 11 test videos, .* data.o"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("weizmann", root, 6)
    listing = load_dataset("weizmann", root, 6, require_official=False)
    assert listing.name == "weizmann, lena held out (subset: 80 train, 11 test videos)"
    assert listing.test.names()[4:6] == ["run/lena_run1", "run/lena_run2"]


def test_a_missing_clip_is_noticed(root):
    (root / "videos/run/ido_run.avi").unlink()
    with pytest.raises(InputError, match=r"10 classes, 79 training and 10 test .* 80 training and"):
        load_dataset("weizmann", root, 1)


def test_a_strange_file_is_named(root):
    (root / "videos/run/anna_run.avi").touch()
    (root / "videos/run/ido_walk.avi").touch()
    message = (
        r"run holds 2 files .* <person>_run.avi: anna_run.avi, ido_walk.avi; people are daria,"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("weizmann", root, 1)


def test_a_missing_folder_says_how_to_get_the_clips(root, tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist; get the ten archives"):
        load_dataset("weizmann", tmp_path / "nowhere", 1)
    (root / "videos/wave2").rename(root / "wave2")
    with pytest.raises(InputError, match=r"videos/wave2 does not exist; get the ten archives"):
        load_dataset("weizmann", root, 1)
