"""Files whose packets carry the times of decoding, or no times, though frames are reordered."""

import numpy as np
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.container import packet_index
from stn_action.video.reader import VideoError
from tests.video.clips import B_FRAMES, CLOSED, OPEN, Clip, checksum, checksums, remux, write_clip

PYRAMID = "keyint=250:scenecut=0:bframes=7:b-adapt=0:b-pyramid=normal:ref=4"
HEVC = "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0:pools=1:log-level=none"
SOURCES = [
    Clip("h264.mp4", options=CLOSED),
    Clip("h264_open.mp4", options=OPEN),
    Clip("pyramid.mp4", options={"x264-params": PYRAMID}),
    Clip("hevc.mp4", "libx265", {"x265-params": HEVC + ":open-gop=0"}),
    Clip("hevc_open.mp4", "libx265", {"x265-params": HEVC + ":open-gop=1"}),
    Clip("mpeg4.mp4", "mpeg4", B_FRAMES),
]
CLIPS_READ = [[2, 10, 18, 26], [0], [12], [11], [10], [59], [3, 4, 5], [24, 40], [13, 25, 37, 49]]


def times_of_decoding(number: int, time: int) -> int:
    return number


def times_of_decoding_in_the_middle(number: int, time: int) -> int:
    """A file put together from several: only its middle has lost its times."""
    return number if 24 <= number < 48 else time


def no_times(number: int, time: int) -> int:
    return 0


@pytest.fixture(scope="module")
def source_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    for clip in SOURCES:
        write_clip(folder, clip)
    return folder


def check_all_readings(path, backends=("pyav",)) -> list[int]:
    expected = checksums(path)
    chosen = [[i for i in indices if i < len(expected)] for indices in CLIPS_READ]
    for backend in backends:
        with open_video(path, backend) as video:
            assert [checksum(image) for _, image, _ in video.stream()] == expected
        for indices in chosen:
            with open_video(path, backend) as video:  # a fresh reader knows of no disorder
                found = [checksum(image) for image in video.read_images(indices)]
            assert found == [expected[i] for i in indices], f"{backend} reads {indices} wrongly"
    return expected


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("clip", SOURCES, ids=lambda clip: clip.name)
def test_frames_are_those_of_a_sequential_decode(clip, suffix, source_folder, tmp_path):
    path = remux(source_folder / clip.name, tmp_path / f"copied{suffix}", times_of_decoding)
    backends = ["pyav", "opencv"] if suffix == ".mp4" else ["pyav"]
    assert len(check_all_readings(path, backends)) == 60


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("clip", SOURCES, ids=lambda clip: clip.name)
def test_files_that_lost_their_times_in_the_middle_too(clip, suffix, source_folder, tmp_path):
    path = tmp_path / f"copied{suffix}"
    remux(source_folder / clip.name, path, times_of_decoding_in_the_middle, delay=8)
    check_all_readings(path)


@pytest.mark.parametrize("clip", SOURCES, ids=lambda clip: clip.name)
def test_without_times_too(clip, source_folder, tmp_path):
    path = remux(source_folder / clip.name, tmp_path / "copied.mp4", no_times, delay=60)
    check_all_readings(path)


@pytest.mark.parametrize(("name", "suffix"), [("mpeg4.mp4", ".avi"), ("h264.mp4", ".ts")])
@pytest.mark.parametrize(("times", "delay"), [(times_of_decoding, 0), (no_times, 60)])
def test_other_containers_are_read_forwards(name, suffix, times, delay, source_folder, tmp_path):
    path = remux(source_folder / name, tmp_path / f"copied{suffix}", times, delay)
    assert packet_index(path) is None
    check_all_readings(path)


@pytest.mark.parametrize("name", ["raw2mp4.mp4", "avi2mp4.mp4"])
def test_copies_made_by_ffmpeg_are_read_forwards(name, shared):
    check_all_readings(shared / "cases" / "pts_in_decoding_order" / name, ["pyav", "opencv"])


@pytest.mark.parametrize("name", ["h264.mp4", "mpeg4.mp4"])
def test_decord_refuses_them(name, source_folder, tmp_path):
    pytest.importorskip("decord", reason="decord has no wheel for this machine")
    path = remux(source_folder / name, tmp_path / "copied.mp4", times_of_decoding)
    with pytest.raises(VideoError, match="decord cannot tell the order of its frames"):
        open_video(path, "decord")


def test_a_file_that_really_shows_frames_in_order_is_still_sought_in(tmp_path):
    options = {"x264-params": CLOSED["x264-params"].replace("bframes=3", "bframes=0")}
    path = write_clip(tmp_path, Clip("plain.mp4", options=options))
    index = packet_index(path)
    assert index is not None
    np.testing.assert_array_equal([start.rank for start in index.starts], range(0, 60, 12))
