"""All parts of a training run, built from its configuration."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import torch
from rich.console import Console
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from stn_action.batch import Batch
from stn_action.build.data import evaluation_loader, full_test_loader, training_loader
from stn_action.build.group_table import GroupRow, group_rows, group_table
from stn_action.build.model import build_network
from stn_action.build.run_data import RunData, build_run_data
from stn_action.build.training_loss import batch_transforms, build_objective
from stn_action.config.schema import Config
from stn_action.config.types import split_interval
from stn_action.data.global_batches import GlobalBatches
from stn_action.data.listing import Listing
from stn_action.data.source import ClipSource
from stn_action.data.video_table import VideoTable
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec
from stn_action.models.backbones.trunk_weights import reports_of
from stn_action.models.compiled_network import compile_network
from stn_action.models.network import FocusedNetwork
from stn_action.models.probe_network import ProbeNetwork
from stn_action.models.trunk_transformers import TransformerThetas, transformers_in
from stn_action.training.batch_norm import synchronize_batch_norm
from stn_action.training.epoch_totals import EpochTotals
from stn_action.training.gradient_guard import GradientGuard
from stn_action.training.loop import BatchTransform
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import (
    Clipping,
    GradientNorms,
    HeadWarmup,
    build_optimizer,
    clip_gradients,
    parameter_groups,
    warmup_constant,
    warmup_cosine,
    warmup_step,
)
from stn_action.training.rate_factors import rate_factors
from stn_action.training.save_schedule import SaveSchedule
from stn_action.training.step import OptimizerStep

Network = TypeVar("Network", bound=nn.Module)


@dataclass
class Run:
    """All parts of a training run."""

    config: Config
    listing: Listing
    folder: Path
    strategy: Strategy
    network: FocusedNetwork
    """The complete network; its checkpoint can be used on videos."""
    data: RunData
    learner: Any
    """What is trained, prepared: the network, or its part behind the cached stage."""
    batches: DataLoader
    """Of `training_loader`: this process's shares of the training batches."""
    curve_part: Literal["val", "test"]
    """The part that is evaluated every `eval_interval` epochs: val if there is one."""
    curve_batches: DataLoader
    """Its views, as few as cost little."""
    test_batches: DataLoader
    """All views, for the result."""
    objective: ClassificationLoss
    step: OptimizerStep
    monitor: HeadMonitor
    """Of the heads, over the epoch."""
    groups: list[GroupRow]
    """What is trained at which rates."""
    save_schedule: SaveSchedule
    """When the state inside an epoch is saved."""
    transforms: tuple[BatchTransform, ...] = ()
    first_epoch: int = 1
    totals: EpochTotals = field(default_factory=EpochTotals)
    """Of the batches of `first_epoch` that are done already."""
    best: float | None = None
    """The monitored metric of `best.pt`; None: there is none."""
    since_best: int = 0
    """Evaluations of the validation videos after that of `best.pt`."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Training videos that could not be read, and why."""

    @property
    def network_record(self) -> dict[str, Any]:
        """What was loaded and what is trained at which rates, in plain JSON types."""
        return {
            "weights": self.weights,
            "parameter_groups": [asdict(row) for row in self.groups],
        }

    @property
    def weights(self) -> list[str]:
        """Lines about the weights files that were loaded."""
        return [line for report in reports_of(self.network) for line in report.lines()]

    @property
    def curve_videos(self) -> VideoTable:
        """The videos of `curve_part`."""
        return self.listing.val if self.curve_part == "val" else self.listing.test

    @property
    def num_steps(self) -> int:
        """Optimizer steps so far, those before a resumption too."""
        return self.step.schedule.last_epoch

    @property
    def stalled(self) -> bool:
        """Whether there was no better evaluation for as long as `train.patience` allows."""
        patience = self.config.train.patience
        return patience is not None and self.since_best >= patience

    @property
    def ended(self) -> bool:
        """Whether `train.max_steps` is reached, or `train.patience`."""
        return self.num_steps == self.config.train.max_steps or self.stalled

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of an epoch, of all processes together."""
        return cast(GlobalBatches, self.batches.batch_sampler).per_epoch

    @property
    def num_batches(self) -> int:
        """Batches of all epochs, or as many as `train.max_steps` leaves."""
        train, per_epoch = self.config.train, self.batches_per_epoch
        if train.max_steps is None:
            return train.epochs * per_epoch
        epochs, steps = divmod(train.max_steps, math.ceil(per_epoch / train.grad_accum_steps))
        return min(train.epochs * per_epoch, epochs * per_epoch + steps * train.grad_accum_steps)

    def epoch_batches(self, epoch: int, first_batch: int = 0) -> Iterable[Batch]:
        """Return the batches of an epoch, or as many as `train.max_steps` leaves.

        Args:
            epoch: counted from 1.
            first_batch: the number of those that are done already.
        """
        batches = cast(GlobalBatches, self.batches.batch_sampler)
        batches.set_epoch(epoch, first_batch)  # the order
        cast(Any, self.batches.dataset).set_epoch(epoch)  # the random draws
        train = self.config.train
        if train.max_steps is None:
            return self.batches
        left = (train.max_steps - self.num_steps) * train.grad_accum_steps
        return islice(self.batches, left)


def build_run(
    config: Config, listing: Listing, source: ClipSource, folder: Path, strategy: Strategy,
    console: Console,
) -> Run:  # fmt: skip
    """Build network, data, loaders, objective, optimizer and schedule: a line per feature.

    Raises:
        InputError: an unknown trunk, stage or weights; or a cache of another experiment.
    """
    network = build_network(config, listing.num_outputs)
    data = build_run_data(config, source, listing, network, strategy, console)
    if strategy.num_processes > 1 and config.train.batch_norm == "synchronized":
        if config.train.compile:
            raise InputError(
                "train.compile: batch norm that is synchronized between processes cannot be "
                "compiled; set train.batch_norm to per_process or frozen, or train.compile to false"
            )
        synchronize_batch_norm(data.learner, strategy)
    groups = configured_groups(config, data.learner)
    described = group_rows(config, network, groups)
    workers = data.num_workers
    batches = training_loader(config, data.train(listing.train), strategy, workers=workers)
    curve_data = data.test(listing.val or listing.test, quick=True)
    curve = evaluation_loader(
        config, curve_data, strategy, batch_size=config.eval.batch_size, workers=workers
    )
    full = full_test_loader(config, data.test(listing.test), strategy, workers=workers)
    guard = GradientGuard(data.learner) if config.optim.relative_lr else None
    learner, step = build_step(config, data.learner, groups, len(batches), strategy, guard)
    if config.train.compile:
        compile_network(learner, "train.compile")
    return Run(
        config=config,
        listing=listing,
        folder=folder,
        strategy=strategy,
        network=network,
        data=data,
        learner=learner,
        batches=batches,
        curve_part="val" if listing.val else "test",
        curve_batches=curve,
        test_batches=full,
        objective=build_objective(
            config, listing.train, listing.classes, multi_label=listing.multi_label
        ),
        transforms=batch_transforms(config, listing),
        step=step,
        save_schedule=_save_schedule(config.train.save_interval),
        monitor=HeadMonitor(
            frozen_on_purpose=not _learns_where_to_look(config, network),
            reduce=strategy.sum if strategy.num_processes > 1 else None,
            further=TransformerThetas(data.learner.trunk),
        ),
        groups=described,
    )


def configured_groups(
    config: Config, network: FocusedNetwork | ProbeNetwork
) -> list[dict[str, Any]]:
    """Return the parameter groups of a network at the configured rates.

    Raises:
        InputError: a factor of learning rates is for no parameter that is trained.
    """
    optim = config.optim
    named = network.network if isinstance(network, ProbeNetwork) else network
    factors = rate_factors(
        named, layer_decay=optim.layer_decay, lr_factors=optim.lr_factors,
        stages=backbone_spec(config.model.backbone).stages,
    )  # fmt: skip
    return parameter_groups(
        network, lr=optim.lr, relative_lr=optim.relative_lr, weight_decay=optim.weight_decay,
        factors=factors,
    )  # fmt: skip


def build_step(
    config: Config, network: Network, groups: list[dict[str, Any]], batches_per_epoch: int,
    strategy: Strategy, guard: GradientGuard | None = None, *, fused: bool = False,
    clip: Callable[..., GradientNorms] = clip_gradients,
) -> tuple[Network, OptimizerStep]:  # fmt: skip
    """Build optimizer, schedule and clipping; return the network, prepared, and its step.

    Args:
        config: the experiment.
        network: what is trained.
        groups: of its parameters, of `configured_groups`.
        batches_per_epoch: of this process.
        strategy: of the run.
        guard: takes note of the gradients.
        fused: see `build_optimizer`.
        clip: see `OptimizerStep`.
    """
    optim, accumulation = config.optim, config.train.grad_accum_steps
    optimizer = build_optimizer(optim.name, groups, momentum=optim.momentum, fused=fused)
    learner, prepared = strategy.prepare(network, optimizer)
    schedule = _schedule(config, optimizer, math.ceil(batches_per_epoch / accumulation))
    clipping = Clipping(optim.clip_grad_norm, optim.clip_localization_norm)
    step = OptimizerStep(prepared, schedule, strategy, clipping, accumulation, guard, clip)
    return learner, step


def _learns_where_to_look(config: Config, network: FocusedNetwork) -> bool:
    """Return whether windows move, those of the trunk's own too, or attention is trained."""
    own = bool(transformers_in(network.trunk))
    if not own and not any(readout.learns for readout in network.readouts):
        return False
    return config.optim.relative_lr > 0 or not network.localization_parameters()


def announce(run: Run, console: Console) -> None:
    """Print which weights were loaded, what is trained at which rates, and where it goes on."""
    for line in [*run.weights, *group_table(run.groups)]:
        console.print(line, markup=False)
    if batches := run.totals.batches:
        place = f"batch {batches} of {run.batches_per_epoch} of epoch {run.first_epoch}"
        console.print(f"resumed after {place}", markup=False)
    elif run.first_epoch > 1:
        console.print(f"resumed after epoch {run.first_epoch - 1}", markup=False)


def _save_schedule(interval: str | None) -> SaveSchedule:
    if interval is None:
        return SaveSchedule()
    number, unit = split_interval(interval)
    return SaveSchedule(steps=int(number)) if unit == "step" else SaveSchedule(minutes=number)


def _schedule(config: Config, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LambdaLR:
    total = steps_per_epoch * config.train.epochs
    if config.train.max_steps is not None:
        total = min(total, config.train.max_steps)
    warmup = min(round(config.optim.warmup_epochs * steps_per_epoch), total - 1)
    heads = HeadWarmup(round(config.optim.head_warmup_epochs * steps_per_epoch))
    if config.optim.schedule == "constant":
        return warmup_constant(optimizer, warmup_steps=warmup, head_warmup=heads)
    if config.optim.schedule == "step":
        milestones = [round(share * total) for share in config.optim.milestones]
        return warmup_step(
            optimizer, warmup_steps=warmup, milestones=milestones, gamma=config.optim.gamma,
            head_warmup=heads,
        )  # fmt: skip
    return warmup_cosine(optimizer, warmup_steps=warmup, total_steps=total, head_warmup=heads)
