"""The checkpoints of a run: `last.pt`, `best.pt`, and how a run goes on from them.

A checkpoint's `epoch` counts the complete epochs, `batch` the batches that are done of the next
one; at the end of an epoch `batch` is 0.
"""

from pathlib import Path
from typing import Any

from stn_action.build.run import Run
from stn_action.config.schema import Config, to_dict
from stn_action.errors import InputError, Stopped
from stn_action.runs.folder import differences_from_start, was_started
from stn_action.training.checkpoint import (
    load_checkpoint,
    restore_training_state,
    save_checkpoint,
    training_state,
)
from stn_action.training.checkpoint_content import check_resumable
from stn_action.training.epoch_totals import EpochTotals
from stn_action.training.step import StepRecord
from stn_action.training.stop_request import StopRequest

LAST, BEST = "last.pt", "best.pt"
DUE = -1
"""In place of the number of a signal: a save is due."""


def has_checkpoint(folder: Path) -> bool:
    """Return whether a run has saved a state in a folder, from which it can go on."""
    return any((folder / name).is_file() for name in (LAST, BEST))


def has_fold_checkpoint(folder: Path) -> bool:
    """Return whether a run over folds has saved a state of any of them."""
    return any(map(has_checkpoint, folder.glob("fold_*")))


def save_run(
    run: Run, epoch: int, *, totals: EpochTotals | None = None, is_best: bool = False
) -> None:
    """Write `last.pt`, and `best.pt` if it is the best. Collective.

    Args:
        run: at the end of an optimizer step.
        epoch: the number of complete epochs.
        totals: of the batches that are done of the next epoch; None: none is.
        is_best: at the end of an epoch, whether its metric is the best.
    """
    content = {
        "config": to_dict(run.config),
        "classes": list(run.listing.classes),
        "positions": run.listing.positions,
        "multi_label": run.listing.multi_label,
        "listing": run.listing.name,
        "features": run.data.features,
        "epoch": epoch,
        "batch": 0 if totals is None else totals.batches,
        "totals": None if totals is None else totals.state_dict(run.strategy),
        "monitor": run.monitor.state_dict(),
        "best": run.best,
        "since_best": run.since_best,
        "unreadable": dict(run.unreadable),
        **training_state(run.network, run.step.optimizer, run.step.schedule, run.strategy),
    }
    run.save_schedule.saved(run.num_steps)
    if not run.strategy.is_main:
        return
    if is_best:  # first: of a run that is killed in between, `load_newest` takes it as the last
        save_checkpoint(run.folder / BEST, content)
    save_checkpoint(run.folder / LAST, content)


def load_newest(folder: Path, config: Config, *, is_main: bool = True) -> dict[str, Any] | None:
    """Return the state that a run goes on from; None: it was killed before it saved any.

    Where `best.pt` is newer than `last.pt`, the run was killed between writing the two; then it
    becomes `last.pt` too.

    Args:
        folder: of the run.
        config: with which it is to go on.
        is_main: whether this process writes.

    Raises:
        InputError: the run was started with other settings, or a checkpoint is damaged.
    """
    if not (has_checkpoint(folder) or was_started(folder)):
        return None
    if changed := differences_from_start(folder, config):
        raise InputError(
            f"--resume: the run in {folder} was started with other settings: {changed}; resume "
            f"with its own configuration, {folder / 'config.yaml'}"
        )
    last, best = (_load(folder / name) for name in (LAST, BEST))
    if best is None or (last is not None and _place(last) >= _place(best)):
        return last
    if is_main:
        save_checkpoint(folder / LAST, best)
    return best


def restore_run(run: Run, content: dict[str, Any]) -> None:
    """Put a run that was just built into the state of a checkpoint. Collective."""
    restore_training_state(
        content, run.network, run.step.optimizer, run.step.schedule, run.strategy
    )
    run.monitor.load_state_dict(content["monitor"])
    run.best, run.unreadable = content["best"], dict(content["unreadable"])
    run.since_best = content.get("since_best", 0)
    run.first_epoch = content["epoch"] + 1
    if content["totals"] is not None:
        run.totals.load_state_dict(content["totals"], run.strategy)
    run.save_schedule.saved(run.num_steps)


class EpochSaver:
    """Saves a run inside an epoch when it is due, and ends it on request.

    An `after_step` object of `train_one_epoch`; the last one, so that all others have seen the
    batch.
    """

    def __init__(self, run: Run, epoch: int, totals: EpochTotals, request: StopRequest) -> None:
        """Describe the epoch.

        Args:
            run: that is trained.
            epoch: counted from 1.
            totals: of the epoch so far.
            request: to end the run; every process may get one.
        """
        self.run, self.epoch, self.totals, self.request = run, epoch, totals, request

    def __call__(self, record: StepRecord) -> None:
        """Save at the end of a step if it is due. Collective."""
        if not record.ends_step:
            return
        run = self.run
        due = DUE if run.save_schedule.is_due(run.num_steps) else 0
        wanted = run.strategy.counts(self.request.signal or due)
        if any(wanted):
            save_run(run, self.epoch - 1, totals=self.totals)
        if (request := max(wanted)) > 0:
            raise Stopped(
                f"stopped in epoch {self.epoch} after batch {record.batch} of "
                f"{run.batches_per_epoch}, saved in {run.folder}",
                signal=request,
            )


def _load(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content = load_checkpoint(path, to_resume=True)
    check_resumable(content, path)
    return content


def _place(content: dict[str, Any]) -> tuple[int, int]:
    return content["epoch"], content["batch"]
