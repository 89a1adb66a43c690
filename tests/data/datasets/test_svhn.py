"""SVHN in its official format: lists, and what is wrong with them."""

import numpy as np
import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.svhn import list_svhn
from stn_action.errors import InputError
from tests.svhn_tree import edit_struct, write_field, write_part, write_svhn

NONE = 10


@pytest.fixture
def root(tmp_path):
    draws = np.random.default_rng(0)
    write_part(tmp_path / "train", ["207", "1", "123456", "98765"], draws)
    write_part(tmp_path / "test", ["40", "1234567", "5", "7654321"], draws)
    return tmp_path


def test_numbers_are_digits_and_nothing_behind_them(root):
    listing = list_svhn(root)
    assert (listing.name, listing.unit, listing.positions) == ("svhn", "images", 5)
    assert listing.classes == (*"0123456789", "none")
    assert listing.num_outputs == 55
    assert listing.train.targets.tolist() == [
        [2, 0, 7, NONE, NONE], [1, NONE, NONE, NONE, NONE], [9, 8, 7, 6, 5],
    ]  # fmt: skip
    assert [listing.label_text(video) for video in listing.train] == ["207", "1", "98765"]
    assert listing.test.names() == ["test/1", "test/3"]
    assert listing.train[2].path == root / "train/4.png"
    assert len(set(listing.all_videos.groups())) == 5


def test_numbers_of_more_digits_are_left_out_and_counted(root):
    listing = list_svhn(root)
    assert listing.left_out == {"train": 1, "test": 2}
    assert listing.left_out_kind == "numbers of more than 5 digits"


def test_the_additional_images_are_trained_on_where_they_are(root):
    write_part(root / "extra", ["3", "44"], np.random.default_rng(1))
    listing = list_svhn(root)
    assert listing.name == "svhn with extra"
    assert listing.train.names() == ["train/1", "train/2", "train/4", "extra/1", "extra/2"]


def test_other_lists_than_the_official_ones_are_refused_or_named_a_subset(root):
    message = (
        "not the official lists of svhn: 11 classes, 4 training and 4 test images, expected 11 "
        "classes, 33402 training and 13068 test images; get train.tar.gz"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("svhn", root)
    listing = load_dataset("svhn", root, require_official=False)
    assert listing.name == "svhn (subset: 3 train, 2 test images)"
    counts = DATASETS["svhn"].official["svhn with extra"]
    assert sum(counts[1:]) == 33_402 + 202_353 + 13_068


def test_a_missing_image_is_named_with_its_folder(root):
    (root / "test/3.png").unlink()
    message = r"1 of 5 listed images are missing: test/3.png; looked in .*train, .*; get train.tar"
    with pytest.raises(InputError, match=message):
        load_dataset("svhn", root, require_official=False)


def test_what_is_wrong_is_named_with_file_and_image(root):
    edit_struct(root / "test", lambda file: write_field(file, 0, "label", [4.0, 12.0]))
    message = r"test/digitStruct.mat, image 1 \(1.png\): the label of digit 2 must be 1 to 10"
    with pytest.raises(InputError, match=message):
        list_svhn(root)
    (root / "test/digitStruct.mat").unlink()
    with pytest.raises(InputError, match=r"svhn: there is no digitStruct.mat in .*test; get train"):
        list_svhn(root)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_folder_says_how_to_get_the_images(tmp_path, part):
    write_svhn(tmp_path / "svhn", train=1, test=1)
    (tmp_path / "svhn" / part).rename(tmp_path / part)
    with pytest.raises(
        InputError, match=rf"svhn/{part} does not exist; get train.tar.gz, test.tar"
    ):
        list_svhn(tmp_path / "svhn")
    with pytest.raises(InputError, match=r"nowhere does not exist; get train.tar.gz"):
        list_svhn(tmp_path / "nowhere")
