"""The read-outs of one cell of a phase diagram, trained as a probe of stored features."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from stn_action.config.schema import Config
from stn_action.runs.phase_results import ArmRecord
from stn_action.runs.probe import ProbePlan, run_probe
from stn_action.runs.probe_grid import parse_arms


def train_by_probe(
    config: Config, readouts: Sequence[str], seeds: Sequence[int], clips: int, console: Console
) -> dict[str, ArmRecord]:
    """Train and test arms with every seed, at the configured learning rates.

    Args:
        config: of the cell; its cache is filled if need be, and finished arms are kept beside it.
        readouts: names of arms.
        seeds: of the trainings; they draw the training clips, too.
        clips: training clips of each class.
        console: where progress is shown.
    """
    optim = config.optim
    plan = ProbePlan(parse_arms(readouts), [optim.lr], [optim.relative_lr], seeds, per_class=clips)
    folder = Path(f"{config.train.cache_folder}_probe_{clips}")
    results = run_probe(config, plan, folder, console=console)
    arms = {}
    for row in results.rows:
        shuffled = [None] * len(seeds) if row.shuffled is None else row.shuffled.double().mean(1)
        arms[row.setting.arm.name] = ArmRecord(
            correct=row.correct.tolist(),
            shuffled=[None if value is None else float(value) for value in shuffled],
            effective_area=[own[0].effective_area for own in row.results],
            parameters=round(row.mean_of("parameters")),
            seconds=[own[0].seconds for own in row.results],
        )
    return arms
