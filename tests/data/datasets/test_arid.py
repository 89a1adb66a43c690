"""ARID: its lists and layouts."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.listed_trees import ARID_TEST, write_arid


@pytest.mark.parametrize(
    ("lists", "videos", "suffix"), [("list_cvt", "data", ".avi"), ("", "", ".mp4")]
)
def test_clips_are_listed_in_both_layouts(tmp_path, lists, videos, suffix):
    write_arid(tmp_path, folds=[2], lists=lists, videos=videos, suffix=suffix)
    listing = load_dataset("arid", tmp_path, 2, require_official=False)
    assert listing.name == "arid split 2 (subset: 3 train, 1 test videos)"
    assert listing.train.targets.tolist() == [0, 10, 10]
    assert listing.train.groups() == ["Drink_12", "Wave_10", "Wave_10"]
    assert listing.test[0].path == (tmp_path / videos / "Drink/Drink_9_1").with_suffix(suffix)


def test_a_split_leaves_the_same_number_of_clips_out():
    official = DATASETS["arid"].official.values()
    assert [3784 - counts.train - counts.test for counts in official] == [673] * 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t1\tDrink/Drink_9_2.avi", r"test.txt: expected '<number> <label of the class> <class>"),
        ("1\t0\tDrink/Wave_9_2.avi", r"got '1\\t0\\tDrink/Wave_9_2.avi'; classes are counted fr"),
        ("1\t0\tDrink/../Drink_9_2.avi", r"expected '<number> <label of the class> <class>/<cla"),
        ("1\t10\tWave/Wave_10_3.avi", r"1 groups are in the training and in the test list \(Wave"),
    ],
)
def test_wrong_lines_are_named(tmp_path, line, message):
    write_arid(tmp_path, folds=[2], lists="", videos="")
    (tmp_path / "ARID_split2_test.txt").write_text(ARID_TEST + line)
    with pytest.raises(InputError, match=message):
        DATASETS["arid"].read(tmp_path, 2, require_official=False)
