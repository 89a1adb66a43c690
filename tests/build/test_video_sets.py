import pytest

from stn_action.build.data import load_listing
from stn_action.build.video_sets import videos_of
from stn_action.errors import InputError
from tests.tiny import tiny_config, tiny_settings, write_config
from tests.ucf101_tree import write_ucf101
from tests.video.frame_folders import gray_frames, write_frames


def test_a_configuration_gives_the_videos_of_both_lists_sorted(tiny_data, tmp_path):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    videos = videos_of(str(file))
    assert len(videos) == 18
    assert [video.name for video in videos] == sorted(video.name for video in videos)
    assert videos[0].name == "test/down/0"
    assert videos[-1].path == tiny_data / "train/right/3.mp4"


def test_all_folds_give_every_video_once_though_files_are_missing(tmp_path):
    root = write_ucf101(tmp_path / "ucf101")
    lists = root / "ucfTrainTestlist"
    for part in ("train", "test"):
        (lists / f"{part}list03.txt").write_bytes((lists / f"{part}list01.txt").read_bytes())
    (root / "YoYo/v_YoYo_g08_c01.avi").unlink()
    settings = tiny_settings(
        root, "data.name=ucf101", "data.official=false", "data.people=null", "data.regions=null"
    )
    file = write_config(tmp_path / "ucf101.yaml", settings)
    for split in ("data.fold=all", "data.fold=2"):
        videos = videos_of(str(file), [split])
        assert len(videos) == 6
        assert [v.name for v in videos if not v.path.is_file()] == ["YoYo/v_YoYo_g08_c01"]


def test_a_folder_gives_all_files_with_a_videos_suffix(tmp_path):
    for name in ("b/one.mp4", "b/two.avi", "b/two.mp4", "a.MOV", "note.txt", ".hidden.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "videos/again").symlink_to(tmp_path / "videos")  # a circle
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/three.webm").touch()
    (tmp_path / "videos/linked").symlink_to(tmp_path / "elsewhere")
    videos = videos_of(str(tmp_path / "videos"))
    names = ["a", "b/one", "b/two.avi", "b/two.mp4", "linked/three"]
    assert [video.name for video in videos] == names
    assert videos[4].path == tmp_path / "videos/linked/three.webm"


def test_a_source_without_a_video_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no video below this folder; expected files"):
        videos_of(str(tmp_path))
    with pytest.raises(InputError, match=r"is a folder, which takes no setting data.fold=2"):
        videos_of(str(tmp_path), ["data.fold=2"])
    with pytest.raises(InputError, match=r"missing.yaml"):
        videos_of(str(tmp_path / "missing.yaml"))


def test_a_folder_takes_the_rate_and_the_limit_of_its_frames(tmp_path):
    write_frames(tmp_path / "videos/a", gray_frames(3))
    given = ["data.frames_fps=12", "data.max_pixels=100"]
    (video,) = videos_of(str(tmp_path / "videos"), given)
    assert (video.name, video.frames_fps, video.max_pixels) == ("a", 12, 100)
    with pytest.raises(
        InputError, match=r"override .data.frames_fps=0.: data.frames_fps: expected"
    ):
        videos_of(str(tmp_path / "videos"), ["data.frames_fps=0"])
    with pytest.raises(InputError, match=r"is one video itself; give the folder above it"):
        videos_of(str(tmp_path / "videos/a"))


def test_a_data_set_has_the_rate_of_its_configuration(tmp_path):
    for part in ("train", "val", "test"):
        write_frames(tmp_path / part / "wave/a", gray_frames(3))
    config = tiny_config(tmp_path, "data.people=null", "data.frames_fps=12.5")
    listing = load_listing(config)
    parts = (listing.train, listing.val, listing.test)
    assert [[video.frames_fps for video in videos] for videos in parts] == [[12.5]] * 3
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tmp_path, "data.people=null"))
    assert [video.frames_fps for video in videos_of(str(file))] == [25.0] * 3
