"""The lists of AVA v2.2: which samples they give, of which part of which film."""

import shutil

import pytest
import torch

from stn_action.data.datasets.ava_v2 import list_ava, read_key_frames
from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.ava_tree import TRAIN, VAL, write_ava


@pytest.fixture
def root(tmp_path):
    return write_ava(tmp_path / "ava", films=())


def edit(root, part, old, new):
    path = root / f"annotations/ava_{part}_v2.2.csv"
    path.write_text(path.read_text().replace(old, new))


def test_a_sample_is_a_person_at_a_key_frame_with_all_actions_of_the_sixty(root):
    listing = list_ava(root)
    assert listing.classes == (
        "bend/bow (at the waist)", "stand", "talk to (e.g., self, a person)",
    )  # fmt: skip
    assert [(video.name, video.target, video.group) for video in listing.train] == [
        ("-5KQ66BBWC4/0902/0", (), "-5KQ66BBWC4"),
        ("-5KQ66BBWC4/0902/1", (1, 2), "-5KQ66BBWC4"),
        ("-5KQ66BBWC4/0903/1", (1,), "-5KQ66BBWC4"),
        ("053oq2xB3oU/0902/5", (0,), "053oq2xB3oU"),
    ]
    assert listing.train.targets.tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0], [1, 0, 0]]
    assert (len(listing.val), len(listing.test)) == (0, 4)
    assert listing.left_out == {"train": 1, "test": 0}
    assert [listing.label_text(video) for video in listing.train[:2]] == [
        "no label", "stand; talk to (e.g., self, a person)",
    ]  # fmt: skip


def test_the_slice_is_three_seconds_of_the_film_as_it_is_cut(root):
    for folder, name in (("videos_15min", "-5KQ66BBWC4.mkv"), ("videos", "053oq2xB3oU.webm")):
        (root / folder).mkdir()
        (root / folder / name).touch()
    (root / "videos/-5KQ66BBWC4.mp4").touch()
    slices = {
        video.name: (
            video.path.relative_to(root).as_posix(),
            video.start_seconds,
            video.end_seconds,
        )
        for video in list_ava(root).train
    }
    assert slices["-5KQ66BBWC4/0903/1"] == ("videos_15min/-5KQ66BBWC4.mkv", 1.5, 4.5)
    assert slices["053oq2xB3oU/0902/5"] == ("videos/053oq2xB3oU.webm", 900.5, 903.5)


def test_samples_of_missing_films_are_left_out_and_counted(root):
    (root / "videos").mkdir()
    for film in ("-5KQ66BBWC4", "1j20qq1JyX4"):
        (root / f"videos/{film}.mp4").touch()
    listing = load_dataset("ava", root, require_official=False)
    assert listing.name == "ava v2.2 val (subset: 4 train, 4 test ground truth boxes)"
    assert (len(listing.train), len(listing.test), listing.missing) == (3, 3, 1)


def test_the_official_numbers_are_those_of_films(root):
    message = r"3 classes, 2 training and 2 test films, expected 60 classes, 235 training and 64 "
    with pytest.raises(InputError, match=rf"not the official lists of ava v2.2 val: {message}test"):
        DATASETS["ava"].read(root, 1)


def test_official_lists_of_actions_have_sixty_classes(root, shared):
    for name in ("action_list_v2.2_for_activitynet_2019.pbtxt", "val_excluded_timestamps_v2.2.csv"):
        shutil.copy(shared / f"data/annotations/ava/ava_{name}", root / f"annotations/ava_{name}")
    edit(root, "val", VAL, VAL + "UrsCy6qIGoo,1424,0,0,1,1,12,3\nUrsCy6qIGoo,1423,0,0,1,1,80,3\n")
    listing = list_ava(root)
    assert len(listing.classes) == 60
    assert listing.label_text(listing.test[-1]) == "watch (a person)"
    assert listing.left_out["test"] == 1


def test_key_frames_have_the_boxes_of_the_samples_and_their_actions(root):
    listed = read_key_frames(root)
    assert listed.names == list_ava(root).test.names()
    assert listed.groups == ["1j20qq1JyX4"] * 3 + ["2qQs3Y9OJX0"]
    assert listed.boxes[1].tolist() == [0.002, 0.118, 0.714, 0.977]
    assert (listed.person.tolist(), listed.action.tolist()) == ([0, 1, 1, 2, 3], [1, 1, 2, 0, 1])
    assert torch.equal(listed.frame == listed.frame[0], torch.tensor([True, True, False, False]))


def test_a_list_may_be_in_the_root_itself(root):
    for path in (root / "annotations").iterdir():
        path.rename(root / path.name)
    (root / "annotations").rmdir()
    assert len(list_ava(root).train) == 4


def test_a_line_that_is_repeated_counts_once(root):
    edit(root, "train", TRAIN, TRAIN + TRAIN[: TRAIN.index("\n") + 1])
    assert list_ava(root).train[1].target == (1, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,0901,0,0,1,1,12,1", r"the timestamp 901 of a is outside of the film's annotated part"),
        ("a,1799,0,0,1,1,12,1", r"the timestamp 1799 of a is outside .* from 902 to 1798"),
        ("a,0902.5,0,0,1,1,12,1", r"the timestamp 902.5 of a is outside .*, whole seconds"),
        ("a,0902,0,0,320,240,12,1", r"line 6: corners must be shares of the image"),
        ("a,0902,0,0,1,1,81,1", r"person 1 of a at 0902 s has the unknown action 81, AVA's are 1 "),
        (
            "1j20qq1JyX4,0902,0,0,1,1,1,1",
            r"person 1 of 1j20qq1JyX4 at 0902 s has two different boxes, \[0.002, .* and \[0.0,",
        ),
    ],
)
def test_a_line_that_is_none_of_ava_s_is_refused(root, line, message):
    edit(root, "val", VAL, f"{VAL}{line}\n")
    with pytest.raises(InputError, match=rf"ava_val_v2\.2\.csv.*{message}"):
        list_ava(root)


@pytest.mark.parametrize(
    "name",
    [
        "ava_action_list_v2.2_for_activitynet_2019.pbtxt", "ava_val_v2.2.csv",
        "ava_train_excluded_timestamps_v2.2.csv",
    ],
)  # fmt: skip
def test_a_list_that_is_missing_is_named(root, name):
    (root / "annotations" / name).unlink()
    with pytest.raises(InputError, match=rf"there is no {name} in .*annotations; get ava_v2.2.zip"):
        list_ava(root)


def test_a_film_in_both_lists_is_refused(root):
    edit(root, "val", "2qQs3Y9OJX0", "-5KQ66BBWC4")
    with pytest.raises(InputError, match=r"1 groups are in the training and in the test list \(-5"):
        DATASETS["ava"].read(root, 1, require_official=False)
