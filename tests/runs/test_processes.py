"""Two processes together must give what one gives alone; and half precision."""

import json
import os
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
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint, training_state
from stn_action.training.loop import train_one_epoch
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import Clipping, build_optimizer, parameter_groups, warmup_cosine
from stn_action.training.step import OptimizerStep
from tests.runs import two_processes
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


@pytest.fixture(scope="module")
def launched(tiny_data, tmp_path_factory):
    """The folder in which two processes have worked: see `two_processes.main`."""
    folder = tmp_path_factory.mktemp("two")
    write_config(folder / "tiny.yaml", tiny_settings(tiny_data))
    printed = launch([Path(two_processes.__file__), folder])
    (folder / "printed.txt").write_text(printed)
    return folder


def test_two_processes_give_what_one_gives(launched, fresh_state):
    one = two_processes.losses_and_predictions(build_strategy(cpu=True))
    two = json.loads((launched / "numbers.json").read_text())
    assert one["video"] == two["video"] == [0, 0, 1, 1, 3, 3, 4, 4, 5, 5]
    assert one["failures"] == two["failures"]
    assert one["steps"] == two["steps"] == 3
    assert flat(one) == [
        pytest.approx(x, rel=1e-4, abs=1e-6) if isinstance(x, float) else x for x in flat(two)
    ]


def test_a_run_of_two_processes_is_one_run(launched):
    printed = (launched / "printed.txt").read_text()
    assert printed.count("written to") == 1
    assert "small3d on cpu, float32, 2 processes" in printed
    (folder,) = (launched / "runs").iterdir()  # rank 0 named it
    content = load_checkpoint(folder / "last.pt")
    assert {int(state["step"]) for state in content["optimizer"]["state"].values()} == {6}
    assert len((folder / "test_predictions.csv").read_text().splitlines()) == 1 + 6


def test_two_processes_that_were_interrupted_go_on_to_the_last_bit(launched):
    (folder,) = (launched / "runs").iterdir()
    straight, resumed = (
        load_checkpoint(path / "last.pt") for path in (folder, launched / "resumed")
    )
    for content in (straight, resumed):
        content.pop("config")
    assert same(straight, resumed)
    name = "test_predictions.csv"
    assert (folder / name).read_bytes() == (launched / "resumed" / name).read_bytes()


def test_a_run_of_two_processes_is_resumed_by_one(launched, fresh_state):
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
