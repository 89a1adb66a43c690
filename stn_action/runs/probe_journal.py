"""The finished cells of a probe in its folder: kept when it is interrupted or extended."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from stn_action.build.cache_fingerprint import cache_fingerprint
from stn_action.config.fingerprint import HARMLESS, Fingerprint
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.errors import InputError
from stn_action.jobs.journal import Journal
from stn_action.runs.probe_cell import CellResult
from stn_action.runs.probe_grid import ProbeArm, ProbeCell

JOURNAL = "cells.jsonl"
HEADER = b'{"probe": 1}\n'
OF_A_CELL = (
    "optim.lr", "optim.relative_lr", "train.seed", "train.eval_interval", "train.monitor",
    "eval.batch_size", "eval.shuffled_theta",
)  # fmt: skip
"""Settings that differ between cells, or do not matter: the others must be those of the folder."""


class CellJournal:
    """The finished cells in a folder, by cell. A context manager."""

    def __init__(self, folder: Path, arms: Sequence[ProbeArm]) -> None:
        """Read the finished cells.

        Args:
            folder: of the probe.
            arms: of the grid; others may be in the folder too.

        Raises:
            InputError: a line is damaged, an arm had other settings, or another process writes.
        """
        self.folder = folder
        self._journal = Journal(folder / JOURNAL, HEADER)
        try:
            self._results = self._read({arm.name: list(arm.overrides) for arm in arms})
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def __contains__(self, cell: ProbeCell) -> bool:
        """Return whether a cell is finished."""
        return cell.key in self._results

    def __getitem__(self, cell: ProbeCell) -> CellResult:
        """Return the result of a finished cell."""
        return self._results[cell.key]

    def add(self, cell: ProbeCell, result: CellResult) -> None:
        """Write a finished cell to the disk."""
        overrides = list(cell.setting.arm.overrides)
        record = {"cell": list(cell.key), "overrides": overrides, **result._asdict()}
        self._journal.append(json.dumps(record).encode() + b"\n")
        self._results[cell.key] = result

    def _read(self, overrides: dict[str, list[str]]) -> dict[tuple[Any, ...], CellResult]:
        results: dict[tuple[Any, ...], CellResult] = {}
        for number, line in enumerate(self._journal.lines, 2):
            try:
                record = json.loads(line)
                key, own = tuple(record.pop("cell")), record.pop("overrides")
                results[key] = CellResult(**record)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise InputError(
                    f"{self._journal.path}: damaged: line {number} is not of a probe of this "
                    "version; delete the file to train its cells again"
                ) from None
            if overrides.get(key[0], own) != own:
                raise InputError(
                    f"{self.folder} holds arm {key[0]!r} with other settings: {', '.join(own)}; "
                    "give the arm another name or another --out"
                )
        return results


def check_same_probe(
    folder: Path, config: Config, listing: Listing, *, per_class: int | None
) -> None:
    """Check that the cells in a folder are of this experiment; record it in a new folder.

    Args:
        folder: of the probe.
        config: the experiment.
        listing: of any fold.
        per_class: see `split_of_cell`.

    Raises:
        InputError: they are of another one.
    """
    random_trunk = config.model.weights is None
    without = [key for key in OF_A_CELL if not (random_trunk and key == "train.seed")]
    videos = cache_fingerprint(config, listing.all_videos).extra
    extra = {"per_class": per_class, "stored": dict(videos)}
    now = Fingerprint.of(config, without=(*HARMLESS, *without), extra=extra)
    try:
        before = Fingerprint.load(folder)
    except FileNotFoundError:
        now.save(folder)
        return
    if changed := before.compare(now):
        raise InputError(
            f"{folder} holds a probe with other settings: {changed}; give another --out or delete "
            "it"
        )
