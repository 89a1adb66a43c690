"""Run the experiments of docs/evidence.md, one probe grid for every data set and setting.

Each grid is a call of tools/probe.py, which continues where it was interrupted; the order is that
of the plan. The command of each grid is in its folder and is printed.

    python tools/benchmark.py evidence --people weizmann=FILE --root weizmann=PATH --weights FILE
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

SETS = ("weizmann", "ut_interaction", "jhmdb", "sample")
COMMON = (
    "model.backbone=timm/tf_efficientnet_lite0",
    "model.freeze_until=image.blocks.6",
    "model.focus.at=image.blocks.6",
    "data.clip.num_frames=8",
    "data.clip.sampling=segment",
    "data.crop.padding=mean",
    "eval.num_clips=1",
    "train.cache_features=true",
)
OF_SET = {
    "weizmann": ("train.cache_views=4",),
    "ut_interaction": ("train.cache_views=4",),
    "jhmdb": ("train.cache_views=2", "train.cache_precision=bf16"),
    "sample": (
        "data.crop.size=224",
        "train.cache_views=2",
        "train.epochs=40",
        "model.weights=imagenet",
        "model.temporal=difference",
        "model.dropout=0.5",
        "model.focus.min_scale=0.2",
        "optim.lr=1.0e-3",
        "optim.weight_decay=0.05",
        "optim.label_smoothing=0.1",
        "eval.shuffled_theta=false",
    ),
}
"""What makes the four sets equal where their configurations differ."""
CONFIGS = {name: f"configs/{name}_st.yaml" for name in SETS}
SEEDS = {"weizmann": 5, "ut_interaction": 5, "jhmdb": 3, "sample": 5}
READOUTS = "mean,tiles,max,foreground,saliency,attention,windows"
ALL_ARMS = (
    "--readouts", READOUTS, "--relative-lr", "1e-3,1e-4,1e-5",
    "--variant", "windows_no_branch_loss:readout=windows,branch_loss=0,optim.relative_lr=1e-3",
)  # fmt: skip
ONE_RATE = ("--readouts", READOUTS, "--relative-lr", "1e-3")
FEW_ARMS = ("--readouts", "mean,tiles,foreground,attention,windows", "--relative-lr", "1e-3")
"""Of constant looseness, with three seeds: see the changes listed in docs/evidence.md."""
IMPROVEMENTS = (
    "replicate:readout=windows,localization_padding=replicate",
    "per_step:readout=windows,theta_per=step",
    "smoothed:readout=windows,theta_per=step,theta_smoothing=3",
    "heatmap:readout=windows,localization=heatmap",
    "diversity:readout=windows,diversity_loss=1",
    "foreground_start:readout=windows,start=foreground",
)
KEPT = (
    "kept:readout=windows,localization=heatmap,theta_per=step,theta_smoothing=3,"
    "optim.relative_lr=1e-3"
)
"""What raised the inner accuracy on both sets, tested on the test clips of all."""
TWICE_THE_RESOLUTION = ("train.cache_at=image.blocks.4", "model.focus.at=image.blocks.4")


class Grid(NamedTuple):
    """One call of tools/probe.py."""

    data_set: str
    name: str
    """Of the folder, below the data set's."""
    overrides: tuple[str, ...]
    options: tuple[str, ...]
    """Of the probe."""
    seeds: int = 0
    """Their number; 0: that of the data set."""


def grids() -> Iterator[Grid]:
    """Yield all grids in the order of the plan."""
    yield from _box_errors("strong")
    yield from _box_errors("none")
    yield from _box_errors("mild")
    yield from _learning_curves()
    yield from _improvements()
    yield from _kept()
    yield from _constant_looseness()
    for name in ("weizmann", "ut_interaction"):
        strong = (*_errors("strong"), *TWICE_THE_RESOLUTION, f"data.crop.beyond={_beyond(name)}")
        yield Grid(name, "twice_the_resolution", strong, ONE_RATE)


def _box_errors(errors: str) -> Iterator[Grid]:
    for name in SETS:
        beyond = _beyond(name)
        overrides = (*_errors(errors), f"data.crop.beyond={beyond}")
        yield Grid(name, f"errors_{errors}", overrides, ONE_RATE if errors == "mild" else ALL_ARMS)
        if beyond == "scene" and errors != "none":
            overrides = (*_errors(errors), "data.crop.beyond=fit")
            yield Grid(name, f"errors_{errors}_fit", overrides, ONE_RATE)


def _learning_curves() -> Iterator[Grid]:
    readouts = ("--readouts", "mean,attention,windows", "--relative-lr", "1e-3")
    for name in ("ut_interaction", "jhmdb"):
        for count in (2, 5):
            overrides = (*_errors("strong"), f"data.crop.beyond={_beyond(name)}")
            options = (*readouts, "--per-class", str(count))
            yield Grid(name, f"{count}_per_class", overrides, options)


def _improvements() -> Iterator[Grid]:
    """Yield what may improve windows, judged on groups held out of the training folds."""
    inner = ("--on", "inner", "--relative-lr", "1e-3", "--against", "windows")
    variants = [word for one in IMPROVEMENTS for word in ("--variant", one)]
    for name in ("weizmann", "ut_interaction"):
        strong = (*_errors("strong"), f"data.crop.beyond={_beyond(name)}")
        options = ("--readouts", "windows,tiles,attention", *variants, *inner)
        yield Grid(name, "improvements", strong, options, 3)
        longer, windows = (*strong, "train.epochs=80"), ("--readouts", "windows", *inner)
        yield Grid(name, "improvements_twice_the_steps", longer, windows, 3)


def _kept() -> Iterator[Grid]:
    """Yield the kept combination alone: its rivals are in the grids of the same boxes."""
    options = ("--readouts", "", "--variant", KEPT, "--against", "kept")
    for name in SETS:
        for errors in ("strong", "none"):
            overrides = (*_errors(errors), f"data.crop.beyond={_beyond(name)}")
            yield Grid(name, f"kept_errors_{errors}", overrides, options)


def _constant_looseness() -> Iterator[Grid]:
    yield Grid(
        "ut_interaction", "loose_1_black",
        ("data.crop.looseness=1", "data.crop.beyond=pad", "data.crop.padding=black"), FEW_ARMS, 3,
    )  # fmt: skip
    for looseness in ("1", "0.5", "0.25", "2"):
        for name in ("weizmann", "ut_interaction", "jhmdb"):
            if looseness == "2" and name != "weizmann":
                continue
            for beyond in ("fit", "pad", *(["scene"] if name == "ut_interaction" else [])):
                overrides = (f"data.crop.looseness={looseness}", f"data.crop.beyond={beyond}")
                yield Grid(name, f"loose_{looseness}_{beyond}", overrides, FEW_ARMS, 3)


def _errors(name: str) -> tuple[str, str]:
    return "data.crop.looseness=0", f"data.crop.box_error={name}"


def _beyond(data_set: str) -> str:
    """Return what lies beyond the frame; the clips of UT-Interaction are cut to their people."""
    return "scene" if data_set == "ut_interaction" else "fit"


def command_of(grid: Grid, out: Path, own: Sequence[str]) -> list[str]:
    """Return the command of a grid.

    Args:
        grid: the experiment.
        out: folder of all experiments.
        own: `key=value`, where the data and weights are.
    """
    seeds = [str(seed) for seed in range(grid.seeds or SEEDS[grid.data_set])]
    overrides = [*COMMON, *OF_SET[grid.data_set], *grid.overrides, *own]
    return [
        sys.executable, "tools/probe.py", CONFIGS[grid.data_set], *grid.options, "--seeds", *seeds,
        "--out", str(out / grid.data_set / grid.name), *overrides,
    ]  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Parse arguments, then run every grid that is not finished."""
    run_grids(grids(), arguments, prog="benchmark.py evidence", description=__doc__)


def run_grids(
    planned: Iterable[Grid], arguments: Sequence[str], *, prog: str, description: str | None
) -> None:
    """Run the probe of every grid that the arguments ask for and that is not finished.

    Args:
        planned: all grids of a plan.
        arguments: of the command line.
        prog: name of the benchmark.
        description: of its help.
    """
    parser = argparse.ArgumentParser(description=description, prog=prog)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--only", nargs="+", metavar="GRID", help="names of grids")
    parser.add_argument("--root", nargs="+", default=[], metavar="SET=PATH")
    parser.add_argument("--people", nargs="+", default=[], metavar="SET=FILE")
    parser.add_argument("--weights", metavar="FILE", help="default: downloaded")
    parser.add_argument("--out", type=Path, default=Path("runs") / prog.split()[-1])
    parser.add_argument("--jobs", type=int, default=1, help="grids at a time, a thread each")
    parser.add_argument("--list", action="store_true", help="print the commands only")
    options = parser.parse_args(arguments)
    wanted = [
        grid
        for grid in planned
        if grid.data_set in options.sets and (not options.only or grid.name in options.only)
    ]
    commands = [command_of(grid, options.out, _own(grid.data_set, options)) for grid in wanted]
    if options.list:
        for command in commands:
            sys.stdout.write(f"{shlex.join(command)}\n")
        return
    with ThreadPoolExecutor(options.jobs) as pool:
        statuses = list(pool.map(_run, commands))
    if any(statuses):
        sys.exit(f"{sum(map(bool, statuses))} of {len(statuses)} grids failed; see their output")


def _own(data_set: str, options: argparse.Namespace) -> list[str]:
    own = [f"model.weights={options.weights}"] if options.weights else []
    for key in ("root", "people"):
        given = dict(entry.split("=", 1) for entry in getattr(options, key))
        if data_set in given:
            own.append(f"data.{key}={given[data_set]}")
    return own


def _run(command: list[str]) -> int:
    sys.stdout.write(f"{shlex.join(command)}\n")
    sys.stdout.flush()
    return subprocess.run(
        command, env={"OMP_NUM_THREADS": "1", **os.environ}, check=False
    ).returncode
