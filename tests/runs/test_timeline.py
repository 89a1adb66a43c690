"""Timelines of people on long videos and streams, from the command line and from within."""

import csv
import json
import re
import socket
import threading
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from stn_action import Predictor
from stn_action.person.detect_video import detect_people
from stn_action.person.tube import Tube
from stn_action.video.backend_table import open_video
from stn_action.video.pyav import PyAVReader
from stn_action.video.writer import write_video
from tests.person.scene import ColorDetector, draw, standing, write_scene
from tools.predict import main as predict

DETECTOR = ["--people", "python:tests.person.scene:ColorDetector"]
SPAN = 7
"""Frames of a window of the tiny run: 4 of them, two apart."""


class Timeline:
    def __init__(self, folder: Path) -> None:
        lines = (folder / "timeline.jsonl").read_text(encoding="utf-8").splitlines()
        self.rows = [json.loads(line) for line in lines]
        with (folder / "timeline.csv").open(newline="", encoding="utf-8") as file:
            self.cells = list(csv.DictReader(file))
        self.files = sorted(path.name for path in folder.iterdir())


@pytest.fixture
def checkpoint(tiny_run) -> str:
    return str(tiny_run.folder / "last.pt")


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    """Two people of 40 and 3 frames."""
    boxes = torch.cat([standing(40), standing(40, left=30.0)])
    boxes[1, 3:] = torch.tensor([0.0, 0, 1, 1])  # gone
    return write_scene(tmp_path_factory.mktemp("timeline") / "scene.mp4", boxes)


def run(checkpoint: str, video: str | Path, out: Path, *more: str) -> int:
    return predict(["--checkpoint", checkpoint, str(video), "--out", str(out), *more])


def test_a_video_has_segments_a_chart_and_an_annotated_copy(checkpoint, scene, tmp_path, capsys):
    assert run(checkpoint, scene, tmp_path, *DETECTOR, "--detect-every", "1") == 0
    printed = capsys.readouterr().out
    found = Timeline(tmp_path)
    assert found.files == [f"timeline.{end}" for end in ("csv", "jsonl", "mp4", "png", "svg")]
    assert len({row["track"] for row in found.rows}) == 1
    assert [list(row.values()) for row in found.rows] == [
        [int(row["track"]), *(float(row[key]) for key in ("start_seconds", "end_seconds")),
         row["class"], float(row["probability"])]
        for row in found.cells
    ]  # fmt: skip
    assert (found.rows[0]["start_seconds"], found.rows[-1]["end_seconds"]) == (0, 1.3)
    for before, after in zip(found.rows, found.rows[1:], strict=False):
        assert before["end_seconds"] == after["start_seconds"]
    with open_video(tmp_path / "timeline.mp4") as copy:
        assert (len(copy), copy.size_hw, round(copy.fps)) == (40, (320, 640), 30)
        image = copy.read([20]).data[0]
        assert image.float().std() > 20
    assert "2 tracks of people, 1 of them too short for a window of 7 frames" in printed
    assert re.search(r"40 frames, 1.3 s of video, \d+ windows in .* times real time", printed)


def test_a_window_is_what_a_predictor_sees_of_its_frames(checkpoint, scene, tmp_path):
    more = ["--detect-every", "2", "--every", "10", "--no-mp4"]
    assert run(checkpoint, scene, tmp_path, *DETECTOR, *more) == 0
    tubes = detect_people(scene, "scene", ColorDetector(), every=2).tubes
    tube = max(tubes, key=len)
    last = int(tube.frame_indices[-1])
    starts = [0, (last + 1 - SPAN) // 2 * 2]
    with open_video(scene) as reader:
        frames = reader.read(range(len(reader))).data
    predictor = Predictor.load(checkpoint, ["eval.num_clips=1"])
    rows = Timeline(tmp_path).rows
    assert len(rows) == 2
    for start, row in zip(starts, rows, strict=True):
        shifted = Tube(tube.frame_indices - start, tube.boxes, tube.scores)
        seen = predictor.predict(frames[start : start + SPAN], tubes=[shifted])
        assert (row["track"], row["class"]) == (tubes.index(tube) + 1, seen.label)
        assert row["probability"] == pytest.approx(float(seen.probabilities.max()), abs=6e-5)
        assert row["start_seconds"] == pytest.approx(start / 30, abs=1e-3)
        assert row["end_seconds"] == pytest.approx((start + SPAN) / 30, abs=1e-3)
