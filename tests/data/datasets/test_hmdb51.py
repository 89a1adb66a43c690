"""HMDB51: its layouts and its real lists. What its lists are checked for: `test_jhmdb21.py`."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from tests.listed_trees import write_hmdb51

REAL = "data/annotations/hmdb51_splits"


@pytest.mark.parametrize("videos", ["hmdb51_org", "videos", ""])
@pytest.mark.parametrize("lists", ["testTrainMulti_7030_splits", "splits"])
def test_every_layout_is_read_without_the_clips_that_a_split_leaves_out(tmp_path, videos, lists):
    write_hmdb51(tmp_path, fold=3, lists=lists, videos=videos)
    listing = load_dataset("hmdb51", tmp_path, 3, require_official=False)
    assert listing.name == "hmdb51 split 3 (subset: 2 train, 1 test videos)"
    assert listing.test.names() == ["wave/B_#2"]
    assert listing.train.groups() == ["wave/Film"] * 2


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_the_real_splits_are_official_and_tear_no_group_apart(shared, tmp_path, fold):
    (tmp_path / "splits").symlink_to(shared / REAL)
    listing = DATASETS["hmdb51"].read(tmp_path, fold)
    assert listing.name == f"hmdb51 split {fold}"
    assert listing.classes[::50] == ("brush_hair", "wave")
    assert len(set(listing.all_videos.groups())) == (2023, 2006, 2000)[fold - 1]
