"""Mistakes that the lists of any data set can have: each ends with one message, in every set."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from stn_action.data.datasets.dataset_spec import DatasetSpec
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.errors import InputError
from tests.dataset_trees import TREES
from tests.tree_files import touch


@dataclass(frozen=True)
class Lists:
    """The lists of a tree, relative to its folder."""

    test: str
    """The list of the test videos."""
    path: str
    """How the path of a video begins in it."""
    train: str = ""
    """The list of the training videos; empty: one list has both."""
    others: Sequence[str] = ()
    pickled: Sequence[str] = ()
    """Others that are no text."""
    repeats: bool = True
    """A video that is listed twice is a mistake."""


_CUB, _AVA = "CUB_200_2011", "annotations/ava"
LISTS = {
    "ucf101": Lists(
        "ucfTrainTestlist/testlist01.txt", "Archery/v_", "ucfTrainTestlist/trainlist01.txt",
        ["ucfTrainTestlist/classInd.txt"],
    ),
    "ucf101_24": Lists(
        "annotations/testlist01.txt", "Biking/v_", pickled=["annotations/pyannot.pkl"]
    ),
    "hmdb51": Lists("testTrainMulti_7030_splits/wave_test_split1.txt", "B_#2"),
    "jhmdb": Lists(
        "splits/sit_test_split1.txt", "home.take", others=["splits/kick_ball_test_split1.txt"]
    ),
    "kinetics400": Lists("annotations/val.csv", "wwwwwwwwwww", "annotations/train.csv"),
    "something_v1": Lists(
        "something-something-v1-validation.csv", "3;", "something-something-v1-train.csv",
        ["something-something-v1-labels.csv"],
    ),
    "something_v2": Lists(
        "labels/something-something-v2-validation.json", '3", "label',
        "labels/something-something-v2-train.json", ["labels/something-something-v2-labels.json"],
    ),
    "diving48": Lists(
        "Diving48_V2_test.json", "_8Vy3", "Diving48_V2_train.json", ["Diving48_vocab.json"]
    ),
    "finegym99": Lists(
        "annotations/gym99_val_element.txt", "-1FbFe_gbuQ",
        "annotations/gym99_train_element_v1.1.txt", [
            "annotations/gym99_categories.txt", "annotations/finegym_annotation_info_v1.1.json",
        ],
    ),
    "kth": Lists("00sequences.txt", "person22_boxing_d2"),
    "arid": Lists(
        "list_cvt/ARID_split1_test.txt", "Drink/Drink", "list_cvt/ARID_split1_train.txt"
    ),
    "cub200": Lists(
        f"{_CUB}/images.txt", "001.Black_footed_Albatross/", others=[
            f"{_CUB}/{name}.txt" for name in ("classes", "image_class_labels", "train_test_split")
        ],
    ),
    "ava": Lists(
        f"{_AVA}_val_v2.2.csv", "1j20qq1JyX4", f"{_AVA}_train_v2.2.csv", [
            f"{_AVA}_{name}" for name in (
                "train_excluded_timestamps_v2.2.csv", "val_excluded_timestamps_v2.2.csv",
                "action_list_v2.2_for_activitynet_2019.pbtxt",
            )
        ],
        repeats=False,  # a line is an action
    ),
    "ava_detected80": Lists(
        "annotations/person_box_67091280_iou90/ava_detection_val_boxes_and_labels.csv",
        "1j20qq1JyX4", repeats=False,
    ),
}  # fmt: skip
AS_ANOTHER = {"kinetics600", "kinetics700", "mnist_addition", "ava_detected90"}
"""They share a reader with a set that is here."""
ANOTHER_FORM = {"csv", "svhn", "mnist"}
"""Their lists have tests of their own: of the form of CSV, of MATLAB's files and of idx files."""
BY_NAME = {
    "ut_interaction", "weizmann", "utd_mhad", "haa500", "folders", "sample",
    *(name for name in DATASETS if name.startswith(("ntu", "smarthome"))),
}  # fmt: skip
"""They have no list."""
WITH_PARTS = [name for name, lists in LISTS.items() if lists.train]
WITH_REPEATS = [name for name, lists in LISTS.items() if lists.repeats]
Edit = Callable[[str], str]


def tree(name: str, folder: Path) -> Path:
    return TREES[name](folder / "data", touch)


def error_of(spec: DatasetSpec, root: Path) -> str:
    with pytest.raises(InputError, match=r".") as caught:
        spec.read(root, 1, require_official=bool(spec.official))
    return str(caught.value)


def lenient(name: str) -> DatasetSpec:
    """Without official numbers, which most mistakes would change."""
    return replace(DATASETS[name], official={})


def edit(file: Path, change: Edit) -> None:
    text = file.read_text()
    assert change(text) != text
    file.write_text(change(text))


def with_entry_of(text: str, other: str) -> str:
    """A list with the last entry of another one of the same form."""
    if other.startswith("["):
        return json.dumps([*json.loads(text), json.loads(other)[-1]])
    return f"{text.rstrip()}\n{other.rstrip().splitlines()[-1]}\n"


def test_every_data_set_is_tried():
    groups = [LISTS.keys(), AS_ANOTHER, ANOTHER_FORM, BY_NAME]
    assert set().union(*groups) == DATASETS.keys()
    assert sum(map(len, groups)) == len(DATASETS)


@pytest.mark.parametrize("name", LISTS)
def test_a_missing_list_ends_with_the_remedy(name, tmp_path):
    root, lists = tree(name, tmp_path), LISTS[name]
    for file in filter(None, (lists.test, lists.train, *lists.others, *lists.pickled)):
        content = (root / file).read_bytes()
        (root / file).unlink()
        assert DATASETS[name].remedy in error_of(lenient(name), root)
        (root / file).write_bytes(content)
    lenient(name).read(root, 1)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_in_another_encoding_is_named(name, tmp_path):
    root, lists = tree(name, tmp_path), LISTS[name]
    for file in filter(None, (lists.test, lists.train, *lists.others)):
        content = (root / file).read_bytes()
        (root / file).write_bytes(content + "\n1 é 2\n".encode("latin-1"))
        message = error_of(lenient(name), root)
        assert message.startswith(f"{root / file}: cannot be read: it must be text in UTF-8, line")
        (root / file).write_bytes(content)


@pytest.mark.parametrize("name", WITH_REPEATS)
def test_a_repeated_entry_is_refused(name, tmp_path):
    root, lists = tree(name, tmp_path), LISTS[name]
    for file in filter(None, (lists.test, lists.train)):
        content = (root / file).read_text()
        (root / file).write_text(with_entry_of(content, content))
        message = error_of(lenient(name), root)
        assert any(words in message for words in ("more than once", "listed twice", "already"))
        (root / file).write_text(content)


@pytest.mark.parametrize("name", WITH_PARTS)
def test_a_training_video_in_the_test_list_is_refused(name, tmp_path):
    root, lists = tree(name, tmp_path), LISTS[name]
    training = (root / lists.train).read_text().replace(",train,", ",val,")  # of Kinetics
    edit(root / lists.test, lambda text: with_entry_of(text, training))
    assert "1 groups are in the training and in the test list" in error_of(lenient(name), root)


@pytest.mark.parametrize("name", WITH_PARTS)
def test_lists_that_changed_places_are_refused(name, tmp_path):
    root, lists = tree(name, tmp_path), LISTS[name]
    if name == "ava":  # both lists have two films
        edit(root / lists.train, lambda text: f"{text}third,0902,0,0,1,1,12,0\n")
    spec = lenient(name)
    listing = spec.list_videos(root, 1)
    spec = replace(spec, official={listing.name: DATASETS[name]._counts(listing)})
    spec = replace(spec, counted_groups=DATASETS[name].counted_groups)
    spec.read(root, 1)
    train, test = ((root / file).read_bytes() for file in (lists.train, lists.test))
    (root / lists.train).write_bytes(test)
    (root / lists.test).write_bytes(train)
    message = error_of(spec, root)
    assert "not the official lists of" in message or "the list of another part?" in message


@pytest.mark.parametrize("start", ["../", "/"])
@pytest.mark.parametrize("name", LISTS)
def test_a_path_that_leaves_the_folder_of_the_videos_is_refused(name, start, tmp_path):
    root, lists = tree(name, tmp_path), LISTS[name]
    edit(root / lists.test, lambda text: text.replace(lists.path, f"{start}{lists.path}"))
    message = error_of(lenient(name), root)
    assert message.startswith(str(root / lists.test))
    assert "expected" in message
    assert f"{start}{lists.path[0]}" in message


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "message"),
    [
        ("ucf101", LISTS["ucf101"].test, "Archery", "Archer", r"expected '<class of classInd.txt"),
        ("ucf101", LISTS["ucf101"].others[0], "100 W", "100 YoYo\n", r"line 101: expected '101 <"),
        ("kinetics400", LISTS["kinetics400"].train, "b (x)", "../x", r"line 2: expected the name"),
        (
            "kinetics400", LISTS["kinetics400"].train, "b (x)", "b, x",
            r"train.csv, line 2: expected a video of the split train, got one of '17'",
        ),
        (
            "something_v2", LISTS["something_v2"].test, "Holding", "Held",
            r"entry 1: the class 'Held something, still' is none of the 2 of",
        ),
        (
            "diving48", LISTS["diving48"].others[0], "Forward\", \"25som\", \"NoTwis\", \"PIKE",
            "Back\", \"15som\", \"05Twis\", \"FREE",
            r"several of the 2 classes have the same name \(Back 15som 05Twis FREE\); is the list",
        ),
    ],
)  # fmt: skip
def test_unknown_and_equal_classes_are_named(name, file, old, new, message, tmp_path):
    root = tree(name, tmp_path)
    edit(root / file, lambda text: text.replace(old, new))
    with pytest.raises(InputError, match=message):
        lenient(name).read(root, 1)


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("weizmann", "videos/hop/ido_hop.avi", r"folders of clips that are no class: hop; classes"),
        ("utd_mhad", "RGB/a28_s1_t1_color.avi", r"got 1 others: a28_s1_t1_color.avi; get RGB.zip"),
        ("utd_mhad", "RGB/a1_s9_t1_color.avi", r"expected videos a<1-27>_s<1-8>_t<1-4>_color.avi"),
        (
            "folders",
            "test/kick/x.mp4",
            r"the class kick is not in .*, which holds kick, high, wave",
        ),
    ],
)
def test_files_of_unknown_classes_are_named(name, file, message, tmp_path):
    root = tree(name, tmp_path)
    touch(root / file)
    with pytest.raises(InputError, match=message):
        DATASETS[name].read(root, 1)
