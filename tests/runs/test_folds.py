"""Every split of a data set trained and tested, the predictions pooled."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.config.schema import Config, load_config
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.errors import InputError
from stn_action.runs.folds import train_folds
from tests.tiny import rows_of, tiny_settings
from tests.ucf101_tree import write_ucf101

QUIET = {"console": Console(quiet=True)}


@pytest.fixture
def config(tmp_path, monkeypatch) -> Config:
    """Two splits: what one trains on, the other is tested on."""
    monkeypatch.setitem(DATASETS, "ucf101", replace(DATASETS["ucf101"], folds=(1, 2)))
    root = write_ucf101(tmp_path / "ucf101")
    return load_config(None, [
        *tiny_settings(root), "data.name=ucf101", "data.official=false", "data.fold=all",
        "data.people=null", "data.regions=null", "train.epochs=1", "eval.shuffled_theta=false",
        f"train.output_dir={tmp_path / 'run'}",
    ])  # fmt: skip


def test_the_predictions_of_all_folds_are_pooled(config, tmp_path):
    result = train_folds(config, command="the command", **QUIET)
    run = tmp_path / "run"
    assert result.protocol == (
        "ucf101, 2 folds pooled: 6 videos, 0 failed; 4x2 frames of 32x32, 2 clips x 1 crops, "
        "whole frame"
    )
    written = json.loads((run / "test.json").read_text())
    assert written["protocol"] == result.protocol
    low, high = written["top1_interval"]
    assert 0 <= low <= result.scores.numbers["top1"] <= high <= 1
    assert result.lines()[2].endswith("interval of a bootstrap over 6 groups of test videos")
    pooled = rows_of(run / "test_predictions.csv")
    apart = [row for fold in (1, 2) for row in rows_of(run / f"fold_{fold}/test_predictions.csv")]
    assert pooled == apart
    assert len(pooled) == 6
    assert load_config(run / "config.yaml") == config
    assert load_config(run / "fold_2/config.yaml").data.fold == 2
    assert json.loads((run / "run.json").read_text())["command"] == "the command"


def test_folds_go_on_where_they_were_interrupted(config, tmp_path):
    result = train_folds(config, **QUIET)
    done, interrupted = (tmp_path / f"run/fold_{fold}" for fold in (1, 2))
    (interrupted / "probabilities.json").unlink()
    (interrupted / "last.pt").unlink()
    times = {path: path.stat().st_mtime_ns for path in done.iterdir()}
    again = train_folds(config, resume=True, **QUIET)
    assert {path: path.stat().st_mtime_ns for path in done.iterdir()} == times
    assert again.numbers() == result.numbers()


@pytest.mark.slow  # those below are killed and go on in the default suite
def test_folds_that_were_killed_before_any_saved_its_state_start_cleanly(config, tmp_path):
    result = train_folds(config, **QUIET)
    for fold in (tmp_path / "run").glob("fold_*"):
        for name in ("probabilities.json", "test.json", "last.pt"):
            (fold / name).unlink()
    again = train_folds(config, resume=True, **QUIET)
    assert again.numbers() == result.numbers()
    for fold in (tmp_path / "run").glob("fold_*"):
        lines = map(json.loads, (fold / "metrics.jsonl").read_text().splitlines())
        assert [(line["kind"], line["epoch"]) for line in lines] == [("train", 1), ("test", 1)]


def test_folds_of_other_settings_are_not_pooled(config, tmp_path):
    train_folds(config, **QUIET)
    with pytest.raises(InputError, match="run holds a run already; give --resume"):
        train_folds(config, **QUIET)
    other = config.model_copy(update={"optim": config.optim.model_copy(update={"lr": 0.5})})
    message = r"the folds in .*run were started with other settings: optim.lr was 0.003, is 0.5"
    with pytest.raises(InputError, match=message):
        train_folds(other, resume=True, **QUIET)


def test_folds_killed_while_they_started_start_again_when_they_are_resumed(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("cut o")
    resumed = train_folds(config, resume=True, **QUIET)
    assert resumed.scores.probabilities.shape[0] > 0
    assert (tmp_path / "run" / "fingerprint.json").is_file()


def test_there_must_be_folds_to_resume_and_to_run(config, tmp_path):
    with pytest.raises(InputError, match=r"no run was started in .*run; leave --resume out"):
        train_folds(config, resume=True, **QUIET)
    missing = config.model_copy(
        update={"data": config.data.model_copy(update={"root": Path(tmp_path / "nowhere")})}
    )
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        train_folds(missing, **QUIET)
    assert not (tmp_path / "run").exists()
    folders = config.model_copy(update={"data": config.data.model_copy(update={"name": "folders"})})
    with pytest.raises(InputError, match=r"folders has one fold only; leave data.fold at 1"):
        train_folds(folders, **QUIET)
