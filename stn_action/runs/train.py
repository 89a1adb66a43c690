"""A training run, from configuration to checkpoint and test."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console

from stn_action.build.data import check_before_start, open_data
from stn_action.build.data_header import describe_data
from stn_action.build.run import Run, announce, build_run
from stn_action.config.schema import Config
from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.distributed import build_strategy, seed_batch, seed_everything
from stn_action.errors import InputError
from stn_action.evaluation.metrics import METRICS, check_monitor, score_videos, task_of
from stn_action.evaluation.views import evaluate
from stn_action.progress import show_progress
from stn_action.runs.folder import (
    check_folder,
    locked_folder,
    run_folder,
    write_result,
    write_start,
    written_line,
)
from stn_action.runs.run_checkpoint import (
    EpochSaver,
    has_checkpoint,
    load_newest,
    restore_run,
    save_run,
)
from stn_action.runs.test import TestResult, run_test
from stn_action.training.epoch_totals import EpochTotals
from stn_action.training.log import EpochProgress, EpochSummary, RunLog
from stn_action.training.loop import AfterStep, BeforeBatch, TrainStats, train_one_epoch
from stn_action.training.step import StepRecord
from stn_action.training.stop_request import StopRequest

WARNING_PATIENCE = 2
"""Epochs for which a head may be frozen or collapsed without a warning, but for the last epoch."""


def train(
    config: Config, *, command: str = "", resume: bool = False, console: Console | None = None
) -> TestResult:
    """Train on one fold, test the last state on all views, write both into the run folder.

    `best.pt` is the state that is best on the validation videos; without any there is none.

    Args:
        config: the experiment; its fold is a number.
        command: recorded in the run folder.
        resume: go on from where the run in the folder was when it saved its state last.
        console: where to print; the standard output by default.

    Returns:
        The test of the last checkpoint.

    Raises:
        InputError: the configuration, the data or the weights are wrong.
        Stopped: SIGTERM or Ctrl-C came while it trained; its state is saved.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    strategy = build_strategy(config.train.precision)
    if not strategy.is_main:
        console.quiet = True
    seed_everything(config.train.seed)
    listing, source = open_data(config)
    check_before_start(config)
    check_monitor(config.train.monitor, task_of(listing.test.targets))
    _check_patience(config, listing)
    folder = strategy.broadcast(run_folder(config))
    with locked_folder(folder, strategy) as existed:
        check_folder(folder, config, resume=resume, used=has_checkpoint(folder), existed=existed)
        before = load_newest(folder, config, is_main=strategy.is_main) if resume else None
        if strategy.is_main:  # before features are cached, which may take long
            for line in describe_data(config, listing, source, strategy):
                console.print(line, markup=False)
        run = build_run(config, listing, source, folder, strategy, console)
        if before is not None:
            restore_run(run, before)
        if strategy.is_main:
            write_start(folder, config, command, resume=resume, network=run.network_record)
        announce(run, console)
        console.print(_evaluation_line(run), markup=False)
        if resume and before is None:
            console.print("no state was saved yet: the run starts from the beginning")
        _train_epochs(run, console)
        result = run_test(config, run.learner, run.test_batches, listing, strategy, console=console)
        if strategy.is_main:
            write_result(
                folder, "test", result.numbers(), result.scores, listing.test, listing.classes
            )
        for line in [
            *result.lines(), written_line(folder, "test", result.scores), *_best_lines(run)
        ]:  # fmt: skip
            console.print(line, markup=False)
        strategy.wait()  # what the main process wrote is there for all
        return replace(result, folder=folder)


def _check_patience(config: Config, listing: Listing) -> None:
    """Check that early stopping has validation videos to decide by.

    Raises:
        InputError: there are none.
    """
    if config.train.patience is not None and not listing.val:
        raise InputError(
            f"train.patience={config.train.patience}: {listing.name} has no validation "
            f"{listing.unit}, and test {listing.unit} never decide when a training ends; set "
            "data.val_share=0.2 to take some out of training, or train.patience=null"
        )


def _evaluation_line(run: Run) -> str:
    """Return a line about the evaluations between epochs, and what they decide."""
    train, unit = run.config.train, run.listing.unit
    interval = min(train.eval_interval, train.epochs)
    every = "every epoch" if interval == 1 else f"every {interval} epochs"
    what = f"{METRICS[train.monitor].label} ({run.data.quick_views})"
    if run.curve_part == "val":
        line = f"{every}: {what} of {len(run.listing.val)} validation {unit}, which chooses best.pt"
        patience = train.patience
        ends = f"; training ends after {patience} in a row without a better one"
        return line if patience is None else line + ends
    return (
        f"{every}: {what} of {len(run.listing.test)} test {unit}, only to be shown: without "
        "validation videos nothing is chosen"
    )


def _train_epochs(run: Run, console: Console) -> None:
    num_epochs = run.config.train.epochs
    progress = EpochProgress(
        num_epochs,
        run.batches_per_epoch,
        num_batches=run.num_batches,
        first_epoch=run.first_epoch,
        first_batch=run.totals.batches,
        console=console,
        enabled=run.strategy.is_main,
    )
    totals = run.totals
    with _open_log(run) as log, progress:
        for epoch in range(run.first_epoch, num_epochs + 1):
            if run.ended and totals.batches == 0:
                break
            progress.start_epoch(epoch)
            stats = _train_epoch(run, epoch, totals, progress)
            _after_epoch(run, epoch, stats, log, progress)
            totals = EpochTotals()


def _train_epoch(run: Run, epoch: int, totals: EpochTotals, progress: EpochProgress) -> TrainStats:
    with StopRequest(announce=run.strategy.is_main) as request:
        return train_one_epoch(
            run.learner,
            run.epoch_batches(epoch, totals.batches),
            run.objective,
            run.step,
            totals=totals,
            before_batch=[_seeding(run, epoch)],
            transforms=run.transforms,
            after_step=[
                run.monitor,
                progress,
                _gradient_warnings(run, progress),
                EpochSaver(run, epoch, totals, request),
            ],
        )


def _seeding(run: Run, epoch: int) -> BeforeBatch:
    """Return what makes the random draws of a batch depend on its place in the run alone."""
    seed, rank = run.config.train.seed, run.strategy.rank
    return lambda batch: seed_batch(seed, epoch=epoch, batch=batch, rank=rank)


def _gradient_warnings(run: Run, progress: EpochProgress) -> AfterStep:
    """Return what warns of heads that no gradient reaches as soon as that is known."""
    guard = run.step.guard

    def warn(record: StepRecord) -> None:
        if guard is not None and record.localization_grad_norm is not None:
            for warning in guard.warnings(record.prediction):
                progress.warning(warning)

    return warn


def _after_epoch(
    run: Run, epoch: int, stats: TrainStats, log: RunLog | None, progress: EpochProgress
) -> None:
    """Evaluate if it is due, print, log and save. Collective."""
    run.monitor.frozen_on_purpose = _heads_rest(run.config, epoch)
    report = run.monitor.compute()
    run.monitor.reset()
    numbers = {
        "loss": stats.loss, "accuracy": stats.accuracy, "seconds": stats.seconds,
        "data_wait": stats.data_wait_share, "lr": run.step.learning_rate,
    }  # fmt: skip
    scores, shown = None, ""
    last = epoch == run.config.train.epochs
    if last or run.ended or epoch % run.config.train.eval_interval == 0:
        scores = _evaluate_curve(run, progress.console)
        monitor = run.config.train.monitor
        shown = f"{run.curve_part} {METRICS[monitor].label} {scores[monitor]:.1%}"
    is_best = _is_best(run, scores)
    shown += " (best)" if is_best else ""
    ended = last or run.ended
    progress.end_epoch(
        epoch,
        EpochSummary(stats.loss, stats.accuracy, run.step.learning_rate, report.word, shown),
    )
    for warning in run.monitor.warnings(
        report, epoch=epoch, patience=0 if ended else WARNING_PATIENCE, repeat=ended
    ):
        progress.warning(warning)
    if run.stalled and not last:
        progress.message(
            f"stopped early: {run.since_best} evaluations without a better one (train.patience)"
        )
    _note_unreadable(run, stats, progress)
    if log is not None:
        log.write("train", epoch, numbers | report.numbers() | report.states())
        if scores is not None:
            views = run.data.quick_views.replace(" ", "_")
            log.write(
                run.curve_part, epoch, {f"{name}_{views}": value for name, value in scores.items()}
            )
    save_run(run, epoch, is_best=is_best)


def _evaluate_curve(run: Run, console: Console) -> dict[str, float]:
    """Return the metrics of the validation videos; without any those of the test videos."""
    shown = show_progress(
        run.curve_batches, total=len(run.curve_batches), what="evaluating", unit="batches",
        console=console,
        enabled=run.strategy.is_main and not console.is_terminal,  # one bar at a time
    )  # fmt: skip
    at_once = run.config.eval.batch_size
    predictions = evaluate(run.learner, shown, run.strategy, views_at_once=at_once)
    targets, num_classes = run.curve_videos.targets, len(run.listing.classes)
    return score_videos(predictions, targets, num_classes).numbers


def _is_best(run: Run, scores: dict[str, float] | None) -> bool:
    """Return whether the state is the best on the validation videos; without any none is."""
    if scores is None or run.curve_part != "val":
        return False
    score, before = scores[run.config.train.monitor], run.best
    if math.isnan(score) or (before is not None and score <= before):
        run.since_best += 1
        return False
    run.best, run.since_best = score, 0
    return True


def _best_lines(run: Run) -> Iterator[str]:
    """Yield a line about `best.pt` where another state was tested."""
    if run.best is not None and run.since_best:
        label = METRICS[run.config.train.monitor].label
        yield (
            f"tested: the last state, last.pt; best.pt was better on the validation "
            f"{run.listing.unit} ({label} {run.best:.1%}) and is tested by evaluate --checkpoint "
            f"{run.folder / 'best.pt'}"
        )


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
    """Return whether the heads are kept at their start in an epoch: no warning is raised then."""
    return config.optim.relative_lr == 0 or epoch <= config.optim.head_warmup_epochs


@contextmanager
def _open_log(run: Run) -> Iterator[RunLog | None]:
    if not run.strategy.is_main:
        yield None
        return
    with RunLog(run.folder, last_epoch=run.first_epoch - 1) as log:
        yield log
