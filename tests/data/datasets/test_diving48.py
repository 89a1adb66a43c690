"""Diving48: its lists, its layouts, and labels that are none."""

import json

import pytest

from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.errors import InputError

CLASSES = [["Back", "15som", "05Twis", "FREE"], ["Forward", "25som", "NoTwis", "PIKE"]]
TRAIN = [{"vid_name": "-mmq0PT-u8k_00005", "label": 1, "start_frame": 0, "end_frame": 90}]
TEST = [{"vid_name": "_8Vy3dlHg2w_00000", "label": 0, "start_frame": 0, "end_frame": 80}]


def write(lists, videos):
    for folder in (lists, videos):
        folder.mkdir(parents=True, exist_ok=True)
    content = {"V2_train": TRAIN, "V2_test": TEST, "vocab": CLASSES}
    for name, values in content.items():
        (lists / f"Diving48_{name}.json").write_text(json.dumps(values))
    for dive in TRAIN + TEST:
        (videos / f"{dive['vid_name']}.mp4").touch()


@pytest.mark.parametrize(("lists", "videos"), [("", "rgb"), ("annotations", "videos"), ("", "")])
def test_dives_are_listed_in_every_layout(tmp_path, lists, videos):
    write(tmp_path / lists, tmp_path / videos)
    listing = load_dataset("diving48", tmp_path, require_official=False)
    assert listing.name == "diving48 v2 (subset: 1 train, 1 test videos)"
    assert listing.classes[1] == "Forward 25som NoTwis PIKE"
    assert (listing.train[0].target, listing.test[0].target) == (1, 0)
    assert listing.test[0].path == tmp_path / videos / "_8Vy3dlHg2w_00000.mp4"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("V2_test", [{"vid_name": "x", "label": 2}], r"entry 1: expected a label from 0 to 1, as "),
        ("V2_test", [{"vid_name": "\ud800", "label": 0}], r"entry 1: no file can be called"),
        ("V2_test", TRAIN, r"1 groups are in the training and in the test list \(-mmq0PT"),
        ("vocab", ["Back"], r"vocab.json: expected words for the class 0, got 'Back'"),
    ],
)
def test_wrong_lists_are_named(tmp_path, name, content, message):
    write(tmp_path, tmp_path / "rgb")
    (tmp_path / f"Diving48_{name}.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_dataset("diving48", tmp_path, require_official=False)


def test_other_numbers_and_missing_lists_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Diving48_vocab.json: no such JSON file; get Diving48_r"):
        load_dataset("diving48", tmp_path)
    write(tmp_path, tmp_path / "rgb")
    with pytest.raises(InputError, match=r"expected 48 classes, 15027 training and 1970 test"):
        load_dataset("diving48", tmp_path)
