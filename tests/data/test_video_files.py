"""Which files are videos, and what they are called."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stn_action.build.video_sets import unlabeled_video, videos_named, videos_of
from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.video_files import (
    FoundFiles,
    are_present,
    find_video_files,
    has_namesake,
    holds_frames,
    is_present,
    name_files,
    passed_over_line,
)
from stn_action.errors import InputError
from stn_action.jobs.inspection import inspect_video
from stn_action.person.names import NameIndex
from stn_action.video.suffixes import has_video_suffix
from tests.tiny import tiny_config

FORMATS = {
    "clip.gif": "gif",
    "clip.flv": "flv1",
    "clip.ts": "libx264",
    "clip.m2ts": "libx264",
    "clip.ogv": "libtheora",
    "clip.mpg": "mpeg1video",
    "clip.vob": "mpeg2video",
    "clip.wmv": "wmv2",
    "clip.asf": "wmv2",
    "clip.m4v": "mpeg4",
    "clip.3gp": "mpeg4",
    "clip.mxf": "mpeg2video",
    "clip.h264": "libx264",
    "clip.y4m": "wrapped_avframe",
    "clip.NUT": "mpeg4",
}


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write_format(path: Path, codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = 48, 64
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(6):
            image = np.full((48, 64, 3), 20 + 30 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("name", FORMATS)
def test_each_kind_of_file_is_found_and_read(name, tmp_path):
    try:
        write_format(tmp_path / name, FORMATS[name])
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this build of FFmpeg cannot write it: {error}")
    (video,) = videos_of(str(tmp_path))
    assert (video.name, video.path) == ("clip", tmp_path / name)
    entry = inspect_video(video).entry
    assert entry.error == ""
    assert (entry.frames, entry.width, entry.height) == (6, 64, 48)


@pytest.mark.parametrize("name", ["a.txt", "a.png", "a.wav", "a.yuv", "a", "mp4", "a.mp4.part"])
def test_other_files_are_no_videos(name):
    assert not has_video_suffix(Path(name))


def test_names_are_unique_and_short():
    paths = ["x.mp4", "x.avi", "x.avi.mp4", "y.MP4", "a/x.mp4", "z.v2.mkv", "z.v2.mkv.ts", "w"]
    assert name_files([Path(path) for path in paths]) == [
        "x.mp4", "x.avi", "x.avi.mp4", "y", "a/x", "z.v2", "z.v2.mkv.ts", "w",
    ]  # fmt: skip
    assert name_files([Path("a.mp4.mp4"), Path("b/a.mp4")]) == ["a.mp4", "b/a"]


def test_a_name_ends_where_a_suffix_of_a_video_begins():
    index = NameIndex(["wave/a", "wave/x.mp4", "wave/x.avi"], "boxes")
    names = ["a.mp4", "wave/x.mp4", "x.avi", "a.b", "x"]
    found = ["wave/a", "wave/x.mp4", "wave/x.avi", None, None]
    assert [index.find(name) for name in names] == found
    index = NameIndex(["film/0902/1", "x/film/0902/1"], "boxes")
    assert index.find("film/0902/1") == "film/0902/1"  # itself, though another one ends so


def test_files_of_all_folders_are_found_and_the_others_counted(tmp_path):
    touch(
        tmp_path, "b/c/two.MP4", "b/one.avi", "b/one.mp4", "three.ogv", "notes.txt", "b/NOTES.TXT",
        "b/readme", ".hidden/x.mp4", "b/.x.mp4",
    )  # fmt: skip
    (tmp_path / "b/circle").symlink_to(tmp_path)
    found = find_video_files(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in found.videos]
    assert names == ["b/c/two.MP4", "b/one.avi", "b/one.mp4", "three.ogv"]
    assert found.passed_over == {".txt": 2, "no suffix": 1}
    lines: list[str] = []
    videos = videos_of(str(tmp_path), announce=lines.append)
    assert [video.name for video in videos] == ["b/c/two", "b/one.avi", "b/one.mp4", "three"]
    assert lines == [
        f"passed over in {tmp_path}: 3 files that are not called like a video (.txt 2, no suffix 1)"
    ]
    assert find_video_files(tmp_path / "b/c") == FoundFiles([tmp_path / "b/c/two.MP4"])
    assert passed_over_line({".txt": 1}, "x").endswith(
        "1 file that is not called like a video (.txt 1)"
    )


def test_pipes_links_and_folders_called_like_a_video_are_found_and_cannot_be_read(tmp_path):
    touch(tmp_path, "good.mp4", "folder.avi/inside.mp4")
    (tmp_path / "empty.mkv").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "removed.mp4")
    (tmp_path / "itself.mp4").symlink_to(tmp_path / "itself.mp4")
    videos = videos_of(str(tmp_path))
    names = ["empty", "folder.avi/inside", "good", "itself", "nowhere", "pipe"]
    assert [video.name for video in videos] == names
    reasons = {video.name: inspect_video(video).entry.error for video in videos}
    assert all(reasons.values())
    assert "(it is not a regular file)" in reasons["pipe"]
    assert "(Too many levels of symbolic links)" in reasons["itself"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "closed/a.mp4")

    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"this folder cannot be listed \(Permission denied\)"):
        find_video_files(tmp_path)


def test_class_folders_may_hold_folders_and_videos_of_one_stem(tmp_path):
    touch(
        tmp_path, "train/wave/x.mp4", "train/wave/x.avi", "train/wave/day1/x.flv",
        "train/wave/list.csv", "train/stray.mp4", "test/wave/a.gif", "test/wave/b.txt",
    )  # fmt: skip
    listing = load_dataset("folders", tmp_path)
    names = ["train/wave/day1/x", "train/wave/x.avi", "train/wave/x.mp4"]
    assert listing.train.names() == names
    assert listing.train.groups() == names
    assert listing.test.names() == ["test/wave/a"]
    expected = {".csv": 1, ".txt": 1, "videos outside of a class folder": 1}
    assert listing.passed_over == expected


def test_a_file_is_called_alike_alone_and_in_its_folder(tmp_path):
    touch(tmp_path, "train/wave/x.mp4", "train/wave/x.avi", "train/wave/y.mp4", "other/wave/y.mp4")
    folder = tmp_path / "train/wave"
    config = tiny_config(tmp_path)
    alone = [unlabeled_video(folder / name).name for name in ("x.avi", "x.mp4", "y.mp4")]
    assert alone == ["train/wave/x.avi", "train/wave/x.mp4", "train/wave/y"]
    assert [video.name for video in videos_named([str(folder)], config)] == alone
    assert (has_namesake(folder / "x.mp4"), has_namesake(folder / "y.mp4")) == (True, False)
    twice = videos_named([str(folder), str(folder / "y.mp4")], config)
    assert [video.name for video in twice] == alone


def test_files_of_one_name_in_different_folders_get_names_of_their_own(tmp_path):
    touch(tmp_path, *(f"{path}/train/wave/x.mp4" for path in "abc"), "c/train/wave/x.avi")
    names = [video.name for video in videos_named([str(tmp_path)], tiny_config(tmp_path))]
    above = tmp_path.as_posix().lstrip("/")
    both = [f"{above}/{path}/train/wave/x" for path in "ab"]
    assert names == [*both, "train/wave/x.avi", "train/wave/x.mp4"]


def test_a_folder_of_frames_is_one_video_and_its_files_are_not_passed_over(tmp_path):
    touch(
        tmp_path, "wave/a/00001.jpg", "wave/a/00002.jpg", "wave/a/Thumbs.db", "wave/b.v2/img_1.png",
        "wave/c.avi/7.jpg", "wave/d/1.jpg", "wave/d/2.png", "images/cover.jpg", "both/1.jpg",
        "both/x.mp4", "stills_1.jpg",
    )  # fmt: skip
    found = find_video_files(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in found.videos]
    assert names == ["both/x.mp4", "wave/a", "wave/b.v2", "wave/c.avi", "wave/d"]
    assert found.passed_over == {".jpg": 3}
    assert [video.name for video in videos_of(str(tmp_path))] == [
        "both/x", "wave/a", "wave/b.v2", "wave/c", "wave/d",
    ]  # fmt: skip
    folders = ("wave/a", "wave/d", "wave", "both", "images")
    assert [holds_frames(tmp_path / name) for name in folders] == [True, True, False, False, False]


def test_a_class_folder_may_hold_folders_of_frames_but_is_none(tmp_path):
    touch(tmp_path, "train/wave/a/1.jpg", "train/wave/a/2.jpg", "train/wave/b.mp4")
    touch(tmp_path, "test/wave/0.5/1.jpg")
    listing = load_dataset("folders", tmp_path)
    assert listing.train.names() == listing.train.groups() == ["train/wave/a", "train/wave/b"]
    assert (listing.test.names(), listing.passed_over) == (["test/wave/0.5"], {})
    touch(tmp_path, "train/kick/1.jpg")
    with pytest.raises(InputError, match=r"there is no video of the class kick; .*numbered .jpg"):
        load_dataset("folders", tmp_path)


def test_a_folder_of_frames_is_called_alike_alone_and_in_its_folder(tmp_path, monkeypatch):
    touch(tmp_path, "train/wave/x.1/1.jpg", "train/wave/x.avi/1.jpg", "train/wave/y.mp4")
    folder, config = tmp_path / "train/wave", tiny_config(tmp_path, "data.frames_fps=12")
    videos = videos_named([str(folder)], config)
    names = ["train/wave/x.1", "train/wave/x", "train/wave/y"]
    assert [(video.name, video.frames_fps) for video in videos] == [(name, 12) for name in names]
    alone = videos_named([str(folder / name) for name in ("x.1", "x.avi", "y.mp4")], config)
    assert alone == videos
    monkeypatch.chdir(folder / "x.1")
    assert [video.name for video in videos_named(["."], config)] == names[:1]


def test_files_and_folders_are_there_and_nothing_else(tmp_path):
    touch(tmp_path, "frames/1.jpg")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "removed.mp4")
    names = ("frames", "frames/1.jpg", "pipe.mp4", "nowhere.mp4", "none", "x\0")
    found = [is_present(tmp_path / name) for name in names]
    assert found == [True, True, False, False, False, False]


def test_a_video_and_a_folder_of_frames_may_be_namesakes(tmp_path):
    touch(tmp_path, "y.mp4", "y/1.jpg", "z.mp4", "z/notes.txt", "x.mp4", "x.jpg", "w.jpg")
    names = ("y.mp4", "y", "z.mp4", "x.jpg", "w.jpg")
    found = [has_namesake(tmp_path / name) for name in names]
    assert found == [True, True, False, True, False]
    assert [video.name for video in videos_of(str(tmp_path))] == ["x", "y", "y.mp4", "z"]


def test_what_is_there_is_found_by_listing_each_folder(tmp_path, monkeypatch):
    (tmp_path / "a/frames").mkdir(parents=True)
    (tmp_path / "a/x.mp4").touch()
    (tmp_path / "a/link.mp4").symlink_to("x.mp4")
    (tmp_path / "a/broken.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "a/circle.mp4").symlink_to("circle.mp4")
    there = [str(tmp_path / "a" / name) for name in ("frames", "x.mp4", "link.mp4", "x.mp4")]
    absent = [str(tmp_path / name) for name in ("a/broken.mp4", "a/circle.mp4", "a/y", "b/x.mp4")]
    absent.append(str(tmp_path / "a/x.mp4/z"))
    assert are_present([*there[:2], *absent, *there[2:]]) == [True, True, *[False] * 5, True, True]
    monkeypatch.chdir(tmp_path / "a")
    assert are_present(["x.mp4", "y.mp4"]) == [True, False]


def test_a_folder_that_cannot_be_listed_is_asked_for_each_file(tmp_path, monkeypatch):
    (tmp_path / "x.mp4").touch()

    def denied(folder):
        raise PermissionError(folder)

    monkeypatch.setattr(os, "scandir", denied)
    x, y = str(tmp_path / "x.mp4"), str(tmp_path / "y.mp4")
    assert are_present([x, y]) == [True, False]
