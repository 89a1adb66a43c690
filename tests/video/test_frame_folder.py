"""Folders of numbered images as videos."""

import doctest
import os

import numpy as np
import pytest
from PIL import Image

from stn_action.video import frame_folder
from stn_action.video.backend_table import open_video
from stn_action.video.frame_folder import is_complete
from stn_action.video.reader import RefusedVideoError, VideoError, VideoReader
from tests.video.frame_folders import gray_frames, write_frames
from tests.video.test_still_images import EXACT, colors


def grays(video: VideoReader) -> list[int]:
    return [int(image[0, 0, 0]) for image in video.read_images(range(len(video)))]


def test_examples_of_frame_names_hold():
    assert doctest.testmod(frame_folder).failed == 0


@pytest.mark.parametrize("name", ["mpeg4_b.avi", "turned_1.mp4", "odd.mp4"])
def test_png_frames_are_those_of_the_video_they_were_written_from(name, clip_folder, tmp_path):
    with open_video(clip_folder / name) as source:
        frames = [image for _, image, _ in source.stream()]
        size_hw, fps = source.size_hw, source.fps
    write_frames(tmp_path / "frames", frames)
    with open_video(tmp_path / "frames", frames_fps=fps) as video:
        assert (len(video), video.size_hw, video.fps) == (len(frames), size_hw, fps)
        found = video.read([7, 0, 59, 7])
        streamed = [(index, image, seconds) for index, image, seconds in video.stream(9)]
    images = found.data.permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(images, np.stack([frames[index] for index in (7, 0, 59, 7)]))
    assert found.seconds.tolist() == [7 / fps, 0, 59 / fps, 7 / fps]
    assert [(index, seconds) for index, _, seconds in streamed] == [
        (index, index / fps) for index in range(0, 60, 9)
    ]
    assert all(np.array_equal(image, frames[index]) for index, image, _ in streamed)


@pytest.mark.parametrize("value", range(10))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_frame_is_the_image_that_its_file_alone_is(suffix, value, tmp_path):
    """0 and 9 are no orientations of EXIF."""
    exif = Image.Exif()
    exif[0x0112] = value
    settings = {"quality": 95, "subsampling": 0} if suffix == "jpg" else {}
    colors(24, 32).save(tmp_path / f"1.{suffix}", exif=exif.tobytes(), **settings)
    with open_video(tmp_path / f"1.{suffix}") as alone, open_video(tmp_path) as video:
        assert video.size_hw == alone.size_hw
        wanted, found = alone.read([0]).data.int(), video.read([0]).data.int()
    assert (found - wanted).abs().max() <= (EXACT if suffix == "jpg" else 0)


@pytest.mark.parametrize(
    ("pattern", "first"),
    [("{}.png", 8), ("img_{:05}.png", 0), ("v.2_{:06}.PNG", 99), ("a {:02}.jpeg", 97)],
)
def test_frames_are_ordered_by_number_from_any_on(pattern, first, tmp_path):
    write_frames(tmp_path, gray_frames(5), pattern=pattern, first=first)
    with open_video(tmp_path) as video:
        assert grays(video) == [0, 10, 20, 30, 40]


def test_what_is_no_frame_does_not_count(tmp_path):
    write_frames(tmp_path, gray_frames(3), pattern="img_{:05}.png")
    write_frames(tmp_path, gray_frames(2), pattern="flow_x_{:05}.png")
    for name in ("Thumbs.db", "._img_00001.png", ".DS_Store", "fps.txt", "boxes_7.csv"):
        (tmp_path / name).write_bytes(b"other")
    with open_video(tmp_path, "decord") as video:  # no library of videos is needed
        assert grays(video) == [0, 10, 20]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("", r"a folder without frames is no video; expected numbered .jpg, .jpeg or .png images"),
        ("1.bmp 2.bmp", r"a folder without frames is no video"),
        ("1.jpg cover.jpg", r"the image cover.jpg has no number at its end"),
        ("1.jpg 2.jpg 3.png", r"named in 2 ways \(2 \*.jpg, 1 \*.png\)"),
        ("a1.jpg a2.jpg b1.jpg", r"named in 2 ways \(2 a\*.jpg, 1 b\*.jpg\)"),
        ("1.jpg 2.jpg 02.jpg 3.jpg", r"02.jpg and 2.jpg have the same number; remove one"),
        ("8.jpg 9.jpg 11.jpg 15.jpg", r"frame 10 is missing: 11.jpg comes after 9.jpg"),
    ],
)
def test_a_folder_that_is_not_the_frames_of_one_video_is_refused(names, message, tmp_path):
    for name in names.split():
        (tmp_path / name).touch()
    with pytest.raises(VideoError, match=message) as error:
        open_video(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: ")


def test_a_pipe_is_no_frame(tmp_path):
    write_frames(tmp_path, gray_frames(3))
    (tmp_path / "00002.png").unlink()
    os.mkfifo(tmp_path / "00002.png")
    with pytest.raises(VideoError, match=r"frame 2 is missing: 00003.png comes after 00001.png"):
        open_video(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kept", [0, 0.3, 0.98])
def test_a_frame_that_is_cut_off_is_named_where_it_is_read(suffix, kept, tmp_path):
    write_frames(tmp_path, [np.asarray(colors(48, 64))] * 3, pattern=f"{{}}.{suffix}")
    path = tmp_path / f"2.{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with open_video(tmp_path) as video:
        assert len(video.read([2, 0])) == 2  # the others are not opened
        with pytest.raises(VideoError, match=rf"{tmp_path}: 2.{suffix} is no image that can be"):
            video.read([0, 1])


def test_a_jpeg_is_complete_if_its_last_scan_ends(tmp_path):
    colors(24, 32).save(tmp_path / "a.jpg", progressive=True)
    content = (tmp_path / "a.jpg").read_bytes()
    assert is_complete(content)
    assert is_complete(content + b"appended")
    assert not is_complete(content[:-2])
    assert not is_complete(b"\xff\xd8 thumbnail: \xff\xd8\xff\xda\xff\xd9" + content[2:-2])


def test_a_frame_of_another_size_is_named(tmp_path):
    write_frames(tmp_path, [*gray_frames(2), *gray_frames(1, (16, 12))])
    with open_video(tmp_path) as video:
        assert len(video.read([0, 1])) == 2
        with pytest.raises(
            VideoError, match=r"00003.png is 16x12 pixels, 00001.png 12x16; bring all frames to one"
        ):
            video.read([2])


def test_large_frames_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    write_frames(tmp_path, [*gray_frames(1), *gray_frames(1, (40, 50))])
    with open_video(tmp_path, max_pixels=200) as video:
        monkeypatch.setattr(frame_folder.cv2, "imdecode", None)
        with pytest.raises(RefusedVideoError, match=r"00002.png: its frames are 50x40, more than"):
            video.read([1])


def test_a_slice_of_a_folder_follows_its_rate(tmp_path):
    write_frames(tmp_path, gray_frames(10))
    with open_video(tmp_path, start_seconds=0.5, end_seconds=1, frames_fps=4) as video:
        assert grays(video) == [20, 30]
        assert (video.fps, video.seconds_at(1)) == (4, 0.25)
    with open_video(tmp_path, start_seconds=0.2, frames_fps=40) as video:
        assert grays(video) == [80, 90]


def test_a_number_of_frames_that_is_wrong_is_refused(tmp_path):
    write_frames(tmp_path, gray_frames(3))
    with open_video(tmp_path, num_frames=3) as video:
        assert len(video) == 3
    with pytest.raises(VideoError, match=r"the video has 3 frames that can be decoded, not 4"):
        open_video(tmp_path, num_frames=4)
    with pytest.raises(VideoError, match=r"the reader is closed"):
        video.read([0])
    with open_video(tmp_path) as video:
        (tmp_path / "00002.png").unlink()
        with pytest.raises(VideoError, match=r"00002.png cannot be read \(No such file"):
            video.read([1])
