"""Toyota Smarthome: three protocols, told by the names of the files."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.smarthome import CLASSES, CROSS_VIEW_CLASSES, VIDEOS
from stn_action.errors import InputError
from tests.named_trees import SMARTHOME_NAMES, write_smarthome


@pytest.fixture
def root(tmp_path):
    return write_smarthome(tmp_path)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("smarthome_xsub", ((1, 2, 4), (), (0, 3, 5))),
        ("smarthome_xview1", ((1,), (5,), (2,))),
        ("smarthome_xview2", ((1, 3), (5,), (2,))),
    ],
)
def test_a_protocol_of_smarthome_splits_by_the_names(root, name, parts):
    listing = load_dataset(name, root)
    found = [sorted(part.names()) for part in (listing.train, listing.val, listing.test)]
    assert found == [sorted(SMARTHOME_NAMES[place] for place in part) for part in parts]
    for video in listing.all_videos:
        assert listing.label_text(video) == video.name.partition("_")[0]


def test_a_person_before_the_cameras_of_one_part_is_a_group(root):
    assert load_dataset("smarthome_xsub", root).test.groups() == ["p02", "p10", "p20"]
    listing = load_dataset("smarthome_xview2", root)
    assert (listing.train.groups(), listing.test.groups()) == (
        ["p10 train", "p03 train"], ["p03 test"],
    )  # fmt: skip


def test_the_classes_of_both_views_are_some_of_all():
    assert (len(set(CLASSES)), len(set(CROSS_VIEW_CLASSES))) == (31, 19)
    assert set(CROSS_VIEW_CLASSES) < set(CLASSES)


@pytest.mark.parametrize("file", ["Cook_p02_r00_v02_c03.mp4", "Walk_p3_r01_v15_c01.mp4"])
def test_other_files_beside_smarthome_are_named(root, file):
    (root / VIDEOS / file).touch()
    with pytest.raises(InputError, match=rf"of 31 classes in .*, got 1 others: {file}; ask for"):
        DATASETS["smarthome_xview1"].read(root, 1)
