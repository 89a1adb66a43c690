"""The tools that go through all videos of a data set."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stn_action.data.manifest import Manifest
from stn_action.video.writer import write_video
from tests.tiny import tiny_settings, write_config
from tests.video.clips import images
from tools.check_videos import main as check_videos
from tools.reencode_videos import main as reencode_videos

ROOT = Path(__file__).parents[1]


def test_a_configurations_videos_are_checked(tiny_data, tmp_path, capsys):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    out = tmp_path / "new/manifest.tsv"
    arguments = [str(file), "data.crop.size=24", "--out", str(out), "--workers", "0", "--strict"]
    assert check_videos(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "18 videos: 18 checked now, 0 known before, 0 failed",
        f"written to {out}: 18 videos, 0 cannot be read, 0 damaged in part",
    ]
    assert [entry.frames for entry in Manifest.open(out)].count(12) == 16


def test_a_broken_video_fails_where_that_is_asked_for(tiny_data, tmp_path, capsys):
    folder = shutil.copytree(tiny_data / "test/left", tmp_path / "videos")
    (folder / "1.mp4").write_bytes(b"")
    arguments = [str(folder), "--out", str(tmp_path / "m.tsv"), "--workers", "0"]
    assert check_videos(arguments) == 0
    assert check_videos([*arguments, "--strict"]) == 1
    assert "failed: 1: the video file is empty (0 bytes)" in capsys.readouterr().out


def test_a_wrong_command_ends_with_status_2(tmp_path, capsys):
    assert check_videos([str(tmp_path), "--out", str(tmp_path / "m.tsv")]) == 2
    assert "there is no video below this folder" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"^2$"):
        check_videos([str(tmp_path), "--out", "m.tsv", "--workers", "-1"])


def test_a_check_that_was_killed_goes_on(tmp_path, capsys):
    folder = tmp_path / "videos"
    write_video(folder / "00.mp4", images(60, (240, 320)), fps=25, crf=10)
    for number in range(1, 25):  # each takes long enough to decode for the kill to come in time
        shutil.copy(folder / "00.mp4", folder / f"{number:02d}.mp4")
    out, journal = tmp_path / "m.tsv", tmp_path / "m.tsv.part"
    command = [str(folder), "--out", str(out), "--workers"]
    process = subprocess.Popen(
        [sys.executable, "tools/check_videos.py", *command, "1"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and (
        not journal.exists() or journal.read_bytes().count(b"\n") < 4
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = journal.read_bytes().count(b"\n") - 1
    assert check_videos([*command, "0"]) == 0
    assert f"{25 - done} checked now, {done} known before" in capsys.readouterr().out
    assert len(Manifest.open(out)) == 25


def test_videos_are_re_encoded_with_their_boxes(tiny_data, tmp_path, capsys):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    out = tmp_path / "out"
    arguments = [str(file), "--out", str(out), "--workers", "0", "--short-side", "32"]
    people = ["--crop-people", str(tiny_data / "people"), "--margin", "0.3"]
    assert reencode_videos([*arguments, *people]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("18 videos of 0.")
    assert printed[1:] == [
        "18 videos: 18 re-encoded now, 0 known before, 0 failed",
        "1 videos were not cropped: their people and the margin fill the frame, or no person is "
        "known in them",
        f"written to {out}; train with data.root={out} data.people={out / 'people.sqlite'}",
    ]
    assert reencode_videos([*arguments, *people]) == 0
    assert capsys.readouterr().out.startswith(
        "18 videos: 0 re-encoded now, 18 known before, 0 failed"
    )
    assert reencode_videos(arguments) == 2
    error = capsys.readouterr().err
    assert "holds videos that were re-encoded with" in error
    assert error.count("\n") == 1


def test_a_wrong_recipe_ends_with_status_2(tiny_data, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert reencode_videos([str(tmp_path / "none.yaml"), *out]) == 2
    assert reencode_videos([str(tiny_data), *out, "--short-side", "7"]) == 2
    assert reencode_videos([str(tiny_data), *out, "--people", str(tmp_path / "none.sqlite")]) == 2
    assert "none.sqlite: no people file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"^2$"):
        reencode_videos([str(tiny_data), *out, "--crf", "60"])
