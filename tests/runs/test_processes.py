"""Two processes together must give what one gives alone; and half precision."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from stn_action.distributed import build_accelerator
from stn_action.models.plug import plug
from stn_action.training.checkpoint import training_state
from stn_action.training.loop import train_one_epoch
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClipLoss
from stn_action.training.optim import Clipping, build_optimizer, parameter_groups, warmup_cosine

PROGRAM = """
import importlib.util, json, sys
import torch
from torch import nn
from stn_action.distributed import build_accelerator, summed
from stn_action.evaluation.views import evaluate, shuffled_theta
from stn_action.training.loop import train_one_epoch
from stn_action.training.objective import ClipLoss
from stn_action.evaluation.metrics import VideoScores
from stn_action.training.monitor import HeadMonitor
from stn_action.training.optim import Clipping, build_optimizer, parameter_groups, warmup_cosine

spec = importlib.util.spec_from_file_location("conftest", sys.argv[1])
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)

accelerator = build_accelerator(cpu=True)
rank, processes = accelerator.process_index, accelerator.num_processes
torch.manual_seed(0)
network = conftest.LookingNetwork()
network.norm, network.dropout.p = nn.Identity(), 0.0
groups = parameter_groups(network, lr=0.1, relative_lr=1e-2, weight_decay=0.0)
optimizer = build_optimizer("sgd", groups)
schedule = warmup_cosine(optimizer, warmup_steps=0, total_steps=3)
network, optimizer = accelerator.prepare(network, optimizer)
monitor = HeadMonitor()

def part(batch, rows):
    failures = batch.failures if rank == 0 else []
    return type(batch)(*(column[rows] for column in batch[:-1]), failures)

# Each of three steps sees four clips, together.
own = slice(rank * 4 // processes, (rank + 1) * 4 // processes)
whole = [conftest.make_clips(4, first_video=i, failures=[(i, "x")]) for i in (0, 4, 8)]
stats = train_one_epoch(
    network, [part(batch, own) for batch in whole], ClipLoss(), optimizer, schedule, accelerator,
    clipping=Clipping(1.0, 0.1), monitor=monitor,
)
# Five batches: unequal numbers for two processes; video 2 fails.
views = [conftest.make_clips(2, first_video=i, views=2) for i in (0, 1, 3, 4, 5)]
views[1] = views[1]._replace(failures=[(2, "y")])
mine = views[rank::processes]
predictions = evaluate(network, mine, accelerator, collect_focus=True)
source = shuffled_theta(predictions, torch.Generator().manual_seed(0))
shuffled = evaluate(network, mine, accelerator, theta_source=source)
scores = VideoScores(torch.arange(6) % 3, 3)  # each process adds its own views only
for batch in mine:
    softmax = accelerator.unwrap_model(network)(batch.clip).logits.detach().softmax(1)
    scores.update(batch.video, softmax, batch.target)
result = scores.scores()
report = monitor.compute(summed)
if accelerator.is_main_process:
    print(json.dumps({
        "train": [stats.loss, stats.accuracy, stats.localization_grad_norm],
        "steps": stats.steps, "failures": [sorted(stats.failures), predictions.failures],
        "weights": [p.abs().sum().item() for p in network.parameters()],
        "video": predictions.video.tolist(), "softmax": predictions.probabilities.tolist(),
        "shuffled": shuffled.probabilities.tolist(),
        "scores": [result.top1, result.top5, result.mean_class], "displacement":
        report.heads[0].displacement, "count": int(result.confusion.sum()),
    }))
accelerator.end_training()
"""


def run(program: Path, processes: int) -> dict:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    conftest = Path(__file__).with_name("conftest.py")
    command = [sys.executable, *launch, str(program), str(conftest)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.strip().splitlines()[-1])


def flat(value) -> list:
    if isinstance(value, dict):
        value = [item for _, item in sorted(value.items())]
    return [x for item in value for x in flat(item)] if isinstance(value, list) else [value]


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    one, two = run(program, 1), run(program, 2)
    assert one["video"] == two["video"] == [0, 0, 1, 1, 3, 3, 4, 4, 5, 5]
    assert one["failures"] == two["failures"]
    assert one["steps"] == two["steps"] == 3
    assert flat(one) == [
        pytest.approx(x, rel=1e-4, abs=1e-6) if isinstance(x, float) else x for x in flat(two)
    ]


def small_run(accelerator):
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
    network, optimizer = accelerator.prepare(network, optimizer)
    return network, optimizer, schedule


def train_in_half_precision(accelerator, clips):
    network, optimizer, schedule = small_run(accelerator)
    kinds = set()
    network.trunk[0].register_forward_hook(lambda *args: kinds.add(args[2].dtype))
    monitor = HeadMonitor()
    stats = train_one_epoch(
        network, [clips(4)] * 6, ClipLoss(branch_loss=0.5), optimizer, schedule, accelerator,
        clipping=Clipping(5.0, 0.1), monitor=monitor,
    )  # fmt: skip
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in network.parameters())
    assert schedule.last_epoch == stats.steps
    assert monitor.compute().heads[0].displacement > 0
    state = training_state(network, optimizer, schedule, scaler=accelerator.scaler)
    return kinds, stats, state


def test_bfloat16_runs_the_trunk_and_keeps_the_weights_in_float32(fresh_state, clips):
    from accelerate import Accelerator

    kinds, stats, _ = train_in_half_precision(Accelerator(cpu=True, mixed_precision="bf16"), clips)
    assert kinds == {torch.bfloat16}
    assert stats.steps == 6


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_trains_on_a_gpu(fresh_state, clips, precision, kind):
    kinds, stats, state = train_in_half_precision(build_accelerator(precision), clips)
    assert kinds == {kind}
    assert 1 <= stats.steps <= 6  # a float16 scaler may skip the first ones
    assert (state["scaler"] is not None) == (precision == "fp16")
