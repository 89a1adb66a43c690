"""Timelines of people on long videos and streams, from the command line and from within."""

import csv
import json
import re
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from stn_action import Predictor
from stn_action.person.detect_video import detect_people
from stn_action.person.tube import Tube
from stn_action.runs.timeline import TimelinePlan, TimelineRun
from stn_action.runs.timeline_files import TimelineFiles
from stn_action.runs.train import train
from stn_action.video.backend_table import open_video
from stn_action.video.live_stream import FrameStream
from stn_action.video.pyav import PyAVReader
from tests.person.scene import ColorDetector, draw, standing, write_scene
from tests.tiny import tiny_config
from tests.video.sent_streams import as_stream, http_stream
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


def test_memory_does_not_grow_with_the_video_and_each_frame_is_decoded_once(checkpoint, tmp_path):
    path = write_scene(tmp_path / "long.mp4", standing(150))
    predictor, plan = Predictor.load(checkpoint), TimelinePlan("unused", detect_every=1)
    most_frames = most_boxes = 0
    with PyAVReader(path) as reader, TimelineFiles(tmp_path, lambda line: None) as files:
        stream = FrameStream("long", reader.fps, reader.stream())
        run = TimelineRun(predictor, stream, plan, ColorDetector(), files)
        num_drawn = 0
        for _ in run.frames(lambda: False):
            num_drawn += 1
            most_frames = max(most_frames, len(run.footage.images))
            for track in run.tracks:
                most_boxes = max(most_boxes, len(track.tube() or ()))
        assert reader.num_decoded == num_drawn == 150
    assert most_frames <= 12  # every second one of a window, what smoothing waits for, and a batch
    assert most_boxes <= 40
    assert files.rows[-1].end_seconds == pytest.approx(5, abs=0.1)


def test_a_request_to_stop_ends_a_stream_where_it_is(checkpoint, tmp_path):
    path = write_scene(tmp_path / "long.mp4", standing(150))
    with PyAVReader(path) as reader, TimelineFiles(tmp_path, lambda line: None) as files:
        stream = FrameStream("camera", reader.fps, reader.stream())
        plan = TimelinePlan("unused", detect_every=1)
        run = TimelineRun(Predictor.load(checkpoint), stream, plan, ColorDetector(), files)
        stop = iter([False] * 4 + [True])
        drawn = list(run.frames(lambda: next(stop)))
    assert len(drawn) == run.footage.num_frames == 33  # the first frame, and four batches of eight
    assert files.rows[-1].end_seconds == pytest.approx(33 / 30, abs=0.07)


def test_another_tracker_finds_the_same_person(checkpoint, scene, tmp_path):
    more = ["--tracker", "botsort", "--no-mp4", "--detect-every", "1"]
    assert run(checkpoint, scene, tmp_path, *DETECTOR, *more) == 0
    rows = Timeline(tmp_path).rows
    assert len({row["track"] for row in rows}) == 1
    assert rows[-1]["end_seconds"] - rows[0]["start_seconds"] > 1.2


def test_the_whole_frame_is_a_track_of_its_own(checkpoint, scene, tmp_path, capsys):
    assert run(checkpoint, scene, tmp_path, "--whole-frame") == 0
    assert {row["track"] for row in Timeline(tmp_path).rows} == {0}
    printed = capsys.readouterr().out
    assert "note: the network was trained on crops of people, here it gets whole frames" in printed
    assert re.search(r"^frame  0.00 to [\d.]+ s  \w+  0.\d\d$", printed, re.MULTILINE)


def test_a_video_without_people_has_empty_files(checkpoint, tmp_path, capsys):
    path = write_scene(tmp_path / "empty.mp4", torch.zeros(0, 9, 4))
    assert run(checkpoint, path, tmp_path / "out", *DETECTOR) == 0
    found = Timeline(tmp_path / "out")
    assert (found.rows, found.cells) == ([], [])
    assert "timeline.mp4" in found.files
    assert "\nno person was found\n" in capsys.readouterr().out


def test_a_network_stream_that_ends_has_all_outputs(checkpoint, tmp_path, capsys):
    with http_stream(as_stream(draw(standing(40)))) as address:
        assert run(checkpoint, address, tmp_path, *DETECTOR) == 0
    found = Timeline(tmp_path)
    assert found.files == [f"timeline.{end}" for end in ("csv", "jsonl", "mp4", "png", "svg")]
    assert found.rows[-1]["end_seconds"] > 1.2
    assert "1 tracks of people, 0 of them too short" in capsys.readouterr().out


def test_what_is_before_a_change_of_size_is_written(checkpoint, tmp_path, capsys, monkeypatch):
    images = draw(standing(20))
    larger = [np.pad(image, ((0, 8), (0, 16), (0, 0))) for image in images]
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(as_stream(images) + as_stream(larger))))
    assert run(checkpoint, "-", tmp_path, *DETECTOR, "--no-mp4") == 2
    assert Timeline(tmp_path).rows[-1]["end_seconds"] == pytest.approx(0.63, abs=0.1)
    assert "frame 20 is 256x128 pixels, the first 240x120" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([*DETECTOR, "--every", "0"], "--every must be above 0 seconds, got 0"),
        ([*DETECTOR, "--detect-every", "0"], "--detect-every must be at least 1, got 0"),
        ([*DETECTOR, "--tracker", "deepsort"], "--tracker must be one of bytetrack, botsort, ocso"),
        (["--people", "magic"], "--detector must be torchvision"),
        ([*DETECTOR, "other.mp4"], "scene.mp4, other.mp4; give one"),
        ([*DETECTOR, "data.crop.box_error=mild"], "data.crop.box_error: is for tests"),
    ],
)
def test_wrong_settings_end_before_the_video_is_read(
    checkpoint, scene, tmp_path, capsys, more, message
):
    assert run(checkpoint, scene, tmp_path / "out", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_people_and_whole_frames_exclude_each_other_and_need_a_folder(checkpoint, capsys):
    for more in (
        ["--people", "x"],
        ["--out", "y"],
        ["--out", "y", "--people", "x", "--whole-frame"],
    ):
        with pytest.raises(SystemExit, match=r"^2$"):
            predict(["--checkpoint", checkpoint, "a.mp4", *more])
        assert "either --people DETECTOR or --whole-frame" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["0", "-", "rtsp://127.0.0.1/main"])
def test_a_stream_without_a_folder_names_the_options_that_it_needs(checkpoint, capsys, name):
    assert predict(["--checkpoint", checkpoint, name]) == 2
    assert f"{name}: a camera, a network stream or a pipe has a timeline: give --out DIR" in (
        capsys.readouterr().err
    )


def test_a_folder_that_cannot_be_written_and_a_missing_video_are_said(
    checkpoint, scene, tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    assert run(checkpoint, scene, tmp_path / "file" / "out", *DETECTOR) == 2
    assert "timeline.jsonl: cannot be written" in capsys.readouterr().err
    assert run(checkpoint, "nowhere.mp4", tmp_path / "out", *DETECTOR) == 2
    assert "nowhere.mp4: no such video file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("focus", ["null", "{at: stage3, heads: 2, readout: attention}"])
def test_networks_without_windows_are_drawn(tiny_data, scene, tmp_path, capsys, focus):
    settings = [f"model.focus={focus}", "train.epochs=1", "optim.warmup_epochs=0"]
    config = tiny_config(tiny_data, *settings, f"train.output_dir={tmp_path / 'run'}")
    train(config, console=Console(quiet=True))
    checkpoint = str(tmp_path / "run/last.pt")
    assert run(checkpoint, scene, tmp_path / "out", *DETECTOR) == 0
    found = Timeline(tmp_path / "out")
    assert found.rows
    assert "timeline.mp4" in found.files
    note = "note: the network has no heads, so no windows are drawn"
    assert (note in capsys.readouterr().out) == (focus == "null")
