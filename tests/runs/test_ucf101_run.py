"""configs/ucf101_st.yaml on a tree in the official layout, without data and without weights."""

import json
import re
import urllib.error
from pathlib import Path

import pytest
import torch

from tests.tiny import rows_of
from tests.ucf101_tree import CLASSES, write_ucf101
from tools.evaluate import main as evaluate_tool
from tools.train import main as train_tool

CONFIG = str(Path(__file__).parents[2] / "configs/ucf101_st.yaml")
SMALLER = ("data.crop.size=48", "data.clip.num_frames=4")


def train_and_evaluate(root: Path, test_root: Path, *settings: str) -> dict:
    """Two steps as the configuration says, its weights off; then its own 10 x 3 views."""
    run = root.parent / "run"
    own = ["data.official=false", "model.weights=none", "data.num_workers=0"]
    own += ["data.people=null", *settings]
    short = ["train.max_steps=2", "train.batch_size=2", "eval.num_clips=1", "eval.num_crops=1"]
    assert train_tool([CONFIG, f"data.root={root}", *own, *short, f"train.output_dir={run}"]) == 0
    checkpoint = ["--checkpoint", str(run / "last.pt")]
    assert evaluate_tool([*checkpoint, CONFIG, f"data.root={test_root}", *own]) == 0
    return json.loads((run / "evaluation/test.json").read_text())


def test_it_trains_and_is_tested_by_its_protocol_in_both_layouts(tmp_path, capsys):
    in_folders = write_ucf101(tmp_path / "ucf101")
    flat = write_ucf101(tmp_path / "flat", flat=True)
    result = train_and_evaluate(in_folders, flat, *SMALLER)
    assert result["protocol"] == (
        "ucf101 split 1 (subset: 4 train, 2 test videos): 2 videos, 0 failed; "
        "4x4 frames of 48x48, 10 clips x 3 crops, whole frame"
    )
    text = capsys.readouterr().out
    assert "4 training videos, 2 test videos, 101 classes; torchvision/r2plus1d_18 on" in text
    assert "relative: nominal 0.001, effective 90 (sgd, gain 300)" in text
    assert re.search(r"^trunk\+classifier +[\d,]+ +0\.01 +0\.0005", text, re.M)
    rows = rows_of(tmp_path / "run/evaluation/test_predictions.csv")
    assert [row["true"] for row in rows] == ["Archery", "YoYo"]
    assert list(rows[0])[4:] == CLASSES
    assert result["top5"] >= result["top1"] >= 0


@pytest.mark.slow
def test_this_very_configuration_runs(tmp_path):
    """Minutes on a busy machine, and 5 GB: thirty views of sixteen frames run at once."""
    root = write_ucf101(tmp_path / "ucf101", num_tests=1)
    result = train_and_evaluate(root, root)
    assert result["protocol"] == (
        "ucf101 split 1 (subset: 4 train, 1 test videos): 1 videos, 0 failed; "
        "16x4 frames of 112x112, 10 clips x 3 crops, whole frame"
    )


def test_without_the_videos_it_ends_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train_tool([CONFIG]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: ucf101: the folder data/ucf101 does not exist; get UCF101.rar and "
        "UCF101TrainTestSplits-RecognitionTask.zip from https://www.crcv.ucf.edu/data/UCF101.php "
        "and unpack both into data.root\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_tiny_tree_is_not_taken_for_the_official_one(tmp_path, capsys):
    root = write_ucf101(tmp_path / "ucf101")
    assert train_tool([CONFIG, f"data.root={root}"]) == 2
    assert "101 classes, 4 training and 2 test videos, expected 101 classes, 9537 training and" in (
        capsys.readouterr().err
    )


def test_without_the_weights_it_ends_at_once(tmp_path, capsys, monkeypatch):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    root = write_ucf101(tmp_path / "ucf101")
    own = ["data.official=false", "data.people=null"]
    assert train_tool([CONFIG, f"data.root={root}", *own]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: model.weights=kinetics400: https://")
    assert "no route to host" in error
    assert f"; {Path(torch.hub.get_dir()) / 'checkpoints'}" in error
    assert "put it there, or set model.weights to a file or to none" in error
    assert "Traceback" not in error
    assert not (tmp_path / "runs").exists()


def test_without_the_people_it_says_what_writes_them(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = write_ucf101(tmp_path / "ucf101")
    assert train_tool([CONFIG, f"data.root={root}", "data.official=false"]) == 2
    error = capsys.readouterr().err
    assert "data.people: data/ucf101_people.sqlite does not exist" in error
    assert "detect_people.py CONFIG --out data/ucf101_people.sqlite`" in error
    assert "data.people=null" in error
