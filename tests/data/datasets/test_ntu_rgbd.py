"""NTU RGB+D: four protocols, told by the names of the files."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.ntu_classes import CLASSES
from stn_action.data.datasets.ntu_rgbd import PROTOCOLS, VIDEOS
from stn_action.errors import InputError
from tests.named_trees import NTU_NAMES, write_ntu_rgbd


@pytest.fixture
def root(tmp_path):
    return write_ntu_rgbd(tmp_path)


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("ntu60_xsub", (0, 1), (2, 3)),
        ("ntu60_xview", (1, 2), (0, 3)),
        ("ntu120_xsub", (0, 1, 4, 7), (2, 3, 5, 6)),
        ("ntu120_xset", (2, 3, 4, 5), (0, 1, 6, 7)),
    ],
)
def test_a_protocol_splits_by_the_names(root, name, train, test):
    listing = load_dataset(name, root, require_official=False)
    assert sorted(listing.train.names()) == sorted(NTU_NAMES[place] for place in train)
    assert sorted(listing.test.names()) == sorted(NTU_NAMES[place] for place in test)
    assert not listing.val
    assert listing.classes == CLASSES[: PROTOCOLS[name].actions]


def test_a_sample_has_the_label_of_its_number(root):
    listing = load_dataset("ntu120_xset", root, require_official=False)
    video = next(video for video in listing.train if video.name == NTU_NAMES[5])
    assert video.path == root / VIDEOS / f"{NTU_NAMES[5]}_rgb.avi"
    assert listing.label_text(video).startswith("finger-guessing game")
    assert video.group == "S018"


def test_cameras_of_one_part_share_their_groups(root):
    listing = load_dataset("ntu60_xview", root, require_official=False)
    assert listing.train.groups() == ["P001 2 3", "P003 2 3"]
    assert listing.test.groups() == ["P001 1", "P003 1"]


def test_the_protocols_share_their_totals():
    assert {name: sum(counts[1:3]) for name in PROTOCOLS
            for counts in DATASETS[name].official.values()} == {
        "ntu60_xsub": 56_880, "ntu60_xview": 56_880,
        "ntu120_xsub": 114_480, "ntu120_xset": 114_480,
    }  # fmt: skip
    assert len(set(CLASSES)) == 120
    assert not any("/" in name for name in CLASSES)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("S001C001P001R001A121_rgb.avi", "got 1 others: S001C001P001R001A121_rgb.avi; ask for acc"),
        ("S001C001P001R001A001.avi", r"expected videos S<NNN>.*rgb.avi in .*, got 1 others: S001C"),
    ],
)
def test_other_files_beside_ntu_are_named(root, file, message):
    (root / VIDEOS / file).touch()
    with pytest.raises(InputError, match=message):
        DATASETS["ntu60_xsub"].read(root, 1)


def test_incomplete_ntu_is_refused(root, tmp_path_factory):
    message = r"60 classes, 2 training and 2 test videos, expected 60 classes, 40320 training and"
    with pytest.raises(InputError, match=message):
        DATASETS["ntu60_xsub"].read(root, 1)
    with pytest.raises(InputError, match=r"ntu60_xview: expected videos .* got none; ask"):
        DATASETS["ntu60_xview"].read(tmp_path_factory.mktemp("empty"), 1)
