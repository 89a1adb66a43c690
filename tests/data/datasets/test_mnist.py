"""MNIST's four files as a listing."""

import shutil

import pytest
import torch

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.datasets.mnist import list_mnist, list_mnist_addition
from stn_action.data.digits.digit_clips import digit_numbers
from stn_action.data.digits.idx_file import write_idx
from stn_action.errors import InputError
from tests.digit_tree import write_digits


def test_digits_are_numbered_and_labeled(tmp_path):
    listing = list_mnist(write_digits(tmp_path, train=12, test=5))
    assert (len(listing.train), len(listing.val), len(listing.test)) == (12, 0, 5)
    assert listing.train[11].name == "train/00011"
    assert listing.train[11].target == 1
    assert listing.test[4].path == tmp_path / "t10k-images-idx3-ubyte.gz"
    assert listing.classes == tuple("0123456789")


def test_the_folder_of_a_download_is_found(tmp_path):
    write_digits(tmp_path, train=3, test=2)
    raw = tmp_path / "root" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in tmp_path.glob("*ubyte*"):
        shutil.move(file, raw / file.name)
    assert len(list_mnist(tmp_path / "root").train) == 3


def test_what_is_wrong_is_named(tmp_path):
    write_digits(tmp_path, train=12, test=5)
    with pytest.raises(InputError, match="not the official lists of mnist: 10 classes, 12 train"):
        load_dataset("mnist", tmp_path)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    write_idx(labels, torch.tensor([1, 2], dtype=torch.uint8))
    with pytest.raises(InputError, match=r"2 labels, but t10k-images.* has 5 images"):
        list_mnist(tmp_path)
    write_idx(labels, torch.tensor([1, 2, 3, 11, 4], dtype=torch.uint8))
    with pytest.raises(InputError, match="expected labels from 0 to 9, got a label 11"):
        list_mnist(tmp_path)
    labels.unlink()
    with pytest.raises(InputError, match=r"no file t10k-labels-idx1-ubyte or .*gz; get them with"):
        list_mnist(tmp_path)
    with pytest.raises(InputError, match=r"does not exist; get them with `python -c"):
        list_mnist(tmp_path / "nowhere")


def test_the_official_files_have_their_counts(shared):
    listing = load_dataset("mnist", shared / "data/mnist")
    assert listing.name == "mnist"
    assert listing.test.targets[:5].tolist() == [7, 2, 1, 0, 4]


def test_pairs_are_summed_and_every_digit_is_once_in_each_place(tmp_path):
    root = write_digits(tmp_path, train=25, test=8)
    digits, pairs = list_mnist(root), list_mnist_addition(root)
    assert pairs.classes == tuple(map(str, range(19)))
    for one, two in ((digits.train, pairs.train), (digits.test, pairs.test)):
        numbers = torch.tensor([digit_numbers(name) for name in two.names()])
        assert numbers[:, 0].tolist() == list(range(len(one)))
        assert sorted(numbers[:, 1].tolist()) == list(range(len(one)))
        assert torch.equal(two.targets, one.targets[numbers].sum(1))
    assert list_mnist_addition(root).train.names() == pairs.train.names()
