"""Train the networks of the spatial transformer paper on distorted MNIST, and print its table.

Each cell (distortion, network, seed) is a run of tools/train.py in a folder of its own. A cell that
is finished is not repeated, one that was interrupted continues. The full schedule is the paper's;
--short is for a CPU: fewer steps, with momentum, in bf16 where the processor has it.

    python tools/benchmark.py paper_mnist --root data/mnist --short --out runs/paper_mnist
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch

SIZES = {"R": 28, "RTS": 42, "P": 28, "E": 28, "TC": 60}
HALVED = ("RTS", "TC")
"""Of these a transformer's output is averaged over 2 x 2 pixels."""
TRANSFORMS = {"affine": "affine", "projective": "projective", "tps": "tps"}
NETWORKS = (
    "fcn", "cnn", *(f"st_{kind}_{name}" for kind in ("fcn", "cnn") for name in TRANSFORMS)
)  # fmt: skip
THREE_SEEDS = ("cnn", "st_cnn_affine")
SHORT = (
    "train.max_steps=3000", "train.epochs=13", "train.eval_interval=13", "optim.momentum=0.9",
    "train.precision=bf16",
)  # fmt: skip
PAPER = {
    "fcn": {"R": 2.1, "RTS": 5.2, "P": 3.1, "E": 3.2, "TC": 13.2},
    "cnn": {"R": 1.2, "RTS": 0.8, "P": 1.5, "E": 1.4, "TC": 3.5},
    "st_fcn_affine": {"R": 1.2, "RTS": 0.8, "P": 1.5, "E": 2.7, "TC": 2.0},
    "st_fcn_projective": {"R": 1.3, "RTS": 0.9, "P": 1.4, "E": 2.6},
    "st_fcn_tps": {"R": 1.1, "RTS": 0.8, "P": 1.4, "E": 2.4},
    "st_cnn_affine": {"R": 0.7, "RTS": 0.5, "P": 0.8, "E": 1.2, "TC": 1.7},
    "st_cnn_projective": {"R": 0.8, "RTS": 0.6, "P": 0.8, "E": 1.3},
    "st_cnn_tps": {"R": 0.7, "RTS": 0.5, "P": 0.8, "E": 1.1},
}
"""The paper's errors in percent (tables 1 and, of TC, section 4.1)."""
ADDITION = "SUM"
PAPER_OF_SUMS = {"fcn": 47.7, "cnn": 14.7, "st_fcn": 22.6, "2st_fcn": 9.0}
"""The same of MNIST addition, with one and two affine transformers (appendix A.5)."""


class Cell(NamedTuple):
    """One training run."""

    distortion: str
    network: str
    seed: int

    def folder(self, out: Path) -> Path:
        """Return its folder."""
        return out / self.distortion / f"{self.network}_seed{self.seed}"


def cells(distortions: Sequence[str], networks: Sequence[str]) -> Iterator[Cell]:
    """Yield all cells, the first seed of all networks before the others; sums last."""
    for seed in range(3):
        for distortion in distortions:
            for network in networks if distortion != ADDITION else ():
                if seed == 0 or network in THREE_SEEDS:
                    yield Cell(distortion, network, seed)
    if ADDITION in distortions:
        yield from (Cell(ADDITION, network, 0) for network in PAPER_OF_SUMS)


def command_of(cell: Cell, out: Path, own: Sequence[str]) -> list[str]:
    """Return the command that trains a cell, or goes on with it.

    Args:
        cell: which.
        out: folder of all.
        own: `key=value` of all cells.
    """
    folder = cell.folder(out)
    config, settings = _sum_of(cell) if cell.distortion == ADDITION else _digit_of(cell)
    settings = [*settings, f"train.seed={cell.seed}", *own]
    return training_command(config, folder, settings)


def training_command(config: str, folder: Path, settings: Sequence[str]) -> list[str]:
    """Return the command that trains a run in a folder, or goes on with it.

    Args:
        config: the YAML file.
        folder: of the run.
        settings: `key=value`.
    """
    words = [sys.executable, "tools/train.py", config, *settings, f"train.output_dir={folder}"]
    return [*words, "--resume"] if (folder / "last.pt").is_file() else words


def _sum_of(cell: Cell) -> tuple[str, list[str]]:
    return f"configs/paper/mnist_addition_{cell.network}.yaml", []


def _digit_of(cell: Cell) -> tuple[str, list[str]]:
    size = SIZES[cell.distortion]
    kind, _, transform = cell.network.removeprefix("st_").partition("_")
    half = "_half" if transform and cell.distortion in HALVED else ""
    settings = [
        f"data.distortion={cell.distortion}", f"data.crop.size={size}",
        f"model.backbone=digits/{kind}_{size}{half}",
    ]  # fmt: skip
    if transform:
        settings.append(f"model.focus.transform={TRANSFORMS[transform]}")
    return f"configs/paper/mnist_{'st_' if transform else ''}{kind}.yaml", settings


def error_of(folder: Path) -> float | None:
    """Return the test error in percent; None if the run is not finished."""
    path = folder / "test.json"
    if not path.is_file():
        return None
    return 100 * (1 - json.loads(path.read_text(encoding="utf-8"))["top1"])


def errors_text(folders: Sequence[Path]) -> str:
    """Return mean and deviation of the errors of the runs that are finished."""
    errors = [error for folder in folders if (error := error_of(folder)) is not None]
    values = torch.tensor(errors, dtype=torch.float64)
    text = f"{values.mean():.2f}" if errors else "–"
    return text + (f" ± {values.std():.2f}" if len(errors) > 1 else "")


def table(out: Path) -> Iterator[str]:
    """Yield the lines of the table: error in percent, in parentheses the paper's."""
    yield "| network | " + " | ".join(SIZES) + " |"
    yield "|" + " --- |" * (1 + len(SIZES))
    for network in NETWORKS:
        entries = []
        for distortion in SIZES:
            folders = [Cell(distortion, network, seed).folder(out) for seed in range(3)]
            text = errors_text(folders)
            paper = PAPER[network].get(distortion)
            entries.append(text if paper is None else f"{text} ({paper})")
        yield f"| {network} | " + " | ".join(entries) + " |"
    yield ""
    yield "| MNIST addition | error |"
    yield "| --- | --- |"
    for network, paper in PAPER_OF_SUMS.items():
        error = error_of(Cell(ADDITION, network, 0).folder(out))
        yield f"| {network} | {'–' if error is None else f'{error:.2f}'} ({paper}) |"


def main(arguments: Sequence[str]) -> None:
    """Parse arguments, train what is not finished, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmark.py paper_mnist")
    parser.add_argument("--root", default="data/mnist", help="of MNIST (default: data/mnist)")
    parser.add_argument("--out", type=Path, default=Path("runs/paper_mnist"))
    parser.add_argument("--short", action="store_true", help="3,000 steps in place of 150,000")
    every = [*SIZES, ADDITION]
    parser.add_argument("--distortions", nargs="+", choices=every, default=every)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--list", action="store_true", help="print the commands only")
    options = parser.parse_args(arguments)
    own = [f"data.root={options.root}", *(SHORT if options.short else ())]
    wanted = [
        cell
        for cell in cells(options.distortions, options.networks)
        if error_of(cell.folder(options.out)) is None
    ]
    commands = [command_of(cell, options.out, own) for cell in wanted]
    if options.list:
        sys.stdout.writelines(f"{shlex.join(command)}\n" for command in commands)
        return
    with ThreadPoolExecutor(options.jobs) as pool:
        statuses = list(pool.map(lambda one: subprocess.run(one, check=False).returncode, commands))
    sys.stdout.writelines(f"{line}\n" for line in table(options.out))
    if any(statuses):
        sys.exit(f"{sum(map(bool, statuses))} of {len(statuses)} cells failed; see their output")
