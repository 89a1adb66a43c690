"""What `test_processes` has several processes do, in one launch: started by torchrun."""

import io
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from runpy import run_path

import torch
from rich.console import Console
from torch import nn

from stn_action.config.schema import load_config
from stn_action.data.global_batches import GlobalBatches
from stn_action.distributed import Strategy, build_strategy
from stn_action.evaluation.views import evaluate, shuffled_theta
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.runs.checkpoint_test import run_checkpoint_test
from stn_action.runs.train import train
from stn_action.training.batch_norm import synchronize_batch_norm
from stn_action.training.loop import train_one_epoch
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import Clipping, build_optimizer, parameter_groups, warmup_cosine
from stn_action.training.regularizers import DiversityLoss, InBoundsLoss
from stn_action.training.step import OptimizerStep
from tests.looking_network import LookingNetwork, make_clips

ROOT = Path(__file__).parents[2]


class InterruptedConsole(Console):
    """Ctrl-C on every process, before the checkpoint at the end of the second epoch."""

    def print(self, *words, **settings) -> None:
        if words and str(words[0]).startswith("epoch 2/"):
            raise KeyboardInterrupt
        super().print(*words, **settings)


def small_network() -> FocusedNetwork:
    """Two heads behind a batch norm; their windows leave the map."""
    torch.manual_seed(0)
    trunk = nn.Sequential(
        nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
    )  # fmt: skip
    network = plug(
        trunk, at="2", heads=2, num_classes=3, gain=30.0, example=torch.zeros(1, 3, 2, 8, 8),
        mean=[128.0] * 3, std=[64.0] * 3, transform="affine", dropout=0.0,
    )  # fmt: skip
    nn.init.normal_(network.heads.localization.output.weight, std=1 / network.gain)
    return network


def shared_training(strategy: Strategy, batch_norm: str) -> dict:
    """Two epochs of nine clips in batches of four, two of which make a step.

    The last batch is a single clip: only one process has it.
    """
    network = small_network()
    if batch_norm == "frozen":
        network.freeze_batch_norm()
    elif strategy.num_processes > 1:
        synchronize_batch_norm(network, strategy)
    groups = parameter_groups(network, lr=0.1, relative_lr=1e-2, weight_decay=1e-3)
    optimizer = build_optimizer("sgd", groups)
    schedule = warmup_cosine(optimizer, warmup_steps=0, total_steps=8)
    network, optimizer = strategy.prepare(network, optimizer)
    monitor = HeadMonitor(reduce=strategy.sum)
    process = {"rank": strategy.rank, "num_processes": strategy.num_processes}
    batches = GlobalBatches(9, 4, seed=0, **process)
    clips = make_clips(9)
    objective = ClassificationLoss(
        branch_loss=0.5, head_losses=(DiversityLoss(0.5), InBoundsLoss(0.5))
    )
    step = OptimizerStep(optimizer, schedule, strategy, Clipping(1.0, 0.1), 2)
    numbers = {}
    for epoch in (1, 2):
        batches.set_epoch(epoch)
        shares = [
            clips._replace(**{name: column[share] for name, column in clips.tensors().items()})
            for share in batches
        ]
        failing = [(epoch + strategy.rank, "x")]
        shares[0] = shares[0]._replace(failures=failing if strategy.rank < 2 else [])
        stats = train_one_epoch(network, shares, objective, step, after_step=[monitor])
        heads = [list(head[2:7]) for head in monitor.compute().heads]
        means = [stats.loss, stats.accuracy, stats.localization_grad_norm]
        numbers[str(epoch)] = [means, heads, stats.steps]
    weights = {name: value.tolist() for name, value in network.state_dict().items()}
    return {**numbers, "failures": len(stats.failures), "weights": weights}


def shared_evaluation(strategy: Strategy) -> dict:
    """Ten views in five batches: unequal numbers for two processes."""
    network = strategy.place(small_network())
    views = [make_clips(2, first_video=i, views=2) for i in (0, 1, 3, 4, 5)]
    views[1] = views[1]._replace(failures=[(2, "y")])
    mine = views[strategy.rank :: strategy.num_processes]
    predictions = evaluate(network, mine, strategy, collect_focus=True)
    source = shuffled_theta(predictions, torch.Generator().manual_seed(0))
    shuffled = evaluate(network, mine, strategy, theta_source=source)
    return {
        "video": predictions.video.tolist(),
        "failures": [list(failure) for failure in predictions.failures],
        "probabilities": predictions.probabilities.tolist(),
        "theta": predictions.focus[0].theta.tolist(),
        "shuffled": shuffled.probabilities.tolist(),
    }


def evaluates_with_the_buffers_of_rank_0(strategy: Strategy) -> bool:
    """Batch norm saw other clips on each process: all must evaluate one network."""
    network = LookingNetwork()
    prepared, _ = strategy.prepare(network, torch.optim.SGD(network.parameters()))
    prepared.train()(make_clips(4, first_video=4 * strategy.rank).clip)
    before = strategy.gather([network.norm.running_mean.clone()])
    evaluate(prepared, [make_clips(2)], strategy)
    after = strategy.gather([network.norm.running_mean.clone()])
    differed = not torch.equal(before[0], before[1])
    return differed and all(torch.equal(mean, before[0]) for mean in after)


def main(folder: Path) -> None:
    """Run the program of `test_processes` in a folder that holds the three configurations."""
    torch.set_num_threads(1)
    os.chdir(folder)
    tool = run_path(str(ROOT / "tools/train.py"))
    assert tool["main"]([str(folder / "tiny.yaml")]) == 0
    assert tool["main"]([str(folder / "equal.yaml")]) == 0
    strategy = build_strategy(cpu=True)
    config = load_config(folder / "tiny.yaml", [f"train.output_dir={folder / 'resumed'}"])
    try:
        train(config, console=InterruptedConsole(file=io.StringIO()))
    except KeyboardInterrupt:
        train(config, resume=True, console=Console(file=io.StringIO()))
    half = ["train.save_interval=1 steps", f"train.output_dir={folder / 'handed_over'}"]
    with suppress(KeyboardInterrupt):
        train(
            load_config(folder / "equal.yaml", half), console=InterruptedConsole(file=io.StringIO())
        )
    train(load_config(folder / "stopped.yaml"), console=Console(file=io.StringIO()))
    numbers = {
        "synchronized": shared_training(strategy, "synchronized"),
        "frozen": shared_training(strategy, "frozen"),
        "evaluation": shared_evaluation(strategy),
    }
    assert evaluates_with_the_buffers_of_rank_0(strategy)
    result = run_checkpoint_test(folder / "equal" / "last.pt", None, []).result
    if strategy.is_main:
        (folder / "numbers.json").write_text(json.dumps(numbers))
        torch.save(result.scores.probabilities, folder / "probabilities.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
