"""The files of a probe: written by tools/probe.py, its numbers read by what compares probes."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stn_action.disk.atomic_file import write_file
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError
from stn_action.runs.probe_result import ProbeResults, draw_probe, markdown_of_probe
from stn_action.visualize.chart_figure import save_figure

RESULTS_FILE = "results.json"
_KEYS = {"protocol", "videos", "groups", "rows", "clips_per_class"}
"""Which every reader needs."""


def write_probe(results: ProbeResults, out: Path, *, command: str) -> str:
    """Write `table.md`, `probe.png`, `probe.svg` and `results.json`; return the table."""
    text = markdown_of_probe(results)
    write_file(out / "table.md", text)
    save_figure(out / "probe.png", draw_probe(results))
    write_file(out / RESULTS_FILE, json.dumps(numbers_of_probe(results, command)))
    return text


def read_probe(folder: Path) -> dict[str, Any]:
    """Return the numbers of a finished probe.

    Args:
        folder: `--out` of tools/probe.py.

    Returns:
        What `numbers_of_probe` makes.

    Raises:
        InputError: the folder has no results, or they are not those of a probe of this version.
    """
    path = folder / RESULTS_FILE
    if not path.is_file():
        raise InputError(f"{path} is missing: give the folder of a finished tools/probe.py")
    content = read_json(path, remedy="run tools/probe.py again with the same --out")
    found = set(content) if isinstance(content, dict) else set()
    if missing := _KEYS - found:
        raise InputError(
            f"{path}: not the results of a probe (lacks {', '.join(sorted(missing))}); run "
            "tools/probe.py again"
        )
    return content


def numbers_of_probe(results: ProbeResults, command: str) -> dict[str, Any]:
    """Return everything that two probes are paired by, as plain types."""
    return {
        "protocol": results.protocol,
        "command": command,
        "against": results.against,
        "seeds": list(results.seeds),
        "clips_per_class": results.clips_per_class,
        "classes": list(results.classes),
        "videos": results.videos.names(),
        "groups": results.videos.groups(),
        "targets": results.videos.targets.tolist(),
        "rows": [
            {
                "arm": row.setting.arm.name,
                "label": row.label,
                "overrides": list(row.setting.arm.overrides),
                "lr": None if row.chosen else row.setting.lr,
                "relative_lr": None if row.chosen else row.setting.relative_lr,
                "accuracy": row.accuracies,
                "correct": row.correct.int().tolist(),
                "shuffled": None if row.shuffled is None else row.shuffled.int().tolist(),
                "probabilities": [
                    [_or_none(video) for fold in own for video in fold.probabilities]
                    for own in row.results
                ],
                "parameters": round(row.mean_of("parameters")),
                "seconds": row.seconds,
                "area": row.mean_of("area"),
                "effective_area": row.mean_of("effective_area"),
                "loss": row.mean_of("loss"),
            }
            for row in results.rows
        ],
    }


def _or_none(row: Sequence[float]) -> list[float] | None:
    return None if math.isnan(row[0]) else list(row)
