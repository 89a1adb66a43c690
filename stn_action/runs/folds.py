"""Training and test of every fold of a data set, the predictions pooled."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from stn_action.build.data import fold_configs, load_listing
from stn_action.build.protocol_line import protocol
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.video_groups import numbered_groups
from stn_action.data.video_table import VideoTable
from stn_action.disk.atomic_file import write_file
from stn_action.disk.json_file import read_json
from stn_action.distributed import build_strategy
from stn_action.errors import InputError
from stn_action.evaluation.bootstrap import share_interval
from stn_action.evaluation.error_analysis import analyze_errors
from stn_action.evaluation.metrics import TopK, score_videos
from stn_action.evaluation.views import ViewPredictions
from stn_action.runs.folder import (
    check_folder,
    differences_from_start,
    locked_folder,
    run_folder,
    was_started,
    write_result,
    write_start,
    writing_to,
    written_line,
)
from stn_action.runs.run_checkpoint import has_checkpoint, has_fold_checkpoint
from stn_action.runs.test import TestResult
from stn_action.runs.train import train

INTERVAL_SEED = 0
"""Of the groups that are drawn for the interval of the accuracy."""
FOLD_CHECKPOINTS = "fold_*/last.pt"
"""The checkpoints in the folder of a run over folds."""


def train_folds(
    config: Config, *, command: str = "", resume: bool = False, console: Console | None = None
) -> TestResult:
    """Train one network per fold and compute the metrics of all test videos together.

    Each fold has a folder of its own in the run folder. A fold that has a result is not trained
    again when resuming.

    Args:
        config: the experiment, with `data.fold` "all".
        command: recorded in the run folder.
        resume: go on with the first fold that is not finished.
        console: where to print; the standard output by default.

    Raises:
        InputError: as `train`; or the data set has no folds.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    strategy = build_strategy(config.train.precision)
    if not strategy.is_main:
        console.quiet = True
    folder = strategy.broadcast(run_folder(config))
    folds = [writing_to(fold, folder / f"fold_{fold.data.fold}") for fold in fold_configs(config)]
    with locked_folder(folder, strategy) as existed:
        used = has_fold_checkpoint(folder)
        check_folder(folder, config, resume=resume, used=used, existed=existed)
        if resume and (used or was_started(folder)):
            _check_same(folder, config)
        load_listing(folds[0])
        strategy.wait()  # no process has a run in the folder before all have looked
        if strategy.is_main:
            write_start(folder, config, command, resume=resume)
        listings: list[Listing] = []
        rows, failures = [], []
        for fold in folds:
            fold_folder = run_folder(fold)
            listing = load_listing(fold)
            finished = fold_folder / "probabilities.json"
            if not strategy.broadcast(resume and finished.is_file()):
                going_on = strategy.broadcast(resume and has_checkpoint(fold_folder))
                result = train(fold, command=command, resume=going_on, console=console)
                if strategy.is_main:
                    content = [result.scores.probabilities.tolist(), result.failures]
                    write_file(finished, json.dumps(content))
                strategy.wait()
            remedy = f"delete {finished} and {fold_folder / 'last.pt'} to train this fold again"
            probabilities, failed = read_json(finished, remedy=remedy)
            rows.append(torch.tensor(probabilities))
            failures += [(name, reason) for name, reason in failed]
            listings.append(listing)
        pooled = pooled_listing(config, listings)
        result = pooled_result(config, pooled, torch.cat(rows), failures)
        if strategy.is_main:
            write_result(
                folder, "test", result.numbers(), result.scores, pooled.test, pooled.classes
            )
        for line in [*result.lines(), written_line(folder, "test", result.scores)]:
            console.print(line, markup=False)
        strategy.wait()
        return replace(result, folder=folder)


def _check_same(folder: Path, config: Config) -> None:
    """Check that the folds to pool are those of one experiment."""
    if changed := differences_from_start(folder, config):
        raise InputError(
            f"--resume: the folds in {folder} were started with other settings: {changed}; resume "
            f"with their own configuration, {folder / 'config.yaml'}"
        )


def pooled_listing(config: Config, listings: Sequence[Listing]) -> Listing:
    """Return the test videos of all folds as one listing.

    Args:
        config: of any fold.
        listings: of the folds.
    """
    return Listing(
        name=f"{listings[0].dataset or config.data.name}, {len(listings)} folds pooled",
        classes=listings[0].classes,
        train=VideoTable(),
        val=VideoTable(),
        test=VideoTable(
            (video for listing in listings for video in listing.test),
            num_classes=listings[0].test.num_classes,
            positions=listings[0].positions,
        ),
        whole_frame=sum(listing.whole_frame for listing in listings),
        skipped=sum(listing.skipped for listing in listings),
    )


def pooled_result(
    config: Config, pooled: Listing, probabilities: torch.Tensor, failures: list[tuple[str, str]]
) -> TestResult:
    """Return the test of all folds together, with the interval of its top-1 accuracy by group.

    Args:
        config: of any fold.
        pooled: of `pooled_listing`.
        probabilities: (N, positions x classes) of its test videos; NaN: a video could not be read.
        failures: names and reasons of those.
    """
    targets = pooled.test.targets
    seen = (~probabilities.isnan().any(1)).nonzero().flatten()
    view = torch.zeros_like(seen)  # the mean over the views, as if it were the only one
    predictions = ViewPredictions(seen, view, targets[seen], probabilities[seen], failures=[])
    scores = score_videos(predictions, targets, len(pooled.classes))
    line = protocol(config, pooled, len(failures))
    interval = None
    if "top1" in scores.numbers:  # not with several labels
        top1 = TopK(targets, len(pooled.classes), 1)
        top1.update(predictions)
        _, groups = numbered_groups(pooled.test)
        generator = torch.Generator().manual_seed(INTERVAL_SEED)
        interval = share_interval(top1.correct(), groups, generator=generator)
    errors = analyze_errors(scores, pooled.test, pooled.classes)
    return TestResult(
        line, scores, config.train.monitor, None, None, failures, interval=interval, errors=errors
    )
