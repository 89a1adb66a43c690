"""Two processes together must give what one gives alone; and half precision."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from stn_action.config.schema import load_config
from stn_action.distributed import Strategy, build_strategy
from stn_action.models.plug import plug
from stn_action.runs.checkpoint_test import run_checkpoint_test
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint, training_state
from stn_action.training.loop import train_one_epoch
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import Clipping, build_optimizer, parameter_groups, warmup_cosine
from stn_action.training.step import OptimizerStep
from tests.runs import several_processes
from tests.tiny import same, tiny_settings, write_config

ROOT = Path(__file__).parents[2]


def launch(arguments: list, processes: int = 2) -> str:
    """Run a program under torchrun and return what it printed."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *torchrun, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def flat(value) -> list:
    if isinstance(value, dict):
        value = [item for _, item in sorted(value.items())]
    return [x for item in value for x in flat(item)] if isinstance(value, list) else [value]


def close(one, other) -> list:
    """What `one` must be for two processes to give what one process gives."""
    return [
        pytest.approx(x, rel=1e-4, abs=1e-5) if isinstance(x, float) else x for x in flat(one)
    ] == flat(other)


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.slow)])
def launched(request, tiny_data, tmp_path_factory):
    """The folder in which several processes have worked: see `several_processes.main`."""
    folder = tmp_path_factory.mktemp("several")
    write_config(folder / "tiny.yaml", tiny_settings(tiny_data))
    write_config(folder / "equal.yaml", equal_settings(tiny_data, folder / "equal"))
    write_config(folder / "stopped.yaml", stopped_settings(tiny_data, folder / "stopped"))
    printed = launch([Path(several_processes.__file__), folder], request.param)
    (folder / "printed.txt").write_text(printed)
    return folder


def equal_settings(data: Path, folder: Path) -> list[str]:
    """Without dropout; of the last batch, one clip, only one process has a share."""
    return tiny_settings(
        data, "model.dropout=0", "train.batch_size=11", "train.epochs=3",
        "optim={name: sgd, lr: 3e-2, relative_lr: 1e-2}", f"train.output_dir={folder}",
    )  # fmt: skip


@pytest.mark.parametrize("batch_norm", ["synchronized", "frozen"])
def test_several_processes_train_as_one_does(batch_norm, launched, strategy):
    several = json.loads((launched / "numbers.json").read_text())[batch_norm]
    one = several_processes.shared_training(strategy, batch_norm)
    assert several["2"][-1] == one["2"][-1] == 2
    assert (several.pop("failures"), one.pop("failures")) == (2, 1)
    assert close(one, several)


def test_several_processes_predict_as_one_does_to_the_last_digit(launched, strategy):
    several = json.loads((launched / "numbers.json").read_text())["evaluation"]
    assert several == several_processes.shared_evaluation(strategy)
    assert several["video"] == [0, 0, 1, 1, 3, 3, 4, 4, 5, 5]
    assert several["failures"] == [[2, "y"]]


def test_a_run_does_not_depend_on_the_number_of_processes(launched, tiny_data, tmp_path):
    settings = equal_settings(tiny_data, tmp_path / "one")
    train(load_config(None, settings), console=Console(quiet=True))
    folders = (tmp_path / "one", launched / "equal")
    weights = [load_checkpoint(folder / "last.pt")["network"] for folder in folders]
    assert close(*({name: w.tolist() for name, w in of_run.items()} for of_run in weights))
    lines = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in folders
    ]
    for line in itertools.chain(*lines):
        for name in ("seconds", "data_wait", "time"):
            line.pop(name, None)
    assert len(lines[0]) == 6
    assert close(*lines)


def test_one_process_goes_on_where_several_were_stopped(launched, fresh_state):
    folder = launched / "handed_over"
    before = load_checkpoint(folder / "last.pt")
    assert (before["epoch"], before["batch"] > 0) == (1, True)  # inside the second epoch
    overrides = ["train.save_interval=1 steps", f"train.output_dir={folder}"]
    config = load_config(launched / "equal.yaml", overrides)
    train(config, resume=True, console=Console(quiet=True))
    runs = [load_checkpoint(path / "last.pt")["network"] for path in (folder, launched / "equal")]
    assert close(*({name: w.tolist() for name, w in weights.items()} for weights in runs))


def test_a_checkpoint_is_tested_by_several_processes_as_by_one(launched, strategy):
    tested = run_checkpoint_test(launched / "equal" / "last.pt", None, [])
    several = torch.load(launched / "probabilities.pt")
    assert torch.equal(tested.result.scores.probabilities, several)
    assert len(several) == 6
    assert not several.isnan().any()


def stopped_settings(data: Path, folder: Path) -> list[str]:
    """A network that hardly learns: no evaluation is better than the first one."""
    return tiny_settings(
        data, "model.focus=null", "optim={lr: 1e-9}", "data.val_share=0.25", "train.epochs=9",
        "train.patience=1", "eval.shuffled_theta=false", f"train.output_dir={folder}",
    )  # fmt: skip


def test_several_processes_stop_early_together(launched):
    best, last = (load_checkpoint(launched / "stopped" / name) for name in ("best.pt", "last.pt"))
    assert (best["epoch"], last["epoch"], last["since_best"]) == (1, 2, 1)


def test_a_run_of_several_processes_is_one_run(launched):
    printed = (launched / "printed.txt").read_text()
    assert printed.count("written to") == 2  # the two runs of the tool
    assert re.search("small3d on cpu, float32, [23] processes", printed)
    (folder,) = (launched / "runs").iterdir()  # rank 0 named it
    content = load_checkpoint(folder / "last.pt")
    assert {int(state["step"]) for state in content["optimizer"]["state"].values()} == {6}
    assert len((folder / "test_predictions.csv").read_text().splitlines()) == 1 + 6


def test_several_processes_that_were_interrupted_go_on_to_the_last_bit(launched):
    (folder,) = (launched / "runs").iterdir()
    straight, resumed = (
        load_checkpoint(path / "last.pt") for path in (folder, launched / "resumed")
    )
    for content in (straight, resumed):
        content.pop("config")
    assert same(straight, resumed)
    name = "test_predictions.csv"
    assert (folder / name).read_bytes() == (launched / "resumed" / name).read_bytes()


def test_a_run_of_several_processes_is_resumed_by_one(launched, fresh_state):
    overrides = [f"train.output_dir={launched / 'resumed'}"]
    config = load_config(launched / "tiny.yaml", overrides)
    name = "test_predictions.csv"
    before = (launched / "resumed" / name).read_bytes()
    train(config, resume=True, console=Console(quiet=True))
    assert (launched / "resumed" / name).read_bytes() == before


def small_run(strategy):
    trunk = nn.Sequential(
        nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(8, 5),
    )  # fmt: skip
    network = plug(
        trunk, at="1", heads=2, num_classes=3, gain=100.0, example=torch.zeros(1, 3, 2, 8, 8),
        mean=[128.0] * 3, std=[64.0] * 3,
    )  # fmt: skip
    groups = parameter_groups(network, lr=0.05, relative_lr=1e-3, weight_decay=1e-3)
    optimizer = build_optimizer("sgd", groups)
    schedule = warmup_cosine(optimizer, warmup_steps=0, total_steps=10)
    network, optimizer = strategy.prepare(network, optimizer)
    return network, optimizer, schedule


def train_in_half_precision(strategy, clips):
    network, optimizer, schedule = small_run(strategy)
    kinds = set()
    network.trunk[0].register_forward_hook(lambda *args: kinds.add(args[2].dtype))
    monitor = HeadMonitor()
    step = OptimizerStep(optimizer, schedule, strategy, Clipping(5.0, 0.1))
    loss = ClassificationLoss(branch_loss=0.5)
    stats = train_one_epoch(network, [clips(4)] * 6, loss, step, after_step=[monitor])
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in network.parameters())
    assert schedule.last_epoch == stats.steps
    assert monitor.compute().heads[0].displacement > 0
    state = training_state(network, optimizer, schedule, strategy)
    return kinds, stats, state


def test_bfloat16_runs_the_trunk_and_keeps_the_weights_in_float32(fresh_state, clips):
    from accelerate import Accelerator

    strategy = Strategy(Accelerator(cpu=True, mixed_precision="bf16"))
    kinds, stats, _ = train_in_half_precision(strategy, clips)
    assert kinds == {torch.bfloat16}
    assert stats.steps == 6


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_trains_on_a_gpu(fresh_state, clips, precision, kind):
    kinds, stats, state = train_in_half_precision(build_strategy(precision), clips)
    assert kinds == {kind}
    assert 1 <= stats.steps <= 6  # a float16 scaler may skip the first ones
    assert (state["scaler"] is not None) == (precision == "fp16")
