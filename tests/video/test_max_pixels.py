"""Frames above the limit are refused before one is decoded."""

import sys
from pathlib import Path

import pytest

from stn_action.build.video_sets import videos_of
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.jobs.inspection import inspect_video
from stn_action.person.crop import CropSpec
from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoError
from tests.tiny import tiny_settings, write_config
from tests.video.clips import CLOSED, Clip, write_clip

BACKENDS = ["auto", "pyav", "opencv", "decord"]
CLIPS = [
    Clip("a.mp4", options=CLOSED),
    Clip("a.h264", options=CLOSED),
    Clip("a.ts", options=CLOSED),
    Clip("a.avi", "mjpeg", pixels="yuvj420p"),
    Clip("a.mkv", "mjpeg", pixels="yuvj420p"),
    Clip("b.mkv", "ffv1"),
    Clip("turned.mp4", options=CLOSED, quarter_turns=1),
]
PIXELS = 48 * 64
MESSAGE = r"its frames are 64x48, more than the 3,071 pixels that data.max_pixels allows; re-"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("pixels")
    for clip in CLIPS:
        write_clip(made, clip)
    return made


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_larger_frames_are_refused_by_name(clip, backend, folder):
    if backend == "decord":
        pytest.importorskip("decord", reason="decord has no wheel for this machine")
    with pytest.raises(VideoError, match=rf"^{folder / clip.name}: {MESSAGE}"):
        open_video(folder / clip.name, backend, max_pixels=PIXELS - 1)


@pytest.mark.parametrize("backend", BACKENDS[:3])
@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_frames_at_the_limit_are_read(clip, backend, folder):
    with open_video(folder / clip.name, backend, max_pixels=PIXELS) as video:
        assert len(video.read([7, 0])) == 2


def test_a_stream_that_grows_beyond_the_limit_ends_there(folder, tmp_path):
    large = write_clip(tmp_path, Clip("large.h264", options=CLOSED, size_hw=(64, 96)))
    path = tmp_path / "both.h264"
    path.write_bytes((folder / "a.h264").read_bytes() + large.read_bytes())
    with open_video(path, "pyav", max_pixels=PIXELS) as video:
        assert sum(1 for _ in video.stream()) == 60  # of 120


def test_opencv_refuses_them_without_pyav_too(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "stn_action.video.header", None)
    with pytest.raises(VideoError, match=MESSAGE):
        open_video(folder / "a.mp4", "opencv", max_pixels=PIXELS - 1)


def test_a_source_of_clips_hands_the_limit_on(folder):
    videos = VideoTable([Video("a", folder / "a.mp4", 0, "")])
    source = ClipSource(VideoTable(), CropSpec(), max_pixels=PIXELS - 1).select(videos)
    with pytest.raises(VideoError, match=MESSAGE):
        source.open(0)


def test_a_check_notes_them_as_unreadable(folder):
    entry = inspect_video(Video("a", folder / "a.mp4", 0, "", max_pixels=PIXELS - 1)).entry
    assert entry.frames == 0
    assert entry.error.startswith("its frames are 64x48, more than the 3,071 pixels")


def test_tools_take_the_limit_of_a_configuration(tiny_data, tmp_path):
    file = write_config(tmp_path / "config.yaml", tiny_settings(tiny_data))
    videos = videos_of(str(file), ["data.max_pixels=1000"])
    assert {video.max_pixels for video in videos} == {1000}
    assert inspect_video(videos[0]).entry.error.startswith("its frames are ")
