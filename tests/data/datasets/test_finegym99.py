"""FineGym99: its lists, its three layouts, and lists and times that are wrong."""

import json

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.finegym99 import list_finegym99
from stn_action.errors import InputError

CATEGORIES = """Clabel:   0; set: 1; Glabel:   1; (VT) round-off, flic-flac on, salto; twice
Clabel:   1; set: 21; Glabel: 107; (FX) switch leap with 0.5 turn
"""
VAULT, LEAP = "A0xAXXysHUo_E_002184_002237_A_0000_0006", "-1FbFe_gbuQ_E_000356_000459_A_0063_0064"
TIMES = {
    "A0xAXXysHUo": {
        "E_002184_002237": {
            "event": 1,
            "timestamps": [[2184.24, 2237.24]],
            "segments": {
                "A_0000_0006": {"stages": 3, "timestamps": [[0.5, 2.0], [2.0, 4.0], [4.0, 6.5]]}
            },
        }
    },
    "-1FbFe_gbuQ": {
        "E_000356_000459": {
            "event": 2,
            "timestamps": [[356, 459]],
            "segments": {"A_0063_0064": {"stages": 1, "timestamps": [[63.25, 64]]}},
        }
    },
}  # fmt: skip


def write(lists, *, train=f"{VAULT} 0\n", test=f"{LEAP} 1\n", categories=CATEGORIES, times=TIMES):
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "gym99_train_element_v1.1.txt").write_text(train)
    (lists / "gym99_val_element.txt").write_text(test)
    (lists / "gym99_categories.txt").write_text(categories)
    if times is not None:
        (lists / "finegym_annotation_info_v1.1.json").write_text(json.dumps(times))


def touch(*paths):
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize(("lists", "clips"), [("annotations", "subactions"), ("", "videos")])
def test_elements_that_are_cut_are_videos_of_their_own(tmp_path, lists, clips):
    write(tmp_path / lists, times=None)
    touch(*(tmp_path / clips / f"{name}.mp4" for name in (VAULT, LEAP)))
    listing = load_dataset("finegym99", tmp_path, require_official=False)
    assert listing.name == "finegym99 val (subset: 1 train, 1 test elements)"
    assert [listing.label_text(video) for video in listing.all_videos] == [
        "(VT) round-off, flic-flac on, salto; twice", "(FX) switch leap with 0.5 turn",
    ]  # fmt: skip
    assert listing.test[0].path == tmp_path / clips / f"{LEAP}.mp4"
    assert not listing.test[0].is_slice


def test_elements_are_slices_of_events_or_of_videos(tmp_path):
    write(tmp_path / "annotations")
    touch(tmp_path / "events/A0xAXXysHUo_E_002184_002237.mp4", tmp_path / "videos/A0xAXXysHUo.mp4")
    touch(tmp_path / "videos/-1FbFe_gbuQ.mkv")
    vault, leap = list_finegym99(tmp_path).all_videos
    assert vault.path.name == "A0xAXXysHUo_E_002184_002237.mp4"
    assert (vault.start_seconds, vault.end_seconds) == (0.5, 6.5)  # all stages
    assert leap.path == tmp_path / "videos/-1FbFe_gbuQ.mkv"
    assert (leap.start_seconds, leap.end_seconds) == (419.25, 420)


def test_lists_of_mmaction2_and_of_version_1_0_are_read(tmp_path):
    write(tmp_path)
    (tmp_path / "gym99_train_element_v1.1.txt").rename(tmp_path / "gym99_train_element_v1.0.txt")
    (tmp_path / "gym99_val_element.txt").rename(tmp_path / "gym99_val_org.txt")
    assert list_finegym99(tmp_path).test.names() == [LEAP]


def test_elements_that_are_gone_are_left_out_and_counted(tmp_path):
    write(tmp_path, test=f"{LEAP} 1\n{LEAP.replace('0064', '0065')} 1\n")
    touch(*(tmp_path / "subactions" / f"{name}.mp4" for name in (VAULT, LEAP)))
    listing = load_dataset("finegym99", tmp_path, require_official=False)
    assert (listing.test.names(), listing.missing) == ([LEAP], 1)
    with pytest.raises(InputError, match=r"finegym99 val: 2 classes, 1 .* expected 99 classes;"):
        load_dataset("finegym99", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": f"../{LEAP} 1"}, r"val_element.txt: expected '<video>_E_<start>_<end>_A_"),
        ({"test": f"{LEAP} 2"}, r"expected a class from 0 to 1 of gym99_categories.txt for -1Fb"),
        ({"test": LEAP}, r"for -1FbFe_gbuQ_E_000356_000459_A_0063_0064, got ''"),
        ({"test": f"{LEAP} 1\n" * 2}, r"1 test videos are listed more than once \(-1FbFe"),
        ({"test": f"{VAULT} 0"}, r"1 groups are in the training and in the test list \(A0xAXX"),
        ({"train": "\n"}, r"gym99_train_element_v1.1.txt: this list is empty; get gym99_train"),
        ({"categories": CATEGORIES[6:]}, r"expected 'Clabel: 0; set: <n>; Glabel: <n>; <name>'"),
        ({"categories": CATEGORIES.replace("  1; set", "  2; set")}, r"expected 'Clabel: 1; set"),
    ],
)
def test_a_wrong_list_of_elements_is_named(tmp_path, changes, message):
    write(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        DATASETS["finegym99"].read(tmp_path, 1, require_official=False)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"timestamps": [[356, 459]], "segments": None}, r"_0064: expected 'timestamps', pairs of"),
        ({"segments": TIMES["-1FbFe_gbuQ"]["E_000356_000459"]["segments"]}, r"is it of another "),
        (
            {"timestamps": [[1, 2]], "segments": {"A_0063_0064": {"timestamps": [[64, 63.5]]}}},
            r"expected an element that ends after its start, got 64 s to 63.5 s of an event at 1 s",
        ),
    ],
)
def test_times_that_are_none_are_named(tmp_path, event, message):
    write(tmp_path, times={"-1FbFe_gbuQ": {"E_000356_000459": event}})
    touch(tmp_path / "videos/-1FbFe_gbuQ.mp4")
    with pytest.raises(InputError, match=rf"finegym_annotation_info_v1.1.json, .*{message}"):
        list_finegym99(tmp_path)


def test_elements_are_cut_from_videos_with_times_alone(tmp_path):
    write(tmp_path, times=None)
    touch(tmp_path / "videos/A0xAXXysHUo.mp4")
    with pytest.raises(InputError, match=r"no finegym_annotation_info_v1.1.json or .* in "):
        list_finegym99(tmp_path)


def test_missing_lists_of_elements_are_named(tmp_path):
    with pytest.raises(
        InputError, match=r"there is no gym99_categories.txt in .*; get gym99_train"
    ):
        list_finegym99(tmp_path)
    write(tmp_path)
    (tmp_path / "gym99_val_element.txt").unlink()
    with pytest.raises(InputError, match=r"no gym99_val_element.txt or gym99_val_org.txt in "):
        list_finegym99(tmp_path)
