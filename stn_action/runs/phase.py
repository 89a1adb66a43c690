"""A phase diagram: which read-out wins, over the dials of generated data; resumable by cells.

For each generated set the clips are drawn and the frozen trunk's maps are stored once; the
read-outs of all its cells are trained on them. Then the set is deleted, unless it shall be kept.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
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

CellTraining = Callable[[Config, Sequence[str], Sequence[int], int], dict[str, ArmRecord]]
"""Configuration, read-outs, seeds and clips a class to the test of each read-out."""
CELLS = "cells"
"""Folder of the journal: a file for each cell."""


def run_phase(
    config: Config,
    grid: PhaseGrid,
    readouts: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    train: CellTraining,
    *,
    keep_sets: bool = False,
    console: Console | None = None,
) -> list[CellRecord]:
    """Train and test all read-outs in all cells; what is finished is not repeated.

    Args:
        config: of all cells; its data set is replaced.
        grid: values of the dials.
        readouts: names of arms.
        seeds: of the trainings.
        out: holds a file for each finished cell, and the sets while they are used.
        train: trains the arms of a cell on stored features.
        keep_sets: do not delete the generated sets and their caches.
        console: where to print.

    Raises:
        InputError: a value is out of range, or the folder holds cells of other settings.
    """
    grid.check()
    console = console or Console()
    own = _fingerprint(config, grid, readouts, seeds)
    with locked_folder(out):
        _require_same(out, own)
        for cells in grid.sets():
            missing = [cell for cell in cells if not _path(out, cell).is_file()]
            if not missing:
                continue
            root = out / "sets" / missing[0].set_name
            _generate(grid, missing[0], root, config.data.num_workers, console)
            for cell in missing:
                start = time.perf_counter()
                record = _train_cell(config, cell, root, readouts, seeds, train)
                seconds = time.perf_counter() - start
                _write(out, record, own, seconds)
                console.print(f"{cell.name}: {seconds:.0f} s", markup=False)
            if not keep_sets:
                for folder in root.parent.glob(f"{root.name}*"):
                    shutil.rmtree(folder)
                with suppress(OSError):  # others are in it
                    root.parent.rmdir()
        return [_read(out, cell) for cells in grid.sets() for cell in cells]


def write_phase(records: Sequence[CellRecord], out: Path) -> list[str]:
    """Write the table and the chart (`phase.md`, `.png`, `.svg`); return the table's lines."""
    lines = describe_phase(records)
    write_file(out / "phase.md", "\n".join(lines) + "\n")
    save_figure(out / "phase.png", draw_phase(records))
    return lines


def _generate(
    grid: PhaseGrid, cell: PhaseCell, root: Path, num_workers: int, console: Console
) -> None:
    sign_set.generate_signs(
        root,
        region_share=float(cell.region),
        num_distractors=cell.distractors,
        seed=grid.data_seed,
        clips_per_class=(max(grid.clips), grid.test_clips),
        num_workers=num_workers,
        progress=lambda names, total: show_progress(
            names, total=total, what=f"drawing {root.name}", console=console
        ),
    )


def _train_cell(
    config: Config,
    cell: PhaseCell,
    root: Path,
    readouts: Sequence[str],
    seeds: Sequence[int],
    train: CellTraining,
) -> CellRecord:
    whole, tight = (
        config_of_clips(config_of_set(config, root, tight=tight), cell.clips)
        for tight in (False, True)
    )
    arms = train(whole, readouts, seeds, cell.clips)
    arms[TIGHT] = train(tight, ["mean"], seeds, cell.clips)["mean"]
    return CellRecord(cell, sorted(path.stem for path in root.glob("test/*/*.mp4")), arms)


def _fingerprint(
    config: Config, grid: PhaseGrid, readouts: Sequence[str], seeds: Sequence[int]
) -> Fingerprint:
    """Return what the result of a cell depends on, besides its place on the grid."""
    extra = {
        "generator": sign_set.VERSION,
        "--data-seed": grid.data_seed,
        "--test-clips": grid.test_clips,
        "largest of --clips": max(grid.clips),
        "--readouts": list(readouts),
        "--seeds": list(seeds),
    }
    without = (*HARMLESS, "data.root", "data.people", "train.seed")
    return Fingerprint.of(config, without=without, extra=extra)


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
