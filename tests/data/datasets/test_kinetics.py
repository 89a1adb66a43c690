"""Kinetics: its lists by releases, its layouts, and videos that are no longer there."""

import csv

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.listed_trees import (
    KINETICS_FILES,
    KINETICS_TITLES,
    KINETICS_TRAIN,
    KINETICS_VAL,
    write_kinetics,
)


def load(root, name="kinetics400"):
    return load_dataset(name, root, require_official=False)


def test_videos_are_found_in_the_layout_of_cvdf(tmp_path):
    listing = load(write_kinetics(tmp_path))
    assert listing.name == "kinetics400 val (subset: 2 train, 2 test videos)"
    assert listing.classes == ("a", "b (x)")
    assert listing.train.targets.tolist() == [1, 0]
    assert listing.train.names()[0] == "train/b (x)/-aAbBcCdD_0_000007_000017"
    assert listing.test.paths()[0] == str(tmp_path / "val/vvvvvvvvvvv_000100_000110.mp4")
    assert (len(listing.val), listing.missing) == (0, 0)


@pytest.mark.parametrize(
    "layout",
    [
        {"folder": "{part}/any_name", "lists": "", "suffix": ".mkv"},
        {"folder": "videos/{part}/a", "val": "validate", "split": "validate"},
        {"folder": "videos_{part}/b", "split": "validation"},
    ],
)
def test_other_layouts_are_read(tmp_path, layout):
    assert len(load(write_kinetics(tmp_path, **layout)).test) == 2


def test_a_replaced_video_comes_before_the_damaged_one(tmp_path):
    folder = write_kinetics(tmp_path) / "replacement/replacement_for_corrupted_k400"
    folder.mkdir(parents=True)
    (folder / "aaaaaaaaaaa.mp4").touch()
    assert load(tmp_path).train.paths()[1] == str(folder / "aaaaaaaaaaa.mp4")


def test_missing_videos_are_counted_and_never_all(tmp_path):
    write_kinetics(tmp_path)
    for file in KINETICS_FILES[1:3]:
        (tmp_path / f"{file}.mp4").unlink()
    (tmp_path / f"{KINETICS_FILES[1]}.mp4").symlink_to("nowhere.mp4")
    listing = load(tmp_path)
    assert (len(listing.train), len(listing.test), listing.missing) == (1, 1, 1)
    (tmp_path / f"{KINETICS_FILES[3]}.mp4").unlink()
    with pytest.raises(InputError, match=r"all 2 test videos of kinetics400 val .* are missing"):
        load(tmp_path)


def test_only_the_classes_of_later_releases_are_counted(tmp_path):
    write_kinetics(tmp_path)
    message = "not the official lists of kinetics600 val: 2 classes, .* expected 600 classes; get"
    with pytest.raises(InputError, match=message):
        load_dataset("kinetics600", tmp_path)
    rows = "".join(f"{n},{n:011},1,11,train,0\n" for n in range(698))
    (tmp_path / "annotations/train.csv").write_text(KINETICS_TITLES + KINETICS_TRAIN + rows)
    listing = load_dataset("kinetics700", tmp_path)
    assert (listing.name, len(listing.classes)) == ("kinetics700 val", 700)
    message = "2 training and 2 test videos, expected 400 classes, 246534 training and 19906 test"
    (tmp_path / "annotations/train.csv").write_text(KINETICS_TITLES + KINETICS_TRAIN)
    with pytest.raises(InputError, match=message):
        load_dataset("kinetics400", tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "val",
            KINETICS_TRAIN,
            r"val.csv, line 2: expected a video of the split val, got one of 'train'",
        ),
        (
            "val",
            KINETICS_VAL.format(split="val").replace("a,w", "c,w"),
            r"line 3: the class 'c' is none of",
        ),
        ("train", "a,x,17,7,train,0\n", r"train.csv, line 2: expected a start and an end after it"),
        ("train", "a,../../x,1,7,train,0\n", r"line 2: expected the name of a video or a c"),
        (
            "train",
            KINETICS_TRAIN + KINETICS_TRAIN,
            r"2 training videos are listed more than once \(train/b \(x\)/-aA",
        ),
    ],
)
def test_wrong_entries_are_named(tmp_path, file, text, message):
    write_kinetics(tmp_path)
    (tmp_path / f"annotations/{file}.csv").write_text(KINETICS_TITLES + text)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_a_clip_in_both_lists_is_a_leak(tmp_path):
    write_kinetics(tmp_path)
    with (tmp_path / "annotations/val.csv").open("a") as file:
        file.write(KINETICS_TRAIN.replace("train", "val"))
    with pytest.raises(InputError, match=r"2 groups are in the training and in the test list"):
        load(tmp_path)


def test_a_missing_list_is_named(tmp_path):
    message = r"kinetics400: there is no list train.csv in .*annotations or .*; get the videos and"
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_the_real_validation_list_is_read(shared, tmp_path):
    real = shared / "data/annotations/kinetics/kinetics-400_val.csv"
    write_kinetics(tmp_path)
    (tmp_path / "annotations/val.csv").write_bytes(real.read_bytes())
    with real.open() as file:
        labels = sorted({row["label"] for row in csv.DictReader(file)})
    rows = "".join(f'"{label}",{n:011},1,11,train\n' for n, label in enumerate(labels))
    (tmp_path / "annotations/train.csv").write_text(
        f"label,youtube_id,time_start,time_end,split\n{rows}"
    )
    listing = DATASETS["kinetics400"].read(tmp_path, 1, require_official=False)
    assert len(listing.test) == DATASETS["kinetics400"].official["kinetics400 val"].test
    assert (len(listing.classes), listing.classes[-1]) == (400, "zumba")
    assert listing.test.names()[0] == "val/abseiling/0wR5jVB-WPk_000417_000427"
