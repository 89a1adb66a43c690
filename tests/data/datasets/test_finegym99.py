"""FineGym99: its lists, its three layouts, and lists and times that are wrong."""

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.data.datasets.finegym99 import list_finegym99
from stn_action.errors import InputError
from tests.listed_trees import (
    FINEGYM_CATEGORIES,
    FINEGYM_FILES,
    FINEGYM_TIMES,
    LEAP,
    SECOND_VAULT,
    VAULT,
    write_finegym99,
)

CUT = [f"subactions/{name}.mp4" for name in (VAULT, SECOND_VAULT, LEAP)]


@pytest.mark.parametrize(("lists", "clips"), [("annotations", "subactions"), ("", "videos")])
def test_elements_that_are_cut_are_videos_of_their_own(tmp_path, lists, clips):
    files = [file.replace("subactions", clips) for file in CUT]
    write_finegym99(tmp_path, lists=lists, times=None, files=files)
    listing = load_dataset("finegym99", tmp_path, require_official=False)
    assert listing.name == "finegym99 val (subset: 2 train, 1 test elements)"
    assert [listing.label_text(video) for video in listing.all_videos] == [
        *["(VT) round-off, flic-flac on, salto; twice"] * 2, "(FX) switch leap with 0.5 turn",
    ]  # fmt: skip
    assert listing.test[0].path == tmp_path / clips / f"{LEAP}.mp4"
    assert not listing.test[0].is_slice


def test_elements_are_slices_of_events_or_of_videos(tmp_path):
    files = [FINEGYM_FILES[0], "videos/A0xAXXysHUo.mp4", "videos/-1FbFe_gbuQ.mkv"]
    write_finegym99(tmp_path, files=files)
    vault, _, leap = list_finegym99(tmp_path).all_videos
    assert vault.path.name == "A0xAXXysHUo_E_002184_002237.mp4"
    assert (vault.start_seconds, vault.end_seconds) == (0.5, 6.5)  # all stages
    assert leap.path == tmp_path / "videos/-1FbFe_gbuQ.mkv"
    assert (leap.start_seconds, leap.end_seconds) == (5.25, 8)


def test_lists_of_mmaction2_and_of_version_1_0_are_read(tmp_path):
    write_finegym99(tmp_path, lists="")
    (tmp_path / "gym99_train_element_v1.1.txt").rename(tmp_path / "gym99_train_element_v1.0.txt")
    (tmp_path / "gym99_val_element.txt").rename(tmp_path / "gym99_val_org.txt")
    assert list_finegym99(tmp_path).test.names() == [LEAP]


def test_elements_that_are_gone_are_left_out_and_counted(tmp_path):
    test = f"{LEAP} 1\n{LEAP.replace('0006', '0007')} 1\n"
    write_finegym99(tmp_path, test=test, files=CUT)
    listing = load_dataset("finegym99", tmp_path, require_official=False)
    assert (listing.test.names(), listing.missing) == ([LEAP], 1)
    with pytest.raises(InputError, match=r"finegym99 val: 2 classes, 2 .* expected 99 classes;"):
        load_dataset("finegym99", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": f"{LEAP} 2"}, r"expected a class from 0 to 1 of gym99_categories.txt for -1Fb"),
        ({"test": LEAP}, r"for -1FbFe_gbuQ_E_000002_000105_A_0003_0006, got ''"),
        ({"train": "\n"}, r"gym99_train_element_v1.1.txt: this list is empty; get gym99_train"),
        (
            {"categories": FINEGYM_CATEGORIES[6:]},
            r"expected 'Clabel: 0; set: <n>; Glabel: <n>; <name>'",
        ),
        (
            {"categories": FINEGYM_CATEGORIES.replace("  1; set", "  2; set")},
            r"expected 'Clabel: 1; set",
        ),
    ],
)
def test_a_wrong_list_of_elements_is_named(tmp_path, changes, message):
    write_finegym99(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        DATASETS["finegym99"].read(tmp_path, 1, require_official=False)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"timestamps": [[2, 105]], "segments": None}, r"_0006: expected 'timestamps', pairs of"),
        (
            {"segments": FINEGYM_TIMES["-1FbFe_gbuQ"]["E_000002_000105"]["segments"]},
            r"is it of another ",
        ),
        (
            {"timestamps": [[1, 2]], "segments": {"A_0003_0006": {"timestamps": [[64, 63.5]]}}},
            r"expected an element that ends after its start, got 64 s to 63.5 s of an event at 1 s",
        ),
    ],
)
def test_times_that_are_none_are_named(tmp_path, event, message):
    times = {"-1FbFe_gbuQ": {"E_000002_000105": event}}
    write_finegym99(tmp_path, times=times, files=["videos/-1FbFe_gbuQ.mp4"])
    with pytest.raises(InputError, match=rf"finegym_annotation_info_v1.1.json, .*{message}"):
        list_finegym99(tmp_path)


def test_elements_are_cut_from_videos_with_times_alone(tmp_path):
    write_finegym99(tmp_path, times=None, files=["videos/A0xAXXysHUo.mp4"])
    with pytest.raises(InputError, match=r"no finegym_annotation_info_v1.1.json or .* in "):
        list_finegym99(tmp_path)


def test_missing_lists_of_elements_are_named(tmp_path):
    with pytest.raises(
        InputError, match=r"there is no gym99_categories.txt in .*; get gym99_train"
    ):
        list_finegym99(tmp_path)
    write_finegym99(tmp_path)
    (tmp_path / "annotations/gym99_val_element.txt").unlink()
    with pytest.raises(InputError, match=r"no gym99_val_element.txt or gym99_val_org.txt in "):
        list_finegym99(tmp_path)
