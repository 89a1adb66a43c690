"""What identifies a video on the disk."""

import os

import pytest

from stn_action.checksum import checksum
from stn_action.video.content import (
    content_checksum,
    video_checksum,
    video_slice_label,
    video_state,
)
from tests.video.frame_folders import gray_frames, write_frames


def test_a_slice_is_known_by_its_file_and_its_bounds(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    assert video_checksum(path) == video_checksum(path, 0.0, None) == checksum(path)
    assert video_checksum(path, 0.5, 2) == f"{checksum(path)} 0.5:2.0"
    assert video_checksum(path, 0.5, 2, 12.0) == f"{checksum(path)} 0.5:2.0"


def test_a_folder_is_known_by_the_names_and_bytes_of_its_frames(tmp_path):
    folder = write_frames(tmp_path / "a", gray_frames(3))
    first = content_checksum(folder)
    (folder / "Thumbs.db").write_bytes(b"1")
    (folder / ".hidden.png").write_bytes(b"1")
    assert content_checksum(folder) == first
    (folder / "00003.png").write_bytes((folder / "00002.png").read_bytes())
    second = content_checksum(folder)
    (folder / "00003.png").rename(folder / "00004.png")
    assert len({first, second, content_checksum(folder)}) == 3
    with pytest.raises(OSError, match="No such file"):
        content_checksum(tmp_path / "none")


def test_a_slice_of_a_folder_is_known_by_its_rate_too(tmp_path):
    folder = write_frames(tmp_path / "a", gray_frames(3))
    assert video_checksum(folder, frames_fps=12) == content_checksum(folder)
    assert video_checksum(folder, 0.5, None, 12) == f"{content_checksum(folder)} 0.5:@12.0"
    assert video_slice_label(folder, 0.5, 2.0, 12.5) == " 0.5:2.0@12.5"


def test_the_state_of_a_folder_follows_its_frames(tmp_path):
    folder = write_frames(tmp_path / "a", gray_frames(3))
    (folder / "notes.txt").write_bytes(b"12345")
    sizes = [path.stat().st_size for path in folder.glob("*.png")]
    before = video_state(folder)
    assert before.bytes == sum(sizes)
    later = before.modified + 10**9
    os.utime(folder / "00002.png", ns=(later, later))
    assert video_state(folder) == (before.bytes, later)
    file = folder / "notes.txt"
    assert video_state(file) == (5, file.stat().st_mtime_ns)
