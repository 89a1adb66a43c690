import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError


def touch(root, *names: str):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.fixture
def root(tmp_path):
    return touch(
        tmp_path / "mine",
        "train/wave/b.mp4",
        "train/wave/a.AVI",
        "train/kick/one.take.webm",
        "train/kick/notes.txt",
        "train/kick/.hidden.mp4",
        "train/.cache/x.mp4",
        "test/wave/a.mkv",
    )


def test_classes_are_the_training_folders_sorted(root):
    listing = load_dataset("folders", root)
    assert listing.name == "folders"
    assert listing.classes == ("kick", "wave")
    assert [(video.name, video.target) for video in listing.train] == [
        ("train/kick/one.take", 0),
        ("train/wave/a", 1),
        ("train/wave/b", 1),
    ]
    assert [(video.name, video.target) for video in listing.test] == [("test/wave/a", 1)]
    assert listing.test[0].path == root / "test/wave/a.mkv"
    assert listing.test[0].group == "test/wave/a"


def test_a_test_class_without_training_is_refused(root):
    touch(root, "test/jump/a.mp4")
    with pytest.raises(InputError, match=r"the class jump is not in .*train, which holds kick, wa"):
        load_dataset("folders", root)


def test_a_training_class_without_videos_is_refused(root):
    touch(root, "train/jump/readme.md")
    with pytest.raises(InputError, match=r"no video of the class jump; put videos into"):
        load_dataset("folders", root)


def test_a_test_part_without_videos_is_refused(root):
    (root / "test/wave/a.mkv").unlink()
    with pytest.raises(InputError, match=r"test: there is no video in its class folders"):
        load_dataset("folders", root)


def test_a_wrong_layout_says_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist; put videos into train/<class>/"):
        load_dataset("folders", tmp_path / "nowhere")
    touch(tmp_path, "test/wave/a.mp4")
    with pytest.raises(InputError, match=r"train does not exist; put videos into train/<class>/"):
        load_dataset("folders", tmp_path)
    touch(tmp_path, "train/a.mp4")
    with pytest.raises(InputError, match=r"train: there is no class folder in it"):
        load_dataset("folders", tmp_path)


def test_a_val_folder_is_the_validation_part(root):
    touch(root, "val/kick/c.mp4")
    listing = load_dataset("folders", root)
    assert [(video.name, video.target) for video in listing.val] == [("val/kick/c", 0)]
    assert (len(listing.train), len(listing.test)) == (3, 1)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("val/jump/c.mp4", r"val: the class jump is not in .*train, which holds kick, wave"),
        ("val/kick/c.txt", r"val: there is no video in its class folders; put videos into"),
        ("val/c.mp4", r"val: there is no class folder in it; put videos into"),
    ],
)
def test_a_wrong_val_folder_is_refused(root, file, message):
    touch(root, file)
    with pytest.raises(InputError, match=message):
        load_dataset("folders", root)


def test_class_folders_without_a_split_are_one_pool_for_folds(tmp_path):
    touch(tmp_path, "wave/a.mp4", "wave/b.mp4", "kick/in/a.mp4", "kick/c.mp4", "wave/x.txt")
    with pytest.raises(InputError, match=r"nothing tells what to test on; set data.folds=5 "):
        load_dataset("folders", tmp_path)
    fold = DATASETS["folders"].read(tmp_path, 2, folds=2)
    assert (fold.name, fold.classes) == ("folders, fold 2 of 2 by group", ("kick", "wave"))
    assert sorted(fold.train.targets.tolist()) == sorted(fold.test.targets.tolist()) == [0, 1]
    names = {*fold.train.names(), *fold.test.names()}
    assert names == {"wave/a", "wave/b", "kick/in/a", "kick/c"}
    assert fold.passed_over == {".txt": 1}


def test_a_pool_of_one_folder_is_a_root_too_high(tmp_path):
    touch(tmp_path, "mine/train/wave/a.mp4")
    with pytest.raises(InputError, match=r"mine is the only class folder in it; put videos into"):
        load_dataset("folders", tmp_path)
