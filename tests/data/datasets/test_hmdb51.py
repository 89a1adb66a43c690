"""HMDB51: its layouts and its real lists. What its lists are checked for: `test_jhmdb21.py`."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset

LINES = {"Film_wave_f_nm_np1_fr_goo_0": 1, "Film_wave_u_cm_np1_le_bad_1": 1, "B_#2": 2, "C": 0}
REAL = "data/annotations/hmdb51_splits"


@pytest.mark.parametrize("videos", ["hmdb51_org", "videos", ""])
@pytest.mark.parametrize("lists", ["testTrainMulti_7030_splits", "splits"])
def test_every_layout_is_read_without_the_clips_that_a_split_leaves_out(tmp_path, videos, lists):
    (tmp_path / lists).mkdir()
    (tmp_path / videos / "wave").mkdir(parents=True)
    lines = [f"{stem}.avi {part} \n" for stem, part in LINES.items()]
    (tmp_path / lists / "wave_test_split3.txt").write_text("".join(lines))
    for stem in LINES:
        (tmp_path / videos / "wave" / f"{stem}.avi").touch()
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
