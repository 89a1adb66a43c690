"""Trials of a stress run: each is repeated by one command, recorded when it ends, and counted."""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from stn_action.cli import user_path

RESULTS = "results.jsonl"
FAULTS_SHOWN = 8
"""Of a trial; all of them are in the file."""


@dataclass(frozen=True)
class Trial:
    """Something that is tried once."""

    what: str
    """The row of the table that it counts for."""
    key: str
    """Its name; with the seed it says all that is random in it."""
    run: Callable[[Path], list[str]]
    """Try it in an empty folder; return the faults, none if all is as it should be."""
    times: int = 1
    """How many times something is tried in it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: a line of `results.jsonl`."""

    what: str
    key: str
    seed: int
    faults: list[str]
    seconds: float
    times: int
    command: str
    """What repeats it."""


@dataclass(frozen=True)
class Options:
    """What all subjects are given on the command line."""

    subject: str
    seed: int
    seconds: float | None
    """No trial is begun after this time; None: no limit."""
    out: Path
    only: str | None
    """Pattern of the beginning of the keys of the trials to run; None: all."""


def subject_parser(subject: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the arguments of `Options`, to which a subject adds its own.

    Args:
        subject: the word after `stress.py`.
        description: what the subject tries, in lines as they are to be shown.
    """
    parser = argparse.ArgumentParser(
        prog=f"stress.py {subject}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(subject=subject)
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (default: 0)")
    parser.add_argument("--seconds", type=float, help="begin no trial after this time")
    parser.add_argument(
        "--out",
        type=user_path,
        default=Path("runs/stress") / subject,
        help="(default: %(default)s)",
    )
    parser.add_argument(
        "--only", metavar="KEY", help="trials whose name starts so; * stands for anything"
    )
    return parser


def options_of(parsed: argparse.Namespace) -> Options:
    """Return what `subject_parser` has parsed."""
    return Options(parsed.subject, parsed.seed, parsed.seconds, parsed.out.resolve(), parsed.only)


def run_trials(trials: Iterable[Trial], options: Options) -> list[Outcome]:
    """Run the trials that have no outcome yet, print a line for each, then a table of all.

    A trial's folder is deleted if it had no fault.

    Returns:
        The outcomes of this run and of those before with the same seed.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    known = _known(options)
    outcomes: list[Outcome] = []
    begun = time.monotonic()
    left = 0
    with (options.out / RESULTS).open("a", encoding="utf-8") as file:
        for trial in trials:
            if options.only is not None and not fnmatch(trial.key, f"{options.only}*"):
                continue
            outcome = known.get(trial.key) if options.only is None else None
            if outcome is None and _is_over(options, begun):
                left += 1
                continue
            if outcome is None:
                outcome = _try(trial, options)
                file.write(json.dumps(asdict(outcome)) + "\n")
                file.flush()
            outcomes.append(outcome)
    print("\n".join(table(outcomes)))
    if left:
        print(f"{left} trials are left after {options.seconds:g} s: give the same command again")
    return outcomes


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the lines of a Markdown table: what was tried, how often, with what result."""
    rows: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.what, []).append(outcome)
    lines = ["| tried | times | faults | seconds |", "|" + " --- |" * 4]
    for what, of_row in rows.items():
        times = sum(outcome.times for outcome in of_row)
        faults = sum(len(outcome.faults) for outcome in of_row)
        seconds = sum(outcome.seconds for outcome in of_row)
        lines.append(f"| {what} | {times} | {faults} | {seconds:.0f} |")
    return lines


def _is_over(options: Options, begun: float) -> bool:
    return options.seconds is not None and time.monotonic() - begun > options.seconds


def _known(options: Options) -> dict[str, Outcome]:
    path = options.out / RESULTS
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a kill may cut off the last
    outcomes = [Outcome(**json.loads(line)) for line in lines if line]
    return {outcome.key: outcome for outcome in outcomes if outcome.seed == options.seed}


def _try(trial: Trial, options: Options) -> Outcome:
    folder = options.out / trial.key
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.monotonic()
    faults = trial.run(folder)
    seconds = round(time.monotonic() - begun, 2)
    if not faults:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{trial.key}: {seconds:.1f} s, {len(faults)} faults in {trial.times}", flush=True)
    for fault in faults[:FAULTS_SHOWN]:
        print(f"  {fault}", flush=True)
    command = f"python tools/stress.py {options.subject} --seed {options.seed} --only {trial.key}"
    return Outcome(trial.what, trial.key, options.seed, faults, seconds, trial.times, command)
