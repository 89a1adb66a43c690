import shutil
from pathlib import Path

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError

CLASSES = ("Archery", "HandstandPushups")
TRAIN = ("v_Archery_g08_c01", "v_Archery_g08_c02", "v_HandStandPushups_g09_c01")
TEST = ("v_Archery_g01_c01", "v_HandStandPushups_g01_c04")


def folder_of(name: str) -> str:
    return "Archery" if "Archery" in name else "HandstandPushups"


def write_lists(folder: Path, train=TRAIN, test=TEST, classes=CLASSES) -> Path:
    """The lists in their official form: CRLF, numbers from 1 in the training list only."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {
        "classInd.txt": [f"{number} {name}" for number, name in enumerate(classes, start=1)],
        "trainlist02.txt": [
            f"{folder_of(name)}/{name}.avi {CLASSES.index(folder_of(name)) + 1}" for name in train
        ],
        "testlist02.txt": [f"{folder_of(name)}/{name}.avi" for name in test],
    }
    for file_name, content in lines.items():
        (folder / file_name).write_text("".join(f"{line}\r\n" for line in content), newline="")
    return folder


def write_videos(folder: Path, *, flat: bool) -> None:
    for name in (*TRAIN, *TEST):
        path = folder / ("" if flat else folder_of(name)) / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a video")


@pytest.fixture
def official_lists(shared, tmp_path) -> Path:
    """The real lists without a single video."""
    shutil.copytree(shared / "data/annotations/ucf101_splits", tmp_path / "ucfTrainTestlist")
    return tmp_path


@pytest.mark.parametrize("flat", [False, True], ids=["class folders", "flat"])
@pytest.mark.parametrize("below", ["", "UCF-101"], ids=["in root", "in UCF-101"])
@pytest.mark.parametrize("beside", [False, True], ids=["lists in root", "lists beside root"])
def test_every_official_layout_is_read(tmp_path, flat, below, beside):
    root = tmp_path / "ucf101"
    write_lists((tmp_path if beside else root) / "ucfTrainTestlist")
    write_videos(root / below, flat=flat)
    listing = load_dataset("ucf101", root, 2, require_official=False)
    assert listing.name == "ucf101 split 2 (subset: 3 train, 2 test videos)"
    assert listing.classes == CLASSES
    assert [video.name.split("/")[1] for video in listing.train] == list(TRAIN)
    assert listing.test[1].name == "HandstandPushups/v_HandStandPushups_g01_c04"
    assert listing.test[1].group == "HandstandPushups_g01"
    assert [video.target for video in listing.train] == [0, 0, 1]
    assert all(video.path.is_file() for video in (*listing.train, *listing.test))


def test_a_video_may_be_a_folder_of_frames(tmp_path):
    write_lists(tmp_path / "ucfTrainTestlist")
    write_videos(tmp_path, flat=False)
    paths = [tmp_path / folder_of(name) / f"{name}.avi" for name in (*TRAIN, *TEST)]
    for path in paths[1:]:
        path.unlink()
        path.with_suffix("").mkdir()
    listing = load_dataset("ucf101", tmp_path, 2, require_official=False)
    found = [video.path for video in listing.all_videos]
    assert found == [paths[0], *(path.with_suffix("") for path in paths[1:])]
    paths[1].with_suffix("").rmdir()
    with pytest.raises(InputError, match=rf"1 of 5 listed videos are missing: {paths[1].name}"):
        load_dataset("ucf101", tmp_path, 2, require_official=False)


def test_the_root_may_be_given_relative_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "UCF-101").mkdir()
    write_lists(tmp_path / "ucfTrainTestlist")
    write_videos(tmp_path / "UCF-101", flat=False)
    monkeypatch.chdir(tmp_path / "UCF-101")
    assert len(load_dataset("ucf101", ".", 2, require_official=False).test) == 2


@pytest.mark.parametrize("split", [1, 2, 3])
def test_the_official_lists_pass_all_checks_but_that_of_the_files(official_lists, split):
    message = (
        r"13320 of 13320 listed videos are missing: v_ApplyEyeMakeup_g0\d_c01.avi, .*"
        r"and 13317 more; looked in .*UCF-101 and their class folders; get UCF101.rar"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("ucf101", official_lists, split)


def test_the_official_lists_name_101_classes_and_the_split_is_no_subset(official_lists):
    listing = DATASETS["ucf101"].read(official_lists, 1)
    assert listing.name == "ucf101 split 1"
    assert (len(listing.classes), len(listing.train), len(listing.test)) == (101, 9537, 3783)
    assert listing.classes[0] == "ApplyEyeMakeup"
    assert listing.classes[-1] == "YoYo"
    assert len({video.group for video in listing.train}) == 101 * 18
    assert listing.test[-1].path == official_lists / "YoYo/v_YoYo_g07_c04.avi"


def test_a_shortened_official_list_is_refused(official_lists):
    path = official_lists / "ucfTrainTestlist/testlist03.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    message = (
        "not the official lists of ucf101 split 3: 101 classes, 9624 training and 3695 test "
        "videos, expected 101 classes, 9624 training and 3696 test videos; get"
    )
    with pytest.raises(InputError, match=message):
        load_dataset("ucf101", official_lists, 3)


def test_lists_of_two_splits_are_a_leak(official_lists):
    lists = official_lists / "ucfTrainTestlist"
    shutil.copy(lists / "testlist01.txt", lists / "testlist02.txt")
    with pytest.raises(InputError, match=r"707 groups are in the training and in the test list"):
        load_dataset("ucf101", official_lists, 2, require_official=False)
    with pytest.raises(InputError, match="not the official lists of ucf101 split 2"):
        load_dataset("ucf101", official_lists, 2)


def test_a_missing_video_is_named(tmp_path):
    write_lists(tmp_path / "ucfTrainTestlist")
    write_videos(tmp_path, flat=False)
    (tmp_path / "Archery/v_Archery_g01_c01.avi").unlink()
    with pytest.raises(InputError, match="1 of 5 listed videos are missing: v_Archery_g01_c01"):
        load_dataset("ucf101", tmp_path, 2, require_official=False)


def test_a_missing_root_or_list_says_where_it_was_looked_for_and_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist; get UCF101.rar and UCF101Train"):
        load_dataset("ucf101", tmp_path / "nowhere", 1)
    root = tmp_path / "ucf101"
    root.mkdir()
    message = rf"the folder ucfTrainTestlist .* is missing; looked in {root} and {tmp_path}; get"
    with pytest.raises(InputError, match=message):
        load_dataset("ucf101", root, 1)
    write_lists(root / "ucfTrainTestlist")
    with pytest.raises(
        InputError,
        match=r"trainlist01.txt: (no such list|cannot be read: it is a folder).*; get UCF101.rar",
    ):
        load_dataset("ucf101", root, 1)


def test_there_are_three_splits(tmp_path):
    with pytest.raises(InputError, match="must be 1, 2 or 3, got 4"):
        load_dataset("ucf101", tmp_path, 4)


@pytest.mark.parametrize(
    ("file_name", "text", "message"),
    [
        ("classInd.txt", "1 Archery\n3 Biking\n", "line 2: expected '2 <class>', got '3 Biking'"),
        ("classInd.txt", "\n", "classInd.txt: this list is empty"),
        ("testlist02.txt", "v_Archery_g01_c01.avi\n", "expected '<class of classInd.txt>/v_<class"),
        ("testlist02.txt", "Diving/v_Diving_g01_c01.avi\n", "got 'Diving/v_Diving_g01_c01.avi'"),
        ("testlist02.txt", "Archery/v_Biking_g01_c01.avi\n", "got 'Archery/v_Biking_g01_c01.avi'"),
        ("trainlist02.txt", "Archery/v_Archery_g08_c01.avi 7\n", "does not carry the number of"),
    ],
)
def test_a_malformed_list_is_refused(tmp_path, file_name, text, message):
    lists = write_lists(tmp_path / "ucfTrainTestlist")
    (lists / file_name).write_text(text)
    with pytest.raises(InputError, match=message):
        load_dataset("ucf101", tmp_path, 2, require_official=False)
