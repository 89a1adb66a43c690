from collections import Counter

import pytest

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.datasets.ut_interaction import CLASSES
from stn_action.errors import InputError
from tests.named_trees import UT_LABELS, write_ut_interaction


@pytest.fixture
def root(tmp_path):
    return write_ut_interaction(tmp_path)


@pytest.mark.parametrize("split", range(1, 11))
def test_one_sequence_is_held_out(root, split):
    fold = load_dataset("ut_interaction", root, split)
    assert fold.name == f"ut_interaction set 1, sequence {split} held out"
    assert {video.group for video in fold.test} == {str(split)}
    assert str(split) not in {video.group for video in fold.train}
    assert len(fold.test) == {6: 5, 8: 7}.get(split, 6)
    assert len(fold.train) + len(fold.test) == 60
    assert sorted(video.target for video in fold.test) == list(UT_LABELS[split])


def test_clips_come_in_the_order_of_their_numbers(root):
    videos = load_dataset("ut_interaction", root, 1).train
    assert [int(video.name.split("_")[0]) for video in videos] == list(range(6, 60))


def test_the_real_clips_are_the_official_ones(shared):
    folds = [
        load_dataset("ut_interaction", shared / "data/ut_interaction_set1", n) for n in range(1, 11)
    ]
    tested = [video for fold in folds for video in fold.test]
    assert len({video.name for video in tested}) == 60
    assert all(video.path.is_file() for video in tested)
    assert folds[0].classes == CLASSES
    assert Counter(video.target for video in folds[5].test) == {0: 1, 1: 1, 2: 1, 3: 1, 5: 1}
    assert len(folds[7].test) == 7


def test_a_missing_clip_is_noticed(root):
    (root / "32_6_2.avi").unlink()
    message = (
        r"59 clips of 10 sequences, .* 60 clips .* \(sequence 6: 4 instead of 5\); get ut-inter"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("ut_interaction", root, 1)


@pytest.fixture
def second_root(tmp_path):
    """Set 2: sequences 11 to 20, one clip of each class in each."""
    for number in range(60):
        (tmp_path / f"{number}_{11 + number // 6}_{number % 6}.mp4").touch()
    return tmp_path


@pytest.mark.parametrize("fold", [1, 10])
def test_set_2_is_told_by_its_sequences(second_root, fold):
    listing = load_dataset("ut_interaction", second_root, fold)
    assert listing.name == f"ut_interaction set 2, sequence {10 + fold} held out"
    assert listing.dataset == "ut_interaction set 2"
    assert {video.group for video in listing.test} == {str(10 + fold)}
    assert [video.target for video in listing.test] == [0, 1, 2, 3, 4, 5]
    assert {video.group for video in listing.train} == {
        str(sequence) for sequence in range(11, 21) if sequence != 10 + fold
    }


def test_set_2_must_be_complete(second_root):
    (second_root / "6_12_0.mp4").unlink()
    message = r"59 clips of 10 sequences, .* 60 clips .* of set 2 \(sequence 12: 5 instead of 6\)"
    with pytest.raises(InputError, match=message):
        load_dataset("ut_interaction", second_root, 1)


def test_both_sets_in_one_folder_are_refused(second_root):
    (second_root / "7_12_1.mp4").rename(second_root / "60_2_1.mp4")
    message = r"clips of both sets: 1 of set 1 \(60_2_1.mp4\) and 59 of set 2 \(0_11_0.mp4\); give"
    with pytest.raises(InputError, match=message):
        load_dataset("ut_interaction", second_root, 1)


def test_sequences_of_neither_set_are_refused(second_root):
    (second_root / "59_20_5.mp4").rename(second_root / "59_21_5.mp4")
    with pytest.raises(InputError, match=r"of set 2 \(sequence 20: 5 instead of 6\); get ut-inter"):
        load_dataset("ut_interaction", second_root, 1)


def test_a_strange_file_is_named(root):
    (root / "seq1.avi").touch()
    with pytest.raises(InputError, match=r"1 files that are not named .*: seq1.avi; get ut-inter"):
        load_dataset("ut_interaction", root, 1)


def test_an_empty_or_missing_folder_says_how_to_get_the_clips(tmp_path):
    with pytest.raises(InputError, match=r"holds 0 clips of 0 sequences, .*SDHA 2010"):
        load_dataset("ut_interaction", tmp_path, 1)
    with pytest.raises(InputError, match=r"nowhere does not exist; get ut-interaction_set1"):
        load_dataset("ut_interaction", tmp_path / "nowhere", 1)


@pytest.mark.parametrize("split", [0, 11])
def test_there_are_ten_sequences(tmp_path, split):
    with pytest.raises(InputError, match=f"must be 1, 2, 3, 4, 5, 6, 7, 8, 9 or 10, got {split}"):
        load_dataset("ut_interaction", tmp_path, split)
