import pytest

from stn_action.data.datasets.folders import load_folders
from stn_action.data.listing import require_folder, require_separate_groups, require_videos
from stn_action.data.video_table import Video
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
    listing = load_folders(root)
    assert listing.name == "mine"
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
        load_folders(root)


def test_a_training_class_without_videos_is_refused(root):
    touch(root, "train/jump/readme.md")
    with pytest.raises(InputError, match=r"no video of the class jump; put videos into"):
        load_folders(root)


def test_a_test_part_without_videos_is_refused(root):
    (root / "test/wave/a.mkv").unlink()
    with pytest.raises(InputError, match=r"test: there is no video in its class folders"):
        load_folders(root)


def test_a_wrong_layout_says_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist; put videos into train/<class>/"):
        load_folders(tmp_path / "nowhere")
    touch(tmp_path, "wave/a.mp4")
    with pytest.raises(InputError, match=r"train does not exist; put videos into train/<class>/"):
        load_folders(tmp_path)
    touch(tmp_path, "train/a.mp4")
    with pytest.raises(InputError, match=r"train: there is no class folder in it"):
        load_folders(tmp_path)


class TestTheChecksOfEveryList:
    def test_a_list_naming_absent_files_gives_their_number_and_first_names(self, tmp_path):
        touch(tmp_path, "a.mp4")
        videos = [Video(name, tmp_path / f"{name}.mp4", 0, name) for name in "abcdef"]
        message = (
            "5 of 6 listed videos are missing: b.mp4, c.mp4, d.mp4 and 2 more; looked in here; "
            "get them"
        )
        with pytest.raises(InputError, match=message):
            require_videos(videos, looked_in="here", remedy="get them")
        require_videos(videos[:1], looked_in="here", remedy="get them")

    def test_a_file_is_no_folder(self, tmp_path):
        touch(tmp_path, "a.mp4")
        with pytest.raises(InputError, match=r"list: the folder .*a.mp4 is a file, not a folder"):
            require_folder(tmp_path / "a.mp4", what="list", remedy="go")

    def test_a_torn_group_is_named(self, tmp_path):
        videos = [Video(name, tmp_path, 0, f"place {name}") for name in "abc"]
        require_separate_groups(videos[:1], videos[1:], what="list")
        with pytest.raises(InputError, match=r"list: 1 groups .* \(place b\)"):
            require_separate_groups(videos[:2], videos[1:], what="list")
