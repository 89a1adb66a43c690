"""HAA500: 16, 1 and 3 clips of a class, by their numbers."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.named_trees import HAA_CLASSES, write_haa500


@pytest.fixture
def root(tmp_path):
    return write_haa500(tmp_path)


def test_the_clips_of_a_class_are_split_by_their_numbers(root):
    listing = load_dataset("haa500", root, require_official=False)
    assert listing.classes == HAA_CLASSES
    assert [len(part) for part in (listing.train, listing.val, listing.test)] == [48, 3, 9]
    assert listing.val.names()[1] == "play_cello/play_cello_016"
    tested = [f"play_cello/play_cello_{place:03}" for place in (17, 18, 19)]
    assert listing.test.names()[3:6] == tested
    assert listing.test[3].path == root / "video/play_cello/play_cello_017.mp4"
    assert [listing.label_text(video) for video in listing.val] == list(HAA_CLASSES)


def test_incomplete_haa500_is_refused(root):
    message = "not the official lists of haa500: 3 classes, 48 training, 3 validation and 9 test"
    with pytest.raises(InputError, match=message):
        DATASETS["haa500"].read(root, 1)


def test_a_clip_in_the_folder_of_another_class_is_named(root):
    (root / "video/yoga_tree/play_cello_003.mp4").touch()
    message = r"expected clips yoga_tree_<000-019>.mp4 in .*, got 1 others: play_cello_003.mp4; get"
    with pytest.raises(InputError, match=message):
        DATASETS["haa500"].read(root, 1)


def test_haa500_without_class_folders_is_refused(tmp_path):
    with pytest.raises(InputError, match="haa500: there is no class folder in"):
        DATASETS["haa500"].read(tmp_path, 1)
