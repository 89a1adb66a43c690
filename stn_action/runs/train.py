"""A run from configuration to checkpoint and test."""

import random
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from stn_action.build.data import check_before_start, load_listing
from stn_action.build.model import build_network
from stn_action.build.run import Run, announce, prepare
from stn_action.config.schema import Config, to_dict
from stn_action.data.listing import NAMES_SHOWN
from stn_action.distributed import build_accelerator, summed
from stn_action.errors import InputError
from stn_action.runs.folder import (
    check_folder,
    differences_from_start,
    run_folder,
    write_result,
    write_start,
)
from stn_action.runs.test import TestResult, run_test
from stn_action.training.checkpoint import (
    load_checkpoint,
    restore_training_state,
    save_checkpoint,
    training_state,
)
from stn_action.training.log import EpochProgress, RunLog
from stn_action.training.loop import TrainStats, train_one_epoch
from stn_action.training.objective import ClipLoss
from stn_action.training.optim import Clipping
from stn_action.training.regularizers import DiversityLoss, InBoundsLoss

WARNING_PATIENCE = 2
"""Epochs a head may be frozen or collapsed before it is told; at the end it is told at once."""


def train(
    config: Config, *, command: str = "", resume: bool = False, console: Console | None = None
) -> TestResult:
    """Train on one fold, test the last state on all views, write both into the run folder.

    Args:
        config: the experiment; its fold is a number.
        command: to be written down.
        resume: go on from `last.pt` of the run folder.
        console: where to print; the standard output by default.

    Returns:
        The test of the last checkpoint.

    Raises:
        InputError: something about the configuration, the data or the weights is wrong.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    accelerator = build_accelerator(
        config.train.precision,
        accumulation_steps=config.train.grad_accum_steps,
        seed=config.train.seed,
    )
    if not accelerator.is_main_process:
        console.quiet = True
    _seed(config.train.seed)
    listing = load_listing(config)
    check_before_start(config)
    folder = run_folder(config)
    check_folder(folder, config, resume=resume)
    before = _checkpoint_of(folder, config) if resume else None
    network = build_network(config, len(listing.classes))
    run = prepare(config, listing, folder, network, accelerator, console)
    if before is not None:
        _resume(run, before)
    if accelerator.is_main_process:
        write_start(folder, config, command, resume=resume)
    announce(run, console)
    _epochs(run, console)
    result = run_test(config, run.learner, run.full_test, listing, accelerator)
    if accelerator.is_main_process:
        write_result(folder, "test", result.numbers(), result.scores, listing.test, listing.classes)
        for line in result.lines():
            console.print(line, markup=False)
        console.print(f"written to {folder}", markup=False)
    return result


def _seed(seed: int) -> None:
    """Seed what draws from global generators: of torch the start of a network, and dropout."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def _epochs(run: Run, console: Console) -> None:
    config = run.config.train
    loss = _loss(run.config)
    clipping = Clipping(run.config.optim.clip_grad_norm, run.config.optim.clip_localization_norm)
    main = run.accelerator.is_main_process
    with (
        _log(run) as log,
        EpochProgress(
            config.epochs,
            len(run.batches),
            first_epoch=run.first_epoch,
            console=console,
            enabled=main,
        ) as progress,
    ):
        for epoch in range(run.first_epoch, config.epochs + 1):
            if run.steps == config.max_steps:
                break
            progress.start_epoch(epoch)
            run.monitor.frozen_on_purpose = _heads_rest(run.config, epoch)
            _set_epoch(run, epoch)
            stats = train_one_epoch(
                run.learner, _batches(run), loss, run.optimizer, run.schedule, run.accelerator,
                clipping=clipping, monitor=run.monitor, progress=progress,
            )  # fmt: skip
            ended = epoch == config.epochs or run.steps == config.max_steps
            _after_epoch(run, epoch, stats, log, progress, ended=ended)


def _after_epoch(
    run: Run, epoch: int, stats: TrainStats, log: RunLog | None, progress: EpochProgress,
    *, ended: bool,
) -> None:  # fmt: skip
    several = run.accelerator.num_processes > 1
    report = run.monitor.compute(summed if several else None)
    numbers: dict[str, float] = {
        "loss": stats.loss, "accuracy": stats.accuracy, "seconds": stats.seconds,
        "data_wait": stats.data_wait_share,
    }  # fmt: skip
    shown = dict(numbers)
    if report.heads:
        shown |= {
            "spread": _mean(head.spread for head in report.heads),
            "moved": _mean(head.displacement for head in report.heads),
            "in bounds": _mean(head.in_bounds for head in report.heads),
            "scale": _mean(head.scale for head in report.heads),
            "overlap": _mean(head.overlap for head in report.heads),
        }
    test = None
    if ended or epoch % run.config.train.eval_interval == 0:
        test = run_test(
            run.config, run.learner, run.quick_test, run.listing, run.accelerator, thorough=False
        )
        shown[f"test top-1 ({run.data.quick_views})"] = test.scores.top1
    progress.end_epoch(epoch, shown)
    patience = 0 if ended else WARNING_PATIENCE
    for warning in run.monitor.warnings(report, epoch=epoch, patience=patience):
        progress.warning(warning)
    _note_unreadable(run, stats, progress)
    if log is not None:
        log.write("train", epoch, numbers | report.numbers())
        if test is not None:
            key = f"top1_{run.data.quick_views.replace(' ', '_')}"
            log.write("test", epoch, {key: test.scores.top1})
    if run.accelerator.is_main_process:
        _save(run, epoch, test)


def _save(run: Run, epoch: int, test: TestResult | None) -> None:
    content = {
        "config": to_dict(run.config),
        "classes": list(run.listing.classes),
        "split": run.listing.name,
        "epoch": epoch,
        "monitor": run.monitor.state_dict(),
        "best": max(run.best, test.scores.top1 if test else -1.0),
        "unreadable": dict(run.unreadable),
        **training_state(run.network, run.optimizer, run.schedule, scaler=run.accelerator.scaler),
    }
    save_checkpoint(run.folder / "last.pt", content)
    if test is not None and test.scores.top1 > run.best:
        save_checkpoint(run.folder / "best.pt", content)
    run.best = content["best"]


def _checkpoint_of(folder: Path, config: Config) -> dict[str, Any]:
    content = load_checkpoint(folder / "last.pt")
    if changed := differences_from_start(folder, config):
        raise InputError(
            f"--resume: the run in {folder} was started with other settings: {changed}; resume "
            f"with its own configuration, {folder / 'config.yaml'}"
        )
    return content


def _resume(run: Run, content: dict[str, Any]) -> None:
    restore_training_state(
        content, run.network, run.optimizer, run.schedule, scaler=run.accelerator.scaler
    )
    run.monitor.load_state_dict(content["monitor"])
    run.best, run.unreadable = content["best"], dict(content["unreadable"])
    run.first_epoch = content["epoch"] + 1


def _note_unreadable(run: Run, stats: TrainStats, progress: EpochProgress) -> None:
    for index, message in stats.failures:
        name = run.listing.train[index].name
        if name not in run.unreadable:
            progress.warning(f"unreadable, replaced in training: {message}")
        run.unreadable[name] = message
    limit = run.config.data.max_unreadable
    if len(run.unreadable) > limit:
        names = ", ".join(sorted(run.unreadable)[:NAMES_SHOWN])
        names += ", ..." if len(run.unreadable) > NAMES_SHOWN else ""
        raise InputError(
            f"{len(run.unreadable)} training videos cannot be read, more than data.max_unreadable "
            f"({limit}): {names}; mend or remove them, or raise data.max_unreadable"
        )


def _heads_rest(config: Config, epoch: int) -> bool:
    """Whether the heads are kept at their start in an epoch, so that nobody need be warned."""
    return config.optim.relative_lr == 0 or epoch <= config.optim.head_warmup_epochs


def _loss(config: Config) -> ClipLoss:
    focus = config.model.focus
    if focus is None or focus.heads == 0:
        branch_loss = focus.branch_loss if focus else 0.0
        return ClipLoss(config.optim.label_smoothing, branch_loss)
    head_losses = []
    if focus.diversity_loss:
        head_losses.append(DiversityLoss(focus.diversity_loss))
    if focus.in_bounds_loss:
        head_losses.append(InBoundsLoss(focus.in_bounds_loss))
    return ClipLoss(
        config.optim.label_smoothing, focus.branch_loss, focus.random_glimpse_loss,
        tuple(head_losses),
    )  # fmt: skip


def _batches(run: Run):
    """The epoch's batches, or as many as `max_steps` leaves."""
    limit = run.config.train.max_steps
    if limit is None:
        yield from run.batches
        return
    yield from islice(run.batches, (limit - run.steps) * run.config.train.grad_accum_steps)
    run.batches.end()  # type: ignore[attr-defined]  # accelerate's: no batch is awaited any more


def _set_epoch(run: Run, epoch: int) -> None:
    run.batches.set_epoch(epoch)  # type: ignore[attr-defined]  # accelerate's: the order
    run.batches.dataset.set_epoch(epoch)  # type: ignore[attr-defined]  # the random draws


@contextmanager
def _log(run: Run):
    if not run.accelerator.is_main_process:
        yield None
        return
    resumed = run.first_epoch - 1 if run.first_epoch > 1 else None
    with RunLog(run.folder, last_epoch=resumed) as log:
        yield log


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)
