"""Diving48: its lists, its layouts, and labels that are none."""

import json

import pytest

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.errors import InputError
from tests.listed_trees import DIVING_TRAIN, write_diving48


@pytest.mark.parametrize(("lists", "videos"), [("", "rgb"), ("annotations", "videos"), ("", "")])
def test_dives_are_listed_in_every_layout(tmp_path, lists, videos):
    write_diving48(tmp_path, lists=lists, videos=videos)
    listing = load_dataset("diving48", tmp_path, require_official=False)
    assert listing.name == "diving48 v2 (subset: 2 train, 1 test videos)"
    assert listing.classes[1] == "Forward 25som NoTwis PIKE"
    assert (listing.train[0].target, listing.test[0].target) == (1, 0)
    assert listing.test[0].path == tmp_path / videos / "_8Vy3dlHg2w_00000.mp4"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("V2_test", [{"vid_name": "x", "label": 2}], r"entry 1: expected a label from 0 to 1, as "),
        ("V2_test", [{"vid_name": "\ud800", "label": 0}], r"entry 1: no file can be called"),
        ("V2_test", DIVING_TRAIN, r"2 groups are in the training and in the test list \(-mmq0PT"),
        ("vocab", ["Back"], r"vocab.json: expected words for the class 0, got 'Back'"),
    ],
)
def test_wrong_lists_are_named(tmp_path, name, content, message):
    write_diving48(tmp_path)
    (tmp_path / f"Diving48_{name}.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_dataset("diving48", tmp_path, require_official=False)


def test_other_numbers_and_missing_lists_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Diving48_vocab.json: no such JSON file; get Diving48_r"):
        load_dataset("diving48", tmp_path)
    write_diving48(tmp_path)
    with pytest.raises(InputError, match=r"expected 48 classes, 15027 training and 1970 test"):
        load_dataset("diving48", tmp_path)
