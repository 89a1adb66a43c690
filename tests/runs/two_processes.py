"""What `test_processes` has two processes do, in one launch: started by torchrun with a folder."""

import io
import json
import os
import sys
from pathlib import Path
from runpy import run_path

import torch
from rich.console import Console
from torch import nn

from stn_action.config.schema import load_config
from stn_action.distributed import Strategy, build_strategy
from stn_action.evaluation.views import evaluate, shuffled_theta
from stn_action.runs.train import train
from stn_action.training.loop import train_one_epoch
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import Clipping, build_optimizer, parameter_groups, warmup_cosine
from stn_action.training.step import OptimizerStep
from tests.looking_network import LookingNetwork, make_clips

ROOT = Path(__file__).parents[2]


class InterruptedConsole(Console):
    """Ctrl-C on every process, before the checkpoint of the second epoch."""

    def print(self, *words, **settings) -> None:
        if words and str(words[0]).startswith("epoch 2/2"):
            raise KeyboardInterrupt
        super().print(*words, **settings)


def losses_and_predictions(strategy: Strategy) -> dict:
    """Three steps of four clips, then ten views in five batches: unequal numbers for two."""
    rank, processes = strategy.rank, strategy.num_processes
    torch.manual_seed(0)
    network = LookingNetwork()
    network.dropout.p = 0.0
    network.norm = nn.Identity()  # it would see other batches
    groups = parameter_groups(network, lr=0.1, relative_lr=1e-2, weight_decay=0.0)
    optimizer = build_optimizer("sgd", groups)
    schedule = warmup_cosine(optimizer, warmup_steps=0, total_steps=3)
    prepared, optimizer = strategy.prepare(network, optimizer)
    monitor = HeadMonitor(reduce=strategy.sum)

    def part(batch, rows):
        failures = batch.failures if rank == 0 else []
        return type(batch)(*(column[rows] for column in batch[:-1]), failures)

    own = slice(rank * 4 // processes, (rank + 1) * 4 // processes)
    whole = [make_clips(4, first_video=i, failures=[(i, "x")]) for i in (0, 4, 8)]
    step = OptimizerStep(optimizer, schedule, strategy, Clipping(1.0, 0.1))
    stats = train_one_epoch(
        prepared, [part(batch, own) for batch in whole], ClassificationLoss(), step,
        after_step=[monitor],
    )  # fmt: skip
    report = monitor.compute()
    views = [make_clips(2, first_video=i, views=2) for i in (0, 1, 3, 4, 5)]
    views[1] = views[1]._replace(failures=[(2, "y")])
    mine = views[rank::processes]
    predictions = evaluate(prepared, mine, strategy, collect_focus=True)
    source = shuffled_theta(predictions, torch.Generator().manual_seed(0))
    shuffled = evaluate(prepared, mine, strategy, theta_source=source)
    return {
        "train": [stats.loss, stats.accuracy, stats.localization_grad_norm],
        "steps": stats.steps,
        "failures": [list(map(list, sorted(f))) for f in (stats.failures, predictions.failures)],
        "weights": [p.abs().sum().item() for p in network.parameters()],
        "video": predictions.video.tolist(),
        "probabilities": predictions.probabilities.tolist(),
        "shuffled": shuffled.probabilities.tolist(),
        "displacement": report.heads[0].displacement,
    }


def evaluates_with_the_buffers_of_rank_0(strategy: Strategy) -> bool:
    """Batch norm saw other clips on each process: all must evaluate one network."""
    network = LookingNetwork()
    prepared, _ = strategy.prepare(network, torch.optim.SGD(network.parameters()))
    prepared.train()(make_clips(4, first_video=4 * strategy.rank).clip)
    before = strategy.gather([network.norm.running_mean.clone()])
    evaluate(prepared, [make_clips(2)], strategy)
    after = strategy.gather([network.norm.running_mean.clone()])
    return not torch.equal(*before) and torch.equal(*after) and torch.equal(before[0], after[0])


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    os.chdir(folder)
    tool = run_path(str(ROOT / "tools/train.py"))
    assert tool["main"]([str(folder / "tiny.yaml")]) == 0
    strategy = build_strategy(cpu=True)
    config = load_config(folder / "tiny.yaml", [f"train.output_dir={folder / 'resumed'}"])
    try:
        train(config, console=InterruptedConsole(file=io.StringIO()))
    except KeyboardInterrupt:
        train(config, resume=True, console=Console(file=io.StringIO()))
    numbers = losses_and_predictions(strategy)
    assert evaluates_with_the_buffers_of_rank_0(strategy)
    if strategy.is_main:
        (folder / "numbers.json").write_text(json.dumps(numbers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
