"""The tool for faithfulness on runs with windows, with weights, without heads, and over folds."""

import json
from dataclasses import replace

import pytest
from rich.console import Console

from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.errors import InputError
from stn_action.runs.faithfulness_run import run_faithfulness
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint
from tests.tiny import rows_of, tiny_config
from tools.faithfulness import main as faithfulness

MASKS = ["heads", "Grad-CAM", "activation", "random"]
ONE_CLIP = "eval.num_clips=1"


@pytest.mark.parametrize("kind", ["windows", "weights"])
def test_a_run_with_heads_is_measured_by_the_tool(kind, tiny_run, attention_run, tmp_path, capsys):
    run = tiny_run.folder if kind == "windows" else attention_run
    out = tmp_path / "out"
    assert faithfulness([str(run), "--out", str(out), ONE_CLIP]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("folders: 6 videos, 0 failed; 4x2 frames of 32x32, 1 clips x 1")
    assert printed[0].endswith("; predicted class")
    assert printed[:-1] == (out / "faithfulness.md").read_text().splitlines()
    numbers = json.loads((out / "faithfulness.json").read_text())
    assert list(numbers["masks"]) == MASKS
    assert numbers["num_videos"] == 6
    rows = rows_of(out / "faithfulness.csv")
    assert len(rows) == 6
    for mask in MASKS:
        mean = sum(float(row[f"drop {mask}"]) for row in rows) / 6
        found = numbers["masks"][mask]["drop"]
        assert found["difference"] == pytest.approx(mean, abs=1e-6)
        assert found["low"] <= found["difference"] <= found["high"]
    again = tmp_path / "again"
    assert faithfulness([str(run / "last.pt"), "--out", str(again), ONE_CLIP]) == 0
    assert json.loads((again / "faithfulness.json").read_text()) == numbers


def test_folds_are_pooled(tiny_run, tmp_path, monkeypatch):
    """Two checkpoints of a data set that has the same test videos in both of its folds."""
    monkeypatch.setitem(DATASETS, "folders", replace(DATASETS["folders"], folds=(1, 2)))
    content = load_checkpoint(tiny_run.folder / "last.pt", to_resume=True)
    for fold in (1, 2):
        content["config"]["data"]["fold"] = fold
        (tmp_path / f"fold_{fold}").mkdir()
        save_checkpoint(tmp_path / f"fold_{fold}/last.pt", content)
    lines = run_faithfulness(tmp_path, None, [ONE_CLIP], None, area=0.2)
    assert lines[0].startswith("folders, 2 folds pooled: 12 videos, 0 failed;")
    assert lines[1].endswith("each mask covers 20.0% of the frames")  # 205 of 1024 pixels
    assert lines[-1] == f"written to {tmp_path / 'faithfulness'}"
    rows = rows_of(tmp_path / "faithfulness/faithfulness.csv")
    assert len(rows) == 12
    one, other = ([row["drop heads"] for row in half] for half in (rows[:6], rows[6:]))
    assert one == other


def test_without_heads_an_area_and_a_stage_are_needed(tmp_path, tiny_data):
    run = tmp_path / "run"
    settings = ["model.focus=null", "train.epochs=1", "train.max_steps=1"]
    config = tiny_config(tiny_data, *settings, f"train.output_dir={run}")
    train(config, console=Console(quiet=True))
    with pytest.raises(InputError, match="there are no heads whose place could be masked; give --"):
        run_faithfulness(run, None, [], None)
    with pytest.raises(InputError, match=r"neither model\.focus\.at nor model\.freeze_until "):
        run_faithfulness(run, None, [], None, area=0.2)
    with pytest.raises(InputError, match=r"--area must be a share of the frame in \(0, 1\), got 2"):
        run_faithfulness(run, None, [], None, area=2.0)
    run_faithfulness(run, None, [ONE_CLIP], None, area=0.2, at="stage2", explained="true")
    numbers = json.loads((run / "faithfulness/faithfulness.json").read_text())
    assert list(numbers["masks"]) == MASKS[1:]
    assert numbers["protocol"].endswith("true class")
