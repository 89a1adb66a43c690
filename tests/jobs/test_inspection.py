"""What the manifest tells of odd files."""

import doctest
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from stn_action.data.video_table import Video
from stn_action.jobs import inspection
from stn_action.jobs.inspection import inspect_video
from stn_action.video.backend_table import open_video
from stn_action.video.content import content_checksum, video_state
from tests.video.clips import CLOSED, Clip, write_clip
from tests.video.frame_folders import gray_frames, write_frames

HDR = "colorprim=bt2020:colormatrix=bt2020nc:transfer="


def entry_of(path: Path):
    return inspect_video(Video("a", path, 0, "")).entry


def patched(path: Path, box: bytes, offset: int, number: int) -> Path:
    """Write a number into a box of an MP4, behind its name and version."""
    data = bytearray(path.read_bytes())
    start = data.index(box) + 8 + offset
    data[start : start + 4] = struct.pack(">I", number)
    path.write_bytes(data)
    return path


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(inspection).failed == 0


def test_h264_in_avi_is_intact_and_has_its_own_rate(tmp_path):
    path = write_clip(tmp_path, Clip("a.avi", options=CLOSED))
    entry = entry_of(path)
    assert (entry.frames, entry.fps, entry.note) == (60, 25, "")
    for backend in ("pyav", "opencv"):
        with open_video(path, backend) as video:
            assert video.fps == 25
            np.testing.assert_allclose(video.read([0, 59]).seconds, [0, 2.36], atol=1e-6)


def test_the_avi_of_another_program_too(shared):
    entry = entry_of(shared / "cases" / "h264_avi_rate" / "h264.avi")
    assert (entry.frames, entry.fps, entry.note) == (60, 25, "")


def test_h264_in_avi_that_is_cut_is_noted(tmp_path):
    path = write_clip(tmp_path, Clip("a.avi", options=CLOSED))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    entry = entry_of(path)
    assert entry.note.startswith(f"its header promises 60 frames, {entry.frames} are there")


@pytest.mark.parametrize("timescale", [1280, 128, 1])
def test_frames_hidden_by_an_edit_list_that_a_changed_timescale_stretches_are_noted(
    timescale, tmp_path
):
    options = {"x264-params": "keyint=250:scenecut=0:bframes=3"}  # one group: no packet is left out
    path = patched(write_clip(tmp_path, Clip("a.mp4", options=options)), b"mdhd", 8, timescale)
    entry = entry_of(path)
    assert 1 <= entry.frames < 30
    assert "its edit list hides " in entry.note
    assert not entry.note.startswith("remark")
    for backend in ("pyav", "opencv"):
        with open_video(path, backend) as video:
            assert sum(1 for _ in video.stream()) == entry.frames == len(video)


def test_a_few_hidden_frames_are_remarked(shared):
    entry = entry_of(shared / "cases" / "pts_in_decoding_order" / "raw2mp4.mp4")
    assert (entry.frames, entry.note) == (58, "remark: its edit list hides 2 of 60 frames")


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        ("sar=4/3", "remark: pixels 4/3 times as wide as high are not stretched"),
        ("sar=1/1", ""),
        (HDR + "smpte2084", "remark: PQ brightness (HDR) is not converted"),
        (HDR + "arib-std-b67", "remark: HLG brightness (HDR) is not converted"),
        (HDR + "bt709", ""),
    ],
)
def test_what_is_not_converted_is_remarked(settings, remark, tmp_path):
    options = {"x264-params": f"{CLOSED['x264-params']}:{settings}"}
    path = write_clip(tmp_path, Clip("a.mp4", options=options))
    assert entry_of(path).note == remark
    part = inspect_video(Video("a", path, 0, "", 0.5, 1.0)).entry
    assert (part.frames, part.note) == (12, remark)


@pytest.mark.parametrize("timescale", [12_800_000, 2**31 - 1])
def test_an_absurd_rate_is_not_believed_and_remarked(timescale, tmp_path):
    path = patched(write_clip(tmp_path, Clip("a.mp4", options=CLOSED)), b"mdhd", 8, timescale)
    entry = entry_of(path)
    assert (entry.frames, entry.fps) == (60, 25)
    assert entry.note.endswith("frames per second are not believed, 25 are taken")
    for backend in ("pyav", "opencv", "decord"):
        if backend == "decord":
            pytest.importorskip("decord", reason="decord has no wheel for this machine")
        with open_video(path, backend) as video:
            assert video.fps == 25
            assert len(video) == 60
            np.testing.assert_allclose(video.read([0, 25, 50]).seconds, [0, 1, 2], atol=1e-6)


@pytest.mark.parametrize("numbers", [(2**32 - 1, 1), (1, 2**32 - 1)])
def test_an_absurd_rate_of_an_avi_is_not_believed(numbers, tmp_path):
    path = write_clip(tmp_path, Clip("a.avi", "mpeg4", {"bf": "0"}))
    data = bytearray(path.read_bytes())
    start = data.index(b"strh") + 8 + 20
    data[start : start + 8] = struct.pack("<II", *numbers)
    path.write_bytes(data)
    entry = entry_of(path)
    assert (entry.frames, entry.fps) == (60, 25)
    assert "not believed" in entry.note


def test_frames_that_a_decoder_leaves_out_silently_are_counted(tmp_path):
    path = write_clip(tmp_path, Clip("a.mp4", options=CLOSED))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for packet in packets[20:24]:
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    entry = entry_of(path)
    with open_video(path) as video:
        assert sum(1 for _ in video.stream()) == entry.frames < 60
    assert f"frames that cannot be decoded: {60 - entry.frames}" in entry.note


def test_a_folder_of_frames_is_described_at_the_rate_it_is_given(tmp_path):
    folder = write_frames(tmp_path / "a", gray_frames(6, (12, 16)), pattern="img_{}.jpg")
    entry = inspect_video(Video("a", folder, 0, "", frames_fps=12.5)).entry
    assert (entry.frames, entry.fps, entry.height, entry.width) == (6, 12.5, 12, 16)
    assert (entry.codec, entry.rotation, entry.error, entry.note) == ("mjpeg", 0, "", "")
    assert (entry.bytes, entry.modified) == video_state(folder)
    assert entry.checksum == content_checksum(folder)
    part = inspect_video(Video("a_1", folder, 0, "", 0.25, 1.0, frames_fps=4.0)).entry
    assert (part.frames, part.fps, part.checksum) == (3, 4, f"{entry.checksum} 0.25:1.0@4.0")


def test_without_one_of_its_frames_a_folder_cannot_be_read(tmp_path):
    folder = write_frames(tmp_path / "a", gray_frames(6))
    content = (folder / "00004.png").read_bytes()
    (folder / "00004.png").write_bytes(content[:40])
    assert entry_of(folder).error.startswith("00004.png is no image that can be decoded; write")
    (folder / "00004.png").unlink()
    entry = entry_of(folder)
    assert entry.error.startswith("frame 4 is missing: 00005.png comes after 00003.png")
    assert (entry.frames, entry.bytes) == (0, video_state(folder).bytes)
    write_frames(folder, gray_frames(1, (4, 4)), first=4)
    assert entry_of(folder).error.startswith("00004.png is 4x4 pixels, 00001.png 12x16; bring all")
