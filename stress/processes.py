"""Several processes by torchrun: what one gives, a killed one ends all, resumed by any number.

Trained with two and three processes, with batches that they share unevenly, weights, metrics and
predictions must be those of one process up to rounding; the network has frozen batch norm and no
dropout, which would draw other numbers in each process. A process is killed at a random moment: all
must end within seconds, and the run is resumed by another number of processes.
"""

import contextlib
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stress import jobs
from stress.compared import broken_checkpoints, metrics_of, unlike_run
from stress.sample import write_sample, write_settings
from stress.tool_process import ROOT, Ended, ToolProcess, kill_group, run_tool
from stress.trials import Outcome, Trial, options_of, run_trials, subject_parser

TOLERANCE = 2e-4
"""Relative, of weights and numbers after some steps of which each is rounded otherwise."""
ENDING = 40.0
"""Seconds in which all processes must end after one was killed."""
SECONDS = 180.0


def main(arguments: Sequence[str]) -> list[Outcome]:
    """Parse, try, print a table; return the outcomes."""
    parser = subject_parser("processes", __doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each number (default: 3)")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[2, 3], help="numbers of them (default: 2 3)"
    )
    parser.add_argument(
        "--launcher",
        choices=("torchrun", "fork"),
        default="torchrun",
        help="of the processes that are compared with one; fork starts them as torchrun does, "
        "without importing the package in each (default: torchrun)",
    )
    parsed = parser.parse_args(arguments)
    options = options_of(parsed)
    trials = _trials(options.out, options.seed, parsed.runs, parsed.processes, parsed.launcher)
    return run_trials(trials, options)


def _trials(
    out: Path, seed: int, runs: int, numbers: Sequence[int], launcher: str
) -> Iterator[Trial]:
    for number in numbers:
        for run in range(runs):
            what = f"{number} processes against one"
            trial = partial(_against_one, out, seed + run, number, launcher)
            yield Trial(what, f"equal/{number}/{run}", trial)
    for run in range(2 * runs):
        before = numbers[run % len(numbers)]
        after = [1, *numbers][run % (1 + len(numbers))]
        what = f"one of {before} processes killed, resumed by {after}"
        trial = partial(_kill_one, out, seed + run, before, after)
        yield Trial(what, f"killed/{run}", trial)


def _against_one(
    out: Path, seed: int, processes: int, launcher: str, folder: Path
) -> list[str]:  # fmt: skip
    ended = (train if launcher == "torchrun" else _train_forked)(folder, out, seed, processes)
    if faults := ended.faults(0):
        return faults
    return unlike_run(folder / "run", _reference(out, seed), tolerance=TOLERANCE)


def _kill_one(out: Path, seed: int, processes: int, after: int, folder: Path) -> list[str]:
    reference = _reference(out, seed)
    draw = random.Random(f"{seed} {processes} {after}")
    process = start(folder, out, seed, processes)
    _wait_for_epoch(folder, process)
    time.sleep(draw.random())
    ranks = _children(process.pid)
    if not ranks or process.poll() is not None:
        return [f"it ended before it could be killed: {_end(process, folder, 5).last_line()}"]
    os.kill(draw.choice(ranks), signal.SIGKILL)
    ended = _end(process, folder, ENDING)
    if ended.status is None:
        return [f"the others live {ENDING:g} s after a process was killed"]
    faults = broken_checkpoints(folder / "run")
    if ended.status == 0:
        faults.append("exit status 0 though a process was killed")
    faults += [f"rank {rank} lives on" for rank in ranks if Path(f"/proc/{rank}/stat").exists()]
    resumed = train(folder, out, seed, after)
    if faults := faults + resumed.faults(0):
        return faults
    return unlike_run(folder / "run", reference, tolerance=TOLERANCE)


def _reference(out: Path, seed: int) -> Path:
    """Return the folder of an undisturbed run of one process."""
    folder = out / f"one{seed}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        ended = train(folder, out, seed, 1)
        if ended.status != 0:
            raise RuntimeError(f"the undisturbed run fails: {ended.output}")
        (folder / "done").touch()
    return folder / "run"


def train(folder: Path, out: Path, seed: int, processes: int) -> Ended:
    """Train to the end, or resume, with a number of processes."""
    if processes == 1:
        words = [_settings(folder, out, seed), *jobs.resume_word(folder / "run")]
        return run_tool("train", words, folder, seconds=SECONDS)
    return _end(start(folder, out, seed, processes), folder, SECONDS)


def _train_forked(folder: Path, out: Path, seed: int, processes: int) -> Ended:
    """Train to the end with processes that are given what torchrun gives them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [_settings(folder, out, seed)]
    group = [
        ToolProcess("train", words, folder, before=RankVariables(rank, processes, port))
        for rank in range(processes)
    ]
    ended = [process.wait(SECONDS) for process in group]
    return next((one for one in ended if one.status != 0), ended[0])


@dataclass(frozen=True)
class RankVariables:
    """Set the variables by which torchrun tells a process its number."""

    rank: int
    processes: int
    port: int

    def __call__(self) -> None:
        """Set them in this process."""
        os.environ.update(
            RANK=str(self.rank), LOCAL_RANK=str(self.rank), WORLD_SIZE=str(self.processes),
            LOCAL_WORLD_SIZE=str(self.processes), MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(self.port),
        )  # fmt: skip


def start(folder: Path, out: Path, seed: int, processes: int) -> "subprocess.Popen[bytes]":
    """Start or resume a training with a number of processes; what it prints goes to a file."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    config = _settings(folder, out, seed)
    words = [*launcher, "tools/train.py", str(config), *jobs.resume_word(folder / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    (folder / "command").write_text(shlex.join(["python", *words]))
    with (folder / "printed.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def _settings(folder: Path, out: Path, seed: int) -> Path:
    data = write_sample(out / "data", train=8)
    settings = jobs.training_settings(
        data, folder, f"train.seed={seed}", "train.epochs=6", "train.batch_size=5",
        "model.freeze_until=stage3", "model.dropout=0",
        "optim={name: sgd, lr: 0.02, relative_lr: 1e-3}",
    )  # fmt: skip
    return write_settings(folder / "settings.yaml", settings)


def _end(process: "subprocess.Popen[bytes]", folder: Path, seconds: float) -> Ended:
    status: int | None = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(seconds)
    kill_group(process.pid)
    process.wait()
    output = (folder / "printed.log").read_text(errors="replace")
    return Ended((folder / "command").read_text(), status, output)


def _wait_for_epoch(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until an epoch is logged, or the run has ended."""
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if (folder / "run/metrics.jsonl").exists() and metrics_of(folder / "run"):
            return
        time.sleep(0.02)


def _children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(word) for word in text.split()]
