"""All that takes part in a training run, built from its configuration."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from stn_action.build.data import (
    full_test_loader,
    loader,
)
from stn_action.build.model import describe_groups
from stn_action.build.run_data import RunData, build_run_data
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.models.network import FocusedNetwork
from stn_action.training.monitor import HeadMonitor
from stn_action.training.optim import (
    HeadWarmup,
    build_optimizer,
    parameter_groups,
    warmup_constant,
    warmup_cosine,
)


@dataclass
class Run:
    """All that takes part in a training run."""

    config: Config
    listing: Listing
    folder: Path
    network: FocusedNetwork
    """The whole network; its checkpoint can be used on videos."""
    data: RunData
    learner: Any
    """What is trained, prepared: the network, or its part behind the cached stage."""
    batches: DataLoader
    quick_test: DataLoader
    """One view per video, for the curves."""
    full_test: DataLoader
    """All views, for the result."""
    optimizer: Any
    schedule: LambdaLR
    accelerator: Any
    monitor: HeadMonitor
    """Of the heads, over the epoch."""
    first_epoch: int = 1
    best: float = -1.0
    unreadable: dict[str, str] = field(default_factory=dict)
    """Training videos that could not be read, and why."""

    @property
    def steps(self) -> int:
        """Optimizer steps so far, those before a resumption too."""
        return self.schedule.last_epoch


def prepare(
    config: Config, listing: Listing, folder: Path, network: FocusedNetwork, accelerator: Any,
    console: Console,
) -> Run:  # fmt: skip
    """Build datasets, loaders, optimizer and schedule around a network."""
    data = build_run_data(config, listing.all_videos, network, accelerator, console)
    optim = config.optim
    groups = parameter_groups(
        data.learner, lr=optim.lr, relative_lr=optim.relative_lr, weight_decay=optim.weight_decay
    )
    optimizer = build_optimizer(optim.name, groups, momentum=optim.momentum)
    batch_size = config.train.batch_size
    workers = data.num_workers
    train_data, quick_data = data.train(listing.train), data.test(listing.test, quick=True)
    batches = loader(config, train_data, batch_size=batch_size, shuffle=True, workers=workers)
    quick = loader(
        config, quick_data, batch_size=config.eval.batch_size, shuffle=False, workers=workers
    )
    full = full_test_loader(config, data.test(listing.test), workers=workers)
    learner, prepared, batches, quick, full = accelerator.prepare(
        data.learner, optimizer, batches, quick, full
    )
    steps = math.ceil(len(batches) / config.train.grad_accum_steps)
    schedule = _schedule(config, optimizer, steps)
    monitor = HeadMonitor(frozen_on_purpose=optim.relative_lr == 0)
    return Run(
        config, listing, folder, network, data, learner, batches, quick, full, prepared, schedule,
        accelerator, monitor,
    )  # fmt: skip


def announce(run: Run, console: Console) -> None:
    """Say what is trained on what, and at which rates."""
    listing, config = run.listing, run.config
    data = run.batches.dataset
    without = getattr(data, "without_tube", 0)
    boxes = f", {without} without person boxes (whole frame)" if config.data.people else ""
    console.print(
        f"{listing.name}: {len(listing.train)} training videos{boxes}, "
        f"{len(listing.test)} test videos, {len(listing.classes)} classes; "
        f"{config.model.backbone} on {run.accelerator.device}, "
        f"{run.accelerator.mixed_precision.replace('no', 'float32')}",
        markup=False,
    )
    network = run.accelerator.unwrap_model(run.learner)
    for line in describe_groups(config, network, run.optimizer.param_groups):
        console.print(line, markup=False)
    if run.first_epoch > 1:
        console.print(f"resumed after epoch {run.first_epoch - 1}", markup=False)


def _schedule(config: Config, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LambdaLR:
    total = steps_per_epoch * config.train.epochs
    if config.train.max_steps is not None:
        total = min(total, config.train.max_steps)
    warmup = min(round(config.optim.warmup_epochs * steps_per_epoch), total - 1)
    heads = HeadWarmup(round(config.optim.head_warmup_epochs * steps_per_epoch))
    if config.optim.schedule == "constant":
        return warmup_constant(optimizer, warmup_steps=warmup, head_warmup=heads)
    return warmup_cosine(optimizer, warmup_steps=warmup, total_steps=total, head_warmup=heads)
