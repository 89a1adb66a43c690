"""A phase diagram: which read-out wins, over the dials of generated data; resumable by cells.

For each generated set the clips are drawn and the frozen trunk's maps are stored once; the
read-outs of all its cells are trained on them. Then the set is deleted, unless it shall be kept.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from stn_action.config.fingerprint import HARMLESS, Fingerprint
from stn_action.config.schema import Config
from stn_action.data.synthetic import sign_set
from stn_action.disk.atomic_file import write_file
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError
from stn_action.progress import show_progress
from stn_action.runs.folder import locked_folder
from stn_action.runs.phase_grid import PhaseCell, PhaseGrid, config_of_clips, config_of_set
from stn_action.runs.phase_results import TIGHT, ArmRecord, CellRecord, describe_phase, draw_phase
from stn_action.visualize.chart_figure import save_figure
from stn_action.workers.pool import Failed, run_pool

CellTraining = Callable[[Config, Sequence[str], Sequence[int], int, Console], dict[str, ArmRecord]]
"""Configuration, read-outs, seeds, clips a class and console to the test of each read-out."""
CELLS, SETS = "cells", "sets"
"""Folders: a file for each finished cell, and the generated sets."""


@dataclass(frozen=True)
class PhaseRun:
    """What all cells have in common."""

    config: Config
    """Its data set is replaced."""
    grid: PhaseGrid
    readouts: Sequence[str]
    """Names of arms."""
    seeds: Sequence[int]
    """Of the trainings."""
    out: Path
    """Holds a file for each finished cell, and the sets while they are used."""
    train: CellTraining
    """Trains the arms of a cell on stored features; a function that can be pickled."""
    keep_sets: bool = False
    """Do not delete the generated sets and their caches."""

    def fingerprint(self) -> Fingerprint:
        """Return what the result of a cell depends on, besides its place on the grid."""
        extra = {
            "generator": sign_set.VERSION,
            "--data-seed": self.grid.data_seed,
            "--test-clips": self.grid.test_clips,
            "largest of --clips": max(self.grid.clips),
            "--readouts": list(self.readouts),
            "--seeds": list(self.seeds),
        }
        without = (*HARMLESS, "data.root", "data.people", "train.seed")
        return Fingerprint.of(self.config, without=without, extra=extra)


def run_phase(
    run: PhaseRun, *, workers: int = 0, console: Console | None = None
) -> list[CellRecord]:
    """Train and test all read-outs in all cells; what is finished is not repeated.

    Args:
        run: what is done.
        workers: processes, each with a generated set of its own at a time; 0: this one alone.
        console: where to print.

    Raises:
        InputError: a value is out of range, or the folder holds cells of other settings.
    """
    run.grid.check()
    with locked_folder(run.out):
        _require_same(run.out, run.fingerprint())
        missing = [
            own
            for cells in run.grid.sets()
            if (own := [cell for cell in cells if not _path(run.out, cell).is_file()])
        ]
        work = partial(_run_set, run, console=None if workers else console)
        for cells, result in run_pool(work, missing, workers):
            if isinstance(result, Failed):
                raise InputError(f"{cells[0].set_name}: {result.reason}; start again")
        with suppress(OSError):  # sets are kept
            (run.out / SETS).rmdir()
        return [_read(run.out, cell) for cells in run.grid.sets() for cell in cells]


def write_phase(records: Sequence[CellRecord], out: Path) -> list[str]:
    """Write the table and the chart (`phase.md`, `.png`, `.svg`); return the table's lines."""
    lines = describe_phase(records)
    write_file(out / "phase.md", "\n".join(lines) + "\n")
    save_figure(out / "phase.png", draw_phase(records))
    return lines


def _run_set(run: PhaseRun, cells: Sequence[PhaseCell], console: Console | None) -> None:
    """Generate a set, and train and write the cells that are missing."""
    console = console or Console(soft_wrap=True, highlight=False)
    root = run.out / SETS / cells[0].set_name
    sign_set.generate_signs(
        root,
        region_share=float(cells[0].region),
        num_distractors=cells[0].distractors,
        seed=run.grid.data_seed,
        clips_per_class=(max(run.grid.clips), run.grid.test_clips),
        num_workers=0,
        progress=lambda names, total: show_progress(
            names, total=total, what=f"drawing {root.name}", console=console
        ),
    )
    own = run.fingerprint()
    for cell in cells:
        start = time.perf_counter()
        record = _train_cell(run, cell, root, console)
        seconds = time.perf_counter() - start
        _write(run.out, record, own, seconds)
        console.print(f"{cell.name}: {seconds:.0f} s", markup=False)
    if not run.keep_sets:
        for folder in root.parent.glob(f"{root.name}*"):
            shutil.rmtree(folder)


def _train_cell(run: PhaseRun, cell: PhaseCell, root: Path, console: Console) -> CellRecord:
    whole, tight = (
        config_of_clips(config_of_set(run.config, root, tight=tight), cell.clips)
        for tight in (False, True)
    )
    arms = run.train(whole, run.readouts, run.seeds, cell.clips, console)
    arms[TIGHT] = run.train(tight, ["mean"], run.seeds, cell.clips, console)["mean"]
    return CellRecord(cell, sorted(path.stem for path in root.glob("test/*/*.mp4")), arms)


def _require_same(out: Path, own: Fingerprint) -> None:
    for path in sorted((out / CELLS).glob("*.json")):
        was = Fingerprint.from_dict(_content(path)["fingerprint"])
        if changed := was.compare(own):
            raise InputError(
                f"{path} was made with other settings: {changed}; give another --out, or delete "
                f"{out / CELLS}"
            )


def _path(out: Path, cell: PhaseCell) -> Path:
    return out / CELLS / f"{cell.name}.json"


def _write(out: Path, record: CellRecord, own: Fingerprint, seconds: float) -> None:
    content = {
        "region": str(record.cell.region),
        "distractors": record.cell.distractors,
        "clips": record.cell.clips,
        "seconds": round(seconds, 1),
        "videos": record.videos,
        "arms": {name: asdict(arm) for name, arm in record.arms.items()},
        "fingerprint": own.to_dict(),
    }
    write_file(_path(out, record.cell), json.dumps(content) + "\n")


def _read(out: Path, cell: PhaseCell) -> CellRecord:
    content = _content(_path(out, cell))
    arms = {name: ArmRecord(**arm) for name, arm in content["arms"].items()}
    return CellRecord(cell, content["videos"], arms)


def _content(path: Path) -> dict:
    content = read_json(path, remedy="delete it, and the cell is trained again")
    if not isinstance(content, dict) or not {"arms", "videos", "fingerprint"} <= content.keys():
        raise InputError(f"{path}: not the results of a cell; delete it, and it is trained again")
    return content
