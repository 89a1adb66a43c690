"""Folders of results: one process at a time writes into them."""

import os
import re
from pathlib import Path

import pytest
import torch

from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.evaluation.metrics import score_videos
from stn_action.evaluation.views import ViewPredictions
from stn_action.runs.arms import run_arms
from stn_action.runs.checkpoint_test import evaluate_checkpoint
from stn_action.runs.folder import LOCK_FILE, locked_folder, write_result
from stn_action.runs.folds import train_folds
from stn_action.runs.test_sweep import sweep_checkpoints
from stn_action.runs.train import train
from stn_action.runs.train_sweep import run_arm_sweep
from tests.tiny import Finished, tiny_config

VERBS = {
    "train": lambda config, run, out: train(config),
    "resume": lambda config, run, out: train(config, resume=True),
    "folds": lambda config, run, out: train_folds(
        config.model_copy(
            update={"data": config.data.model_copy(update={"name": "ut_interaction"})}
        )
    ),
    "arms": lambda config, run, out: run_arms(config, [0], out),
    "arms at several values": lambda config, run, out: run_arm_sweep(
        config, "optim.lr=0.1,0.2", [0], out
    ),
    "checkpoint": lambda config, run, out: evaluate_checkpoint(run / "last.pt", None, [], out),
    "checkpoint at several values": lambda config, run, out: sweep_checkpoints(
        [run / "last.pt"], "data.crop.looseness=0,1", out=out
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_another_process_writes_to_is_left_alone(
    verb: str, tiny_data: Path, tiny_run: Finished, tmp_path: Path
):
    out = tmp_path / "out"
    config = tiny_config(tiny_data, f"train.output_dir={out}")
    message = rf"{re.escape(str(out))}: another process is writing to it: process {os.getpid()} on "
    with locked_folder(out):
        with pytest.raises(InputError, match=message):
            VERBS[verb](config, tiny_run.folder, out)
        assert [path.name for path in out.iterdir()] == [LOCK_FILE]
    assert not out.exists()


def test_a_folder_in_which_something_was_written_stays(tmp_path):
    with locked_folder(tmp_path / "runs" / "one"):
        (tmp_path / "runs" / "one" / "note.txt").write_text("kept")
    assert [path.name for path in (tmp_path / "runs" / "one").iterdir()] == ["note.txt"]


def test_of_several_processes_without_a_strategy_the_main_one_holds_the_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with locked_folder(tmp_path / "one"):
        assert not (tmp_path / "one").exists()


def test_several_labels_have_a_table_of_average_precisions(tmp_path):
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    views = ViewPredictions(
        torch.arange(2), torch.zeros(2, dtype=torch.int64), targets, torch.rand(2, 2), []
    )
    videos = [Video(name, Path(name), (0,), name) for name in "ab"]
    scores = score_videos(views, targets, 2)
    write_result(tmp_path, "test", scores.numbers, scores, videos, ("sit", "talk, to a person"))
    assert (tmp_path / "test_classes.csv").read_text().splitlines() == [
        "class,videos,average_precision", "sit,2,1.000000", '"talk, to a person",0,',
    ]  # fmt: skip
    assert not (tmp_path / "test_confusion.csv").exists()
