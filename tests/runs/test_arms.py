"""Three arms with two seeds: the table, the differences, and what is not done twice."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from stn_action.config.schema import Config
from stn_action.errors import InputError
from stn_action.runs.arms import (
    ARMS,
    ArmResult,
    clear,
    compare,
    describe,
    print_arms,
    run_arms,
    table_rows,
)
from stn_action.training.checkpoint import load_checkpoint
from tests.tiny import rows_of, tiny_config, tiny_settings, write_config
from tools.compare import main as compare_tool

QUIET = Console(quiet=True)
SHORT = ("train.epochs=1", "optim.warmup_epochs=0")


@pytest.fixture(scope="module")
def config(tiny_data) -> Config:
    return tiny_config(tiny_data, *SHORT)


@pytest.fixture(scope="module")
def compared(tiny_data, tmp_path_factory) -> Path:
    """Three arms with two seeds, made by the tool; interrupted runs are added and mended."""
    folder = tmp_path_factory.mktemp("arms")
    settings = tiny_settings(tiny_data, *SHORT)
    file = str(write_config(folder / "tiny.yaml", settings))
    assert compare_tool([file, "--seeds", "0", "1", "--out", str(folder / "out")]) == 0
    return folder / "out"


def times(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.glob("*/*")}


def test_each_arm_differs_in_what_it_is_called_after(compared):
    names = sorted(path.name for path in compared.iterdir() if path.is_dir())
    assert names == [
        f"{arm}_seed{seed}" for arm in ("frozen_heads", "heads", "no_heads") for seed in (0, 1)
    ]
    heads = {
        arm: load_checkpoint(compared / f"{arm}_seed1/last.pt") for arm in ("no_heads", "heads")
    }
    assert not any(key.startswith("placements.") for key in heads["no_heads"]["network"])
    assert heads["heads"]["config"]["train"]["seed"] == 1
    frozen = load_checkpoint(compared / "frozen_heads_seed1/last.pt")["network"]
    moved = heads["heads"]["network"]
    assert frozen["placements.0.readout.heads.localization.output.weight"].abs().max() == 0
    assert moved["placements.0.readout.heads.localization.output.weight"].abs().max() > 0


def test_a_read_out_with_weights_is_compared_with_windows_that_are_fixed(tiny_data, tmp_path):
    short = [*SHORT, "train.max_steps=1", "eval.num_clips=1", "model.focus.readout=attention"]
    config = tiny_config(tiny_data, *short)
    results = run_arms(config, [0], tmp_path, console=QUIET)
    rows = table_rows(results)
    assert rows[0][-2:] == ["area", "effective area"]
    for row in rows[2:]:
        assert all(cell != "–" for cell in row[4:])
    frozen = load_checkpoint(tmp_path / "frozen_heads_seed0/last.pt")
    assert frozen["config"]["model"]["focus"]["readout"] == "windows"
    assert rows[2][-2] == rows[2][-1]  # of windows they are the same


def test_the_table_and_the_differences_are_written(compared, config):
    text = (compared / "table.md").read_text()
    lines = text.splitlines()
    assert lines[0].startswith("folders: 6 videos, 0 failed; 4x2 frames of 32x32")
    assert lines[2].startswith("| arm | top-1 per seed | mean | deviation |")
    assert [line.split(" | ")[0] for line in lines[4:7]] == [f"| {arm}" for arm in ARMS]
    assert lines[4].split(" | ")[4:] == ["–"] * 5 + ["– |"]  # no heads: no regions, no shuffling
    assert "heads against no heads: " in lines[8]
    assert "bootstrap over 6 groups of test videos" in lines[9]

    results = run_arms(config, [0, 1], compared, console=QUIET)
    rows = rows_of(compared / "heads_seed1/test_predictions.csv")
    right = [row["true"] == row["predicted"] for row in rows]
    assert results[2].correct[1].tolist() == right
    assert results[2].values[1] == pytest.approx(sum(right) / 6)
    assert describe(results) == lines
    shown = io.StringIO()
    print_arms(results, Console(file=shown, width=200))
    assert "frozen heads" in shown.getvalue()
    assert lines[9] in " ".join(shown.getvalue().split())


def test_what_is_finished_is_not_repeated_and_what_is_not_goes_on(compared, config):
    before = times(compared)
    run_arms(config, [0, 1], compared, console=QUIET)
    assert times(compared) == before
    (compared / "heads_seed0/test.json").unlink()  # as if interrupted in the test
    predictions = (compared / "heads_seed0/test_predictions.csv").read_bytes()
    run_arms(config, [0, 1], compared, console=QUIET)
    changed = {
        path.parent.name for path, time in times(compared).items() if before.get(path) != time
    }
    assert changed == {"heads_seed0"}
    assert (compared / "heads_seed0/test_predictions.csv").read_bytes() == predictions
    for name in ("test.json", "last.pt"):  # as if killed before it saved its state
        (compared / "heads_seed0" / name).unlink()
    run_arms(config, [0, 1], compared, console=QUIET)
    assert (compared / "heads_seed0/test_predictions.csv").read_bytes() == predictions


def test_runs_of_another_experiment_are_refused(compared, tiny_data):
    before = times(compared)
    other = tiny_config(tiny_data, *SHORT, "optim.lr=1")
    message = r"no_heads_seed0 holds a run with other settings: optim.lr was 0.003, is 1.0; give"
    with pytest.raises(InputError, match=message):
        run_arms(other, [0, 1], compared, console=QUIET)
    assert times(compared) == before


@pytest.mark.parametrize("focus", ["model.focus=null", "model.focus.heads=0"])
def test_arms_need_heads(tiny_data, tmp_path, focus):
    with pytest.raises(InputError, match=r"model.focus: arms are compared to one with heads"):
        run_arms(tiny_config(tiny_data, focus), [0], tmp_path)


def test_arms_are_of_heads_that_learn_places(tiny_data, tmp_path):
    config = tiny_config(tiny_data, "model.focus.readout=mean")
    with pytest.raises(
        InputError, match=r"focus.readout: .* expected windows or attention, got 'mean'. tools/p"
    ):
        run_arms(config, [0], tmp_path)


def test_clearing_removes_the_runs_and_nothing_else(tmp_path):
    for name in ("heads_seed0", "no_heads_seed3", "frozen_heads_seed0", "images"):
        (tmp_path / name).mkdir()
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_the_difference_is_of_the_means_over_seeds(tmp_path):
    groups = torch.arange(4)
    worse = ArmResult("a", [], torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]]).bool(), groups)
    better = ArmResult("b", [], torch.tensor([[1, 1, 1, 0], [1, 1, 1, 0]]).bool(), groups)
    difference = compare(better, worse)
    assert difference.difference == pytest.approx(0.375)
    assert 0 <= difference.low < 0.375 < difference.high <= 0.875
