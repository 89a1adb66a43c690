"""A probe: a grid of read-outs on the stored features of one frozen trunk, trained cell by cell."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from rich.console import Console

from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.data.listing import Listing
from stn_action.errors import InputError
from stn_action.progress import show_progress
from stn_action.runs.folder import locked_folder
from stn_action.runs.probe_cell import CellResult
from stn_action.runs.probe_grid import (
    Part,
    ProbeArm,
    ProbeCell,
    ProbeSetting,
    cells_of,
    settings_of,
    split_of_cell,
)
from stn_action.runs.probe_journal import CellJournal, check_same_probe
from stn_action.runs.probe_result import ProbeResults, ProbeRow, collect_results
from stn_action.runs.probe_session import (
    ProbeSession,
    check_config,
    check_settings,
    fold_listings,
    open_session,
)
from stn_action.runs.probe_stack import MAX_CELLS, run_stack, stacks_of
from stn_action.workers.pool import Failed, run_pool

INNER: Part = "inner"


@dataclass(frozen=True)
class ProbePlan:
    """What is asked of a probe."""

    arms: Sequence[ProbeArm]
    lrs: Sequence[float]
    relative_lrs: Sequence[float]
    seeds: Sequence[int]
    per_class: int | None = None
    """Training videos of each class, drawn by seed; None: all."""
    part: Part = "test"
    """Where cells are tested; see `split_of_cell`."""
    select: Literal["inner"] | None = None
    """Choose the rates of each arm and fold by its accuracy on the inner part, over all seeds."""
    against: str | None = None
    """The arm that others are compared with; None: mean, or the first one without it."""

    def words(self) -> list[str]:
        """Return what the protocol line must say besides."""
        words = []
        if self.per_class is not None:
            words.append(f"trained on {self.per_class} clips a class")
        if self.part == INNER:
            words.append("tested on groups held out of the training clips, not on the test clips")
        if self.select is not None:
            words.append("rates of each fold chosen on groups held out of its training clips")
        return words


def run_probe(
    config: Config, plan: ProbePlan, out: Path, *, workers: int = 0, console: Console | None = None
) -> ProbeResults:
    """Train and test every cell of a grid that is not finished.

    Args:
        config: the experiment; learning rates and seed are the plan's.
        plan: the grid.
        out: folder with the journal of finished cells.
        workers: processes, each with its own copy of the features; 0: this one alone.
        console: where to print.

    Raises:
        InputError: a setting is wrong, the grid is empty, or the folder holds a probe of another
            configuration.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    check_config(config)
    settings = settings_of(plan.arms, plan.lrs, plan.relative_lrs)
    listings = fold_listings(config)
    folds = list(listings)
    _check_plan(plan, settings, folds)
    check_settings(config, settings, listings[folds[0]])
    with locked_folder(out):
        check_same_probe(out, config, listings[folds[0]], per_class=plan.per_class)
        with CellJournal(out, plan.arms) as journal:
            run = partial(_run_cells, config, listings, plan.per_class, journal, workers, console)
            rows = _run_grid(plan, settings, folds, run, journal)
    results = collect_results(config, rows, list(listings.values()), plan.seeds, plan.words())
    trained = [
        len(split_of_cell(own, plan.part, per_class=plan.per_class, seed=plan.seeds[0])[0])
        / len(own.classes)
        for own in listings.values()
    ]
    clips = sum(trained) / len(trained)
    return replace(results, against=_against(plan), clips_per_class=clips)


def _run_grid(
    plan: ProbePlan, settings: Sequence[ProbeSetting], folds: Sequence[int],
    run: Callable[[Sequence[ProbeCell]], None], journal: CellJournal,
) -> list[ProbeRow]:  # fmt: skip
    """Run all cells; with `select` first the inner ones, then those of the chosen settings."""
    of_fold: dict[int, Sequence[ProbeSetting]] = dict.fromkeys(folds, settings)
    if plan.select is not None:
        run(cells_of(settings, plan.seeds, folds, INNER))
        of_fold = {fold: _chosen(settings, plan.seeds, fold, journal) for fold in folds}
    cells = [
        cell for fold in folds for cell in cells_of(of_fold[fold], plan.seeds, [fold], plan.part)
    ]
    run(sorted(cells, key=lambda cell: (settings.index(cell.setting), plan.seeds.index(cell.seed))))

    def result(place: int, seed: int, fold: int) -> CellResult:
        return journal[ProbeCell(of_fold[fold][place], seed, fold, plan.part)]

    return [
        ProbeRow(
            setting,
            plan.select is not None,
            [[result(place, seed, fold) for fold in folds] for seed in plan.seeds],
        )
        for place, setting in enumerate(of_fold[folds[0]])
    ]


def _check_plan(plan: ProbePlan, settings: Sequence[ProbeSetting], folds: Sequence[int]) -> None:
    cells_of(settings, plan.seeds, folds, plan.part)
    if _against(plan) not in (names := [arm.name for arm in plan.arms]):
        raise InputError(
            f"--against {plan.against}: expected an arm of the grid: {', '.join(names)}"
        )
    if plan.per_class is not None and plan.per_class < 1:
        raise InputError(f"--per-class must be at least 1, got {plan.per_class}")
    if plan.select is not None and plan.part == INNER:
        raise InputError("--select inner tests on the test clips: leave --on inner out")


def _against(plan: ProbePlan) -> str:
    names = [arm.name for arm in plan.arms]
    return plan.against or ("mean" if "mean" in names else names[0])


def _run_cells(
    config: Config, listings: dict[int, Listing], per_class: int | None, journal: CellJournal,
    workers: int, console: Console, cells: Sequence[ProbeCell],
) -> None:  # fmt: skip
    waiting = [cell for cell in cells if cell not in journal]
    what = {INNER: " on groups held out of the training clips"}.get(cells[0].part, "")
    console.print(
        f"{len(cells)} cells{what}, {len(cells) - len(waiting)} of them finished", markup=False
    )
    if not waiting:
        return
    text = json.dumps(to_dict(config))
    if workers == 0:
        _session(text, console)
    else:
        open_session(config, console)  # fills the cache
    # glimpses of pixels take nearly all of the time: nothing is saved by training them together
    max_cells = 1 if config.zooms else MAX_CELLS
    stacks = stacks_of(waiting, listings, per_class=per_class, max_cells=max_cells)
    finished = run_pool(partial(_run_one, text, per_class), stacks, workers)
    for cell, result in show_progress(
        _one_by_one(finished), total=len(waiting), what="probing", unit="cells", console=console
    ):
        journal.add(cell, result)


def _one_by_one(
    finished: Iterable[tuple[Sequence[ProbeCell], Sequence[CellResult] | Failed]],
) -> Iterator[tuple[ProbeCell, CellResult]]:
    for cells, results in finished:
        if isinstance(results, Failed):
            raise InputError(f"the cell {cells[0].key} failed: {results.reason}")
        yield from zip(cells, results, strict=True)


def _run_one(text: str, per_class: int | None, cells: Sequence[ProbeCell]) -> list[CellResult]:
    return run_stack(_session(text), cells, per_class=per_class)


_SESSIONS: dict[str, ProbeSession] = {}


def _session(text: str, console: Console | None = None) -> ProbeSession:
    """Return the session of a configuration, opened once in a process."""
    if text not in _SESSIONS:
        _SESSIONS.clear()
        config = config_from_dict(json.loads(text), "probe")
        _SESSIONS[text] = open_session(config, console or Console(quiet=True))
    return _SESSIONS[text]


def _chosen(
    settings: Sequence[ProbeSetting], seeds: Sequence[int], fold: int, journal: CellJournal
) -> list[ProbeSetting]:
    """Return the setting of each arm with the highest inner accuracy over the seeds."""

    def accuracy(setting: ProbeSetting) -> float:
        cells = [ProbeCell(setting, seed, fold, INNER) for seed in seeds]
        correct = [journal[cell].correct for cell in cells]
        return sum(map(sum, correct)) / sum(map(len, correct))

    arms = list(dict.fromkeys(setting.arm for setting in settings))
    return [
        max((setting for setting in settings if setting.arm == arm), key=accuracy) for arm in arms
    ]
