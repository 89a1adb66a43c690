"""UTD-MHAD: the scheme of its names, split by person."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.named_trees import write_utd_mhad


def test_odd_subjects_of_utd_mhad_are_trained_on(tmp_path):
    write_utd_mhad(tmp_path)
    listing = load_dataset("utd_mhad", tmp_path)
    assert (listing.name, len(listing.train), len(listing.test)) == ("utd_mhad", 431, 430)
    assert set(listing.train.groups()) == {"s1", "s3", "s5", "s7"}
    assert set(listing.test.groups()) == {"s2", "s4", "s6", "s8"}
    video = listing.test[0]
    assert (video.name, video.path) == ("a1_s2_t1", tmp_path / "RGB/a1_s2_t1_color.avi")
    video = listing.test[-1]
    assert (video.name, listing.label_text(video)) == ("a27_s8_t3", "squat (two arms stretch out)")


def test_videos_of_utd_mhad_may_be_in_the_root_and_re_encoded(tmp_path):
    write_utd_mhad(tmp_path, name="a{}_s{}_t{}_color.mp4")
    assert load_dataset("utd_mhad", tmp_path).train[0].path == tmp_path / "a1_s1_t1_color.mp4"


def test_a_missing_video_of_utd_mhad_is_named(tmp_path):
    write_utd_mhad(tmp_path)
    (tmp_path / "RGB/a8_s1_t4_color.avi").unlink()  # one that the authors left out
    (tmp_path / "RGB/a8_s1_t3_color.avi").unlink()
    message = r"1 of 861 listed videos are missing: a8_s1_t3_color.avi; looked in .*/RGB or, .*zip"
    with pytest.raises(InputError, match=message):
        DATASETS["utd_mhad"].keep_present(DATASETS["utd_mhad"].read(tmp_path, 1), tmp_path)
