"""J-HMDB-21: its lists, its layout, and what does not fit together."""

from collections import Counter

import pytest

from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError
from tests.listed_trees import JHMDB_CLIPS, write_jhmdb


@pytest.fixture
def root(tmp_path):
    return write_jhmdb(tmp_path, fold=2)


def load(root, fold=2):
    return load_dataset("jhmdb", root, fold, require_official=False)


def test_clips_are_listed_by_class_and_grouped_by_their_source_video(root):
    listing = load(root)
    assert listing.name == "jhmdb split 2 (subset: 3 train, 2 test videos)"
    assert listing.classes == ("kick_ball", "sit")
    soccer, film = "kick_ball/Amazing_Soccer_@2", "sit/Film"
    assert [(video.target, video.group) for video in listing.train] == [
        (0, soccer), (0, soccer), (1, film)
    ]  # fmt: skip
    assert listing.train.names()[0] == "kick_ball/Amazing_Soccer_@2_kick_ball_f_cm_np1_le_bad_2"
    assert listing.test.names() == ["kick_ball/Film_kick_ball_u_nm_np1_fr_goo_0", "sit/home.take.2"]
    assert listing.test.groups() == ["kick_ball/Film", "sit/home.take.2"]
    assert listing.test[1].path == root / "ReCompress_Videos/sit/home.take.2.mp4"


def test_class_folders_may_be_in_the_root(root):
    for class_name in JHMDB_CLIPS:
        (root / "ReCompress_Videos" / class_name).rename(root / class_name)
    (root / "ReCompress_Videos").rmdir()
    (root / "puppet_mask").mkdir()
    assert load(root).test[1].path == root / "sit/home.take.2.mp4"


@pytest.mark.parametrize(("fold", "train", "test"), [(1, 660, 268), (2, 658, 270), (3, 663, 265)])
def test_the_real_splits_are_the_official_ones(shared, fold, train, test):
    listing = load_dataset("jhmdb", shared / "data/jhmdb", fold)
    assert listing.name == f"jhmdb split {fold}"
    assert (len(listing.classes), len(listing.train), len(listing.test)) == (21, train, test)
    assert len(set(listing.all_videos.names())) == 928
    assert len(set(listing.all_videos.groups())) == 410
    assert min(Counter(listing.test.targets.tolist()).values()) >= 8


def test_fewer_classes_than_the_official_ones_are_refused(root):
    message = r"not the official lists of jhmdb split 2: 2 classes, 3 .* expected 21 classes, 658"
    with pytest.raises(InputError, match=message):
        DATASETS["jhmdb"].read(root, 2)


def test_listed_clips_that_are_missing_are_counted_and_named(root):
    (root / "ReCompress_Videos/sit/home.take.2.mp4").unlink()
    message = (
        r"1 of 5 listed videos are missing: home.take.2.avi; looked in .*ReCompress_Videos or, .*, "
        r"in their class folders; get JHMDB_video.zip and splits.zip"
    )
    with pytest.raises(InputError, match=message):
        load(root)


def test_a_clip_may_be_a_folder_of_frames(root):
    clip = root / "ReCompress_Videos/sit/home.take.2.mp4"
    clip.unlink()
    clip.with_suffix("").mkdir()
    assert load(root).test[1].path == clip.with_suffix("")


def test_a_class_without_a_list_is_named(root):
    (root / "splits/sit_test_split2.txt").unlink()
    message = (
        r"1 classes that have no list of split 2 \(sit\): there is no splits/sit_test_split2.t"
    )
    with pytest.raises(InputError, match=message):
        load(root)


def test_a_clip_in_no_list_is_named(root):
    (root / "ReCompress_Videos/sit/more.avi").touch()
    message = (
        r"sit_test_split2.txt: 1 of 3 clips on the disk are not in this list \(more.avi\); rem"
    )
    with pytest.raises(InputError, match=message):
        load(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.avi", r"split2.txt: expected '<name>.avi 1' or '<name>.avi 2', got 'a.avi'"),
        ("a.avi 0", r"expected '<name>.avi 1' or '<name>.avi 2', got 'a.avi 0'"),
        ("../a.avi 1", r"expected '<name>.avi 1' or '<name>.avi 2', got '../a.avi 1'"),
        ("home.take.2.avi 1", r"sit_test_split2.txt: home.take.2 is listed twice; get JHMDB"),
    ],
)
def test_a_malformed_line_is_named(root, line, message):
    with (root / "splits/sit_test_split2.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match=message):
        load(root)


def test_a_source_in_both_parts_is_refused(root):
    path = root / "splits/kick_ball_test_split2.txt"
    path.write_text(path.read_text().replace("bad_2.avi 1", "bad_2.avi 2"))
    with pytest.raises(
        InputError, match=r"1 groups are in the training and in the test list \(kic"
    ):
        load(root)


def test_what_is_not_there_is_named_with_the_remedy(root):
    with pytest.raises(InputError, match=r"nowhere does not exist; get JHMDB_video.zip"):
        load(root / "nowhere")
    message = r"splits holds no list of split 3 \(<class>_test_split3.txt\); get JHMDB_video.zip"
    with pytest.raises(InputError, match=message):
        load(root, 3)
    with pytest.raises(InputError, match=r"data.fold of jhmdb must be 1, 2 or 3, got 4"):
        load(root, 4)
    (root / "splits/sit_test_split2.txt").write_text("\n")
    with pytest.raises(InputError, match=r"sit_test_split2.txt: this list is empty; get JHMDB"):
        load(root)
