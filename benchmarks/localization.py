"""Compare localization networks: what the notes of this project ask for, put to the test.

On distorted digits each cell (distortion, arm, seed) is a run of tools/train.py in a folder of its
own; on Weizmann all arms are two calls of tools/probe.py. What is finished is not repeated. The
plan is in docs/paper.md.

    python tools/benchmark.py localization --root data/mnist --out runs/localization
    python tools/benchmark.py localization --video --root PATH --people FILE --weights FILE
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.evidence import COMMON, CONFIGS, OF_SET
from benchmarks.paper_mnist import error_of, errors_text, training_command

DISTORTIONS = {"RTS": 42, "TC": 60}
"""Distortions and the sides of their canvases."""
SEEN = {"RTS": 21, "TC": 20}
"""Sides of what localization networks see of the canvas; the paper's own halve it themselves."""
SEEDS = (0, 1, 2)
RATES = ("1", "1e-1", "1e-2", "1e-3", "1e-4", "1e-5")
SCHEDULE = (
    "train.max_steps=1000", "train.epochs=3", "train.eval_interval=3", "train.batch_size=128",
    "train.precision=bf16", "optim.momentum=0.9", "eval.shuffled_theta=true",
)  # fmt: skip
KERNELS = {3: 19, 5: 11, 7: 8, 9: 6}
"""Sides of the two kernels, and the channels that make their parameters equal."""
PRETRAINING = "pretraining"
COPIED = "localization_stages=[image.blocks.6]"
"""The stage of the trunk that the localization network is made of, on videos."""
BEFORE_COPIED = ("train.cache_at=image.blocks.5", "model.focus.at=image.blocks.5")
START_RATES = ("1e-2", "1e-3")


def digit_arms() -> dict[str, list[str]]:
    """Return the settings of each arm on digits."""
    grid = ["model.focus.localization=grid", "model.focus.gain=1"]
    arms = {f"kernels {side}": [*grid, *_kernels(side)] for side in KERNELS}
    arms["pooled globally"] = [*grid, *_kernels(7), "model.focus.localization_grid=1"]
    for rate in RATES:
        rated = [*_kernels(7), f"optim.relative_lr={rate}"]
        if rate != "1":  # that is "kernels 7"
            arms[f"plain, rate {rate}"] = [*grid, *rated]
        arms[f"equalized, rate {rate}"] = [grid[0], "model.focus.gain=auto", *rated]
    arms["as in the paper"] = []
    arms["pretrained on the digits"] = []  # of `localization_weights`
    return arms


def video_commands(out: Path, own: Sequence[str]) -> list[list[str]]:
    """Return the probes of all arms on Weizmann with strong box errors.

    Args:
        out: folder.
        own: `key=value`, where data and weights are.
    """
    return [_rules_command(out / "rules", own), _start_command(out / "start", own)]


def _rules_command(out: Path, own: Sequence[str]) -> list[str]:
    """Return the probe of kernels, pooling and rates."""
    variants = {
        f"kernels_{side}": f"localization_kernels=[{side}, {side}],localization_channels={width}"
        for side, width in KERNELS.items()
    }
    variants["pooled_globally"] = "localization_grid=1"
    variants |= {f"plain_{rate}": f"gain=1,optim.relative_lr={rate}" for rate in RATES}
    words = [
        word for name, settings in variants.items()
        for word in ("--variant", f"{name}:readout=windows,{settings}")
    ]  # fmt: skip
    return _probe([*words, "--against", "tiles"], "windows,tiles", ",".join(RATES), out, own)


def _start_command(out: Path, own: Sequence[str]) -> list[str]:
    """Return the probe of pretrained and random localization networks, of the trunk's stages."""
    words = []
    for name, pretrained in {"pretrained": "true", "random": "false"}.items():
        for rate in START_RATES:
            words += [
                "--variant", f"{name}_{rate}:readout=windows,localization=trunk,motion=false,"
                f"{COPIED},localization_pretrained={pretrained},optim.relative_lr={rate}",
            ]  # fmt: skip
    own = [*BEFORE_COPIED, *own]
    return _probe([*words, "--against", "windows"], "windows", "1e-3", out, own)


def _probe(
    words: Sequence[str], readouts: str, rates: str, out: Path, own: Sequence[str]
) -> list[str]:
    return [
        sys.executable, "tools/probe.py", CONFIGS["weizmann"], "--readouts", readouts,
        "--relative-lr", rates, *words, "--seeds", *map(str, SEEDS), "--out", str(out), *COMMON,
        *OF_SET["weizmann"], "data.crop.looseness=0", "data.crop.box_error=strong",
        "data.crop.beyond=fit", *own,
    ]  # fmt: skip


def _kernels(side: int) -> list[str]:
    return [
        f"model.focus.localization_kernels=[{side}, {side}]",
        f"model.focus.localization_channels={KERNELS[side]}",
    ]


def _folder(out: Path, distortion: str, arm: str, seed: int) -> Path:
    return out / distortion / f"{arm.replace(', ', '_').replace(' ', '_')}_seed{seed}"


def _digit_command(
    out: Path, distortion: str, arm: str, seed: int, own: Sequence[str]
) -> list[str]:
    size, folder = DISTORTIONS[distortion], _folder(out, distortion, arm, seed)
    settings = [f"data.distortion={distortion}", f"data.crop.size={size}", f"train.seed={seed}"]
    if arm == PRETRAINING:
        config, settings = "mnist_cnn", [*settings, f"model.backbone=digits/loc_{size}"]
    else:
        config = "mnist_st_cnn"
        settings += [f"model.backbone=digits/cnn_{size}_half", *digit_arms()[arm]]
        if any("localization=grid" in setting for setting in settings):
            settings.append(f"model.focus.localization_size={SEEN[distortion]}")
    if arm == "pretrained on the digits":
        weights = _folder(out, distortion, PRETRAINING, seed) / "last.pt"
        settings.append(f"model.focus.localization_weights={weights}")
    settings = [*settings, *SCHEDULE, *own]
    return training_command(f"configs/paper/{config}.yaml", folder, settings)


def table(out: Path) -> Iterator[str]:
    """Yield the lines of the table of digits: error in percent, mean and deviation of the seeds."""
    yield "| arm | " + " | ".join(DISTORTIONS) + " |"
    yield "|" + " --- |" * (1 + len(DISTORTIONS))
    for arm in digit_arms():
        entries = []
        for distortion in DISTORTIONS:
            folders = [_folder(out, distortion, arm, seed) for seed in SEEDS]
            entries.append(errors_text(folders))
        yield f"| {arm} | " + " | ".join(entries) + " |"


def main(arguments: Sequence[str]) -> None:
    """Parse arguments, train what is not finished, print the table of digits."""
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmark.py localization")
    parser.add_argument("--root", help="of MNIST (default: data/mnist), or of Weizmann")
    parser.add_argument("--people", help="of Weizmann")
    parser.add_argument("--weights", help="of the trunk; default: downloaded")
    parser.add_argument("--video", action="store_true", help="Weizmann in place of digits")
    parser.add_argument("--out", type=Path, default=Path("runs/localization"))
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--list", action="store_true", help="print the commands only")
    options = parser.parse_args(arguments)
    given = {"data.root": options.root, "data.people": options.people}
    own = [f"{key}={value}" for key, value in given.items() if value is not None]
    if options.weights:
        own.append(f"model.weights={options.weights}")
    stages = [video_commands(options.out, own)] if options.video else _digits(options.out, own)
    for commands in stages:
        if options.list:
            sys.stdout.writelines(f"{shlex.join(command)}\n" for command in commands)
            continue
        with ThreadPoolExecutor(options.jobs) as pool:
            statuses = list(pool.map(_status, commands))
        if any(statuses):
            sys.exit(f"{sum(map(bool, statuses))} of {len(statuses)} failed; see their output")
    if not options.video and not options.list:
        sys.stdout.writelines(f"{line}\n" for line in table(options.out))


def _digits(out: Path, own: Sequence[str]) -> list[list[list[str]]]:
    """Return the commands of all cells that are not finished, those of the pretraining first."""
    return [
        [
            _digit_command(out, distortion, arm, seed, own)
            for seed in SEEDS
            for distortion in DISTORTIONS
            for arm in arms
            if error_of(_folder(out, distortion, arm, seed)) is None
        ]
        for arms in ([PRETRAINING], digit_arms())
    ]


def _status(command: list[str]) -> int:
    return subprocess.run(command, check=False).returncode
