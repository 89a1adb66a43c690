"""A run from configuration to checkpoint and test."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from stn_action.build.data import check_before_start, load_listing
from stn_action.build.run import Run, announce, build_run
from stn_action.config.schema import Config, to_dict
from stn_action.data.listing import NAMES_SHOWN
from stn_action.distributed import build_strategy, seed_everything
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
from stn_action.training.monitor import HeadReport

WARNING_PATIENCE = 2
"""Epochs for which a head may be frozen or collapsed without a warning, but for the last epoch."""


def train(
    config: Config, *, command: str = "", resume: bool = False, console: Console | None = None
) -> TestResult:
    """Train on one fold, test the last state on all views, write both into the run folder.

    Args:
        config: the experiment; its fold is a number.
        command: recorded in the run folder.
        resume: go on from `last.pt` of the run folder.
        console: where to print; the standard output by default.

    Returns:
        The test of the last checkpoint.

    Raises:
        InputError: the configuration, the data or the weights are wrong.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    strategy = build_strategy(
        config.train.precision,
        accumulation_steps=config.train.grad_accum_steps,
        seed=config.train.seed,
    )
    if not strategy.is_main:
        console.quiet = True
    seed_everything(config.train.seed)
    listing = load_listing(config)
    check_before_start(config)
    folder = strategy.broadcast(run_folder(config))
    check_folder(folder, config, resume=resume)
    before = _last_checkpoint(folder, config) if resume else None
    run = build_run(config, listing, folder, strategy, console)
    if before is not None:
        _restore(run, before)
    if strategy.is_main:
        write_start(folder, config, command, resume=resume)
    announce(run, console)
    _train_epochs(run, console)
    result = run_test(config, run.learner, run.full_test, listing, strategy, console=console)
    if strategy.is_main:
        write_result(folder, "test", result.numbers(), result.scores, listing.test, listing.classes)
    for line in [*result.lines(), f"written to {folder}"]:
        console.print(line, markup=False)
    strategy.wait()  # what the main process wrote is there for all
    return result


def _train_epochs(run: Run, console: Console) -> None:
    num_epochs = run.config.train.epochs
    progress = EpochProgress(
        num_epochs,
        len(run.batches),
        first_epoch=run.first_epoch,
        console=console,
        enabled=run.strategy.is_main,
    )
    with _open_log(run) as log, progress:
        for epoch in range(run.first_epoch, num_epochs + 1):
            if run.ended:
                break
            progress.start_epoch(epoch)
            run.monitor.reset()
            stats = train_one_epoch(
                run.learner,
                run.epoch_batches(epoch),
                run.objective,
                run.step,
                transforms=run.transforms,
                after_step=[run.monitor, progress],
            )
            _after_epoch(run, epoch, stats, log, progress)


def _after_epoch(
    run: Run, epoch: int, stats: TrainStats, log: RunLog | None, progress: EpochProgress
) -> None:
    """Evaluate if it is time, print, log and save. Every process takes part in it."""
    ended = epoch == run.config.train.epochs or run.ended
    run.monitor.frozen_on_purpose = _heads_rest(run.config, epoch)
    report = run.monitor.compute(run.strategy.sum)
    numbers = {
        "loss": stats.loss, "accuracy": stats.accuracy, "seconds": stats.seconds,
        "data_wait": stats.data_wait_share,
    }  # fmt: skip
    shown = numbers | _mean_of_heads(report)
    test = None
    if ended or epoch % run.config.train.eval_interval == 0:
        test = run_test(
            run.config, run.learner, run.quick_test, run.listing, run.strategy, thorough=False,
            console=None if progress.console.is_terminal else progress.console,  # one bar at a time
        )  # fmt: skip
        shown[f"test top-1 ({run.data.quick_views})"] = test.scores.top1
    progress.end_epoch(epoch, shown)
    for warning in run.monitor.warnings(
        report, epoch=epoch, patience=0 if ended else WARNING_PATIENCE
    ):
        progress.warning(warning)
    _note_unreadable(run, stats, progress)
    if log is not None:
        log.write("train", epoch, numbers | report.numbers())
        if test is not None:
            key = f"top1_{run.data.quick_views.replace(' ', '_')}"
            log.write("test", epoch, {key: test.scores.top1})
    _save(run, epoch, test)


def _save(run: Run, epoch: int, test: TestResult | None) -> None:
    """Write `last.pt`, and `best.pt` if it is better than before. Collective."""
    before = run.best
    run.best = max(before, test.scores.top1 if test else -1.0)
    content = {
        "config": to_dict(run.config),
        "classes": list(run.listing.classes),
        "listing": run.listing.name,
        "epoch": epoch,
        "monitor": run.monitor.state_dict(),
        "best": run.best,
        "unreadable": dict(run.unreadable),
        **training_state(run.network, run.step.optimizer, run.step.schedule, run.strategy),
    }
    if not run.strategy.is_main:
        return
    save_checkpoint(run.folder / "last.pt", content)
    if run.best > before:
        save_checkpoint(run.folder / "best.pt", content)


def _last_checkpoint(folder: Path, config: Config) -> dict[str, Any]:
    content = load_checkpoint(folder / "last.pt")
    if changed := differences_from_start(folder, config):
        raise InputError(
            f"--resume: the run in {folder} was started with other settings: {changed}; resume "
            f"with its own configuration, {folder / 'config.yaml'}"
        )
    return content


def _restore(run: Run, content: dict[str, Any]) -> None:
    restore_training_state(
        content, run.network, run.step.optimizer, run.step.schedule, run.strategy
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
            f"({limit}): {names}; repair or remove them, or raise data.max_unreadable"
        )


def _heads_rest(config: Config, epoch: int) -> bool:
    """Whether the heads are kept at their start in an epoch, so that no warning is raised."""
    return config.optim.relative_lr == 0 or epoch <= config.optim.head_warmup_epochs


def _mean_of_heads(report: HeadReport) -> dict[str, float]:
    if not report.heads:
        return {}
    return {
        "spread": _mean(head.spread for head in report.heads),
        "moved": _mean(head.displacement for head in report.heads),
        "in bounds": _mean(head.in_bounds for head in report.heads),
        "scale": _mean(head.scale for head in report.heads),
        "overlap": _mean(head.overlap for head in report.heads),
    }


@contextmanager
def _open_log(run: Run) -> Iterator[RunLog | None]:
    if not run.strategy.is_main:
        yield None
        return
    resumed = run.first_epoch - 1 if run.first_epoch > 1 else None
    with RunLog(run.folder, last_epoch=resumed) as log:
        yield log


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)
