"""Previews speak without the names of settings."""

import re
from itertools import product

import pytest
import torch

from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.runs.preview_words import describe_clips, describe_crops, describe_people
from tests.tiny import tiny_config

OWN_WORDS = r"data\.|looseness|jitter|region|\bview|aspect|tube|select|padd?\b|null|hflip|stride"


def people(*spans: int) -> VideoPeople:
    tubes = [
        Tube(torch.arange(span), torch.tensor([[1.0, 2, 30, 40]]).expand(span, 4).contiguous(),
             torch.ones(span))
        for span in spans
    ]  # fmt: skip
    return VideoPeople("a", tuple(tubes))


def test_crops_are_described_in_sentences(tiny_data):
    settings = ["data.crop.looseness=0.35", "data.crop.box_jitter=0.05", "data.crop.padding=black"]
    config = tiny_config(tiny_data, *settings)
    test = (
        "Crop: the person box with 35 % of its size added on each side, made square. "
        "What lies beyond the frame is black. The crop stays in place during a clip."
    )
    assert describe_crops(config, "test") == test
    moved = "Each side of the box moves at random by up to 5 % of it. "
    assert describe_crops(config, "train") == test.replace("What", f"{moved}What")
    assert describe_crops(tiny_config(tiny_data, "data.people=null"), "train") == ""


def test_people_are_counted(tiny_data):
    config = tiny_config(tiny_data, "data.tubes.min_span=4")
    assert describe_people(config, people(9)) == "1 person found."
    assert describe_people(config, people(9, 8)) == (
        "2 people found; the one seen longest is shown."
    )
    assert describe_people(config, people(9, 3)) == (
        "2 people found, 1 of them for 4 frames or more."
    )
    assert describe_people(config, None) == "no people found: clips show whole frames."
    whole = tiny_config(tiny_data, "data.people=null")
    assert describe_people(whole, None) == "No person boxes are used: clips show whole frames."


def test_frames_of_clips_are_described(tiny_data):
    dense = tiny_config(
        tiny_data, "data.clip.num_frames=4", "data.clip.stride=3", "eval.num_clips=2",
        "eval.num_crops=3", "data.crop.view_share=0.5",
    )  # fmt: skip
    assert describe_clips(dense, "test") == (
        "Test clips: 4 frames of a video, one in every 3; 2 clips of each video, each cut 3 times, "
        "50 % of the crop's shorter side."
    )
    parts = tiny_config(tiny_data, "data.clip.sampling=segment", "data.clip.num_frames=4")
    assert describe_clips(parts, "train").startswith(
        "Training clips: 4 frames, one from each of 4 equal parts; "
    )


@pytest.mark.parametrize("beyond", ["pad", "shift", "fit", "scene"])
def test_no_name_of_a_setting_is_in_any_of_them(tiny_data, beyond):
    for select, aspect, motion in product(("longest", "union"), ("square", "free"), ("fixed",)):
        config = tiny_config(
            tiny_data, f"data.crop.beyond={beyond}", f"data.tubes.select={select}",
            f"data.crop.aspect={aspect}", f"data.crop.motion={motion}", "data.crop.box_jitter=0.1",
        )  # fmt: skip
        text = " ".join([
            describe_people(config, people(9, 8)), describe_crops(config, "train"),
            describe_clips(config, "train"), describe_clips(config, "test"),
        ])  # fmt: skip
        assert not re.findall(OWN_WORDS, text), text
