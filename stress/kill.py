"""Runs and jobs that are killed and continued end with what an undisturbed one gives.

Training is killed once at a random moment, again and again until it ends, and at every step of
saving a checkpoint; weights, optimizer, metrics and predictions are compared bit for bit. Jobs over
many videos (check, detect, re-encode, the filling of a feature cache) likewise. No process may
live on.
"""

import io
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from stress import jobs
from stress.compared import broken_checkpoints, unlike_run
from stress.sample import write_sample, write_settings
from stress.tool_process import Ended, ToolProcess, run_tool
from stress.trials import Outcome, Trial, options_of, run_trials, subject_parser

POINTS = (
    "half of the file written",
    "before fsync",
    "after fsync",
    "before replace",
    "after replace",
)
"""Where saving a checkpoint is stopped."""
TRIES = 8
"""How often a run is started until it is killed before its end."""


def main(arguments: Sequence[str]) -> list[Outcome]:
    """Parse, try, print a table; return the outcomes."""
    parser = subject_parser("kill", __doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each kind (default: 20)")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[0, 2], help="data.num_workers (default: 0 2)"
    )
    parsed = parser.parse_args(arguments)
    options = options_of(parsed)
    run = TrainingRun(options.out, options.seed)
    return run_trials(_trials(run, parsed.kills, parsed.workers), options)


def _trials(run: "TrainingRun", kills: int, workers: Sequence[int]) -> Iterator[Trial]:
    for number in range(kills):
        for count in workers:
            what = f"training killed at a random moment and resumed, {count} workers"
            yield Trial(what, f"once/{count}/{number}", partial(run.kill_once, count, number))
    for number in range(max(1, kills // 10)):
        for count in workers:
            what = f"training killed again and again until it ends, {count} workers"
            yield Trial(what, f"often/{count}/{number}", partial(run.kill_often, count, number))
    for number in range(kills):
        what = "training killed inside the saving of a checkpoint and resumed"
        yield Trial(what, f"saving/{number}", partial(run.kill_saving, number))
    for number in range(max(1, kills // 4)):
        for job in (*jobs.JOBS, *(jobs.POOLED_JOBS if number == 1 else ())):
            what = f"{job.what} killed again and again until it ends"
            yield Trial(what, f"{job.name}/{number}", partial(_kill_job, job, run.out, number))


@dataclass
class TrainingRun:
    """A short training, and what it gives when nothing disturbs it."""

    out: Path
    seed: int
    seconds: float = 0.0
    """How long it takes."""

    def config(self, folder: Path, workers: int) -> Path:
        """Write the settings of a run into a folder."""
        data = write_sample(self.out / "data", train=8, seed=self.seed)
        settings = jobs.training_settings(data, folder, f"data.num_workers={workers}")
        return write_settings(folder / f"workers{workers}.yaml", settings)

    def reference(self) -> Path:
        """Return the folder of the undisturbed run."""
        folder = self.out / "reference"
        if not (folder / "done").exists() or not self.seconds:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            run_tool("check_videos", ["--help"], folder)  # the first start imports the package
            begun = time.monotonic()
            ended = run_tool("train", [self.config(folder, 0)], folder)
            self.seconds = time.monotonic() - begun
            if ended.status != 0:
                raise RuntimeError(f"the undisturbed run fails: {ended.output}")
            (folder / "done").touch()
        return folder / "run"

    def kill_once(self, workers: int, number: int, folder: Path) -> list[str]:
        """Kill at a random moment, then resume."""
        self.reference()
        draw = random.Random(f"{self.seed} once {workers} {number}")
        share = draw.random()
        for _ in range(TRIES):
            ended, faults = self._killed(folder, workers, share * self.seconds * (1 + workers))
            if ended.killed or faults:
                break
            share /= 2
            shutil.rmtree(folder / "run")
        else:
            return [f"it ended {TRIES} times before it could be killed"]
        return faults + self._resume(folder, workers)

    def kill_often(self, workers: int, number: int, folder: Path) -> list[str]:
        """Kill again and again, soon after the start, until the run ends before it is killed."""
        self.reference()
        draw = random.Random(f"{self.seed} often {workers} {number}")
        limit = time.monotonic() + 120
        kills = 0
        while time.monotonic() < limit:
            seconds = self.seconds * (1 + workers) * draw.uniform(0.2, 0.6)
            ended, faults = self._killed(folder, workers, seconds)
            if faults:
                return faults
            if not ended.killed:
                return ended.faults(0) + unlike_run(folder / "run", self.reference())
            kills += 1
        return [f"killed {kills} times it makes no progress"]

    def kill_saving(self, number: int, folder: Path) -> list[str]:
        """Stop a run at a step of saving, then resume."""
        reference = self.reference()
        draw = random.Random(f"{self.seed} saving {number}")
        point, save = (
            POINTS[number % len(POINTS)],
            1 if number < len(POINTS) else draw.randint(1, 5),
        )
        config = self.config(folder, 0)
        stopped = ToolProcess("train", [config], folder, before=Stop(point, save)).wait(120)
        if not stopped.killed:
            return [f"it was not stopped at save {save}, {point}", *stopped.faults(0)]
        faults = broken_checkpoints(folder / "run")
        resumed = run_tool("train", [config, *jobs.resume_word(folder / "run")], folder)
        if faults := faults + resumed.faults(0):
            return faults
        return unlike_run(folder / "run", reference)

    def _killed(self, folder: Path, workers: int, seconds: float) -> tuple[Ended, list[str]]:
        """Start or resume a run, kill it after some time; return its end and what is wrong then."""
        config = self.config(folder, workers)
        process = ToolProcess("train", [config, *jobs.resume_word(folder / "run")], folder)
        process.process.join(seconds)
        process.kill()
        ended = process.wait(10)
        faults = [] if ended.killed else ended.faults(0)
        return ended, faults + process.left_behind() + broken_checkpoints(folder / "run")

    def _resume(self, folder: Path, workers: int) -> list[str]:
        config = self.config(folder, workers)
        ended = run_tool("train", [config, *jobs.resume_word(folder / "run")], folder)
        return ended.faults(0) or unlike_run(folder / "run", self.reference())


def _kill_job(job: jobs.Job, out: Path, number: int, folder: Path) -> list[str]:
    """Kill a job again and again, then compare with an undisturbed one."""
    draw = random.Random(f"{job.name} {number}")
    data = write_sample(out / "data", train=8)
    reference, seconds = jobs.reference(job, out, data)
    for _ in range(TRIES):
        process = ToolProcess(job.tool, job.arguments(data, folder, folder), folder)
        process.process.join(seconds * draw.uniform(0.1, 0.9))
        process.kill()
        ended = process.wait(10)
        if faults := process.left_behind() + ([] if ended.killed else ended.faults(0)):
            return faults
        if not ended.killed:
            break
    ended = run_tool(job.tool, job.arguments(data, folder, folder), folder)
    return ended.faults(0) or job.unlike(folder, reference)


@dataclass(frozen=True)
class Stop:
    """Kill this process at a step of its n-th save of a checkpoint."""

    point: str
    save: int

    def __call__(self) -> None:
        """Replace the functions that saving calls."""
        self_kill = partial(os.kill, os.getpid(), signal.SIGKILL)
        saves = _counted(self.save)
        write, fsync, replace = torch.save, os.fsync, os.replace
        state = {"saving": False}

        def stopping_save(content: object, file: io.BufferedIOBase, *more: object) -> None:
            state["saving"] = next(saves)
            if state["saving"] and self.point == POINTS[0]:
                buffer = io.BytesIO()
                write(content, buffer)
                file.write(buffer.getvalue()[: buffer.tell() // 2])
                file.flush()
                self_kill()
            write(content, file, *more)  # pyright: ignore[reportArgumentType]

        def around(function: Callable[..., object], name: str) -> Callable[..., object]:
            def stopping(*arguments: object, **keywords: object) -> object:
                if state["saving"] and self.point == f"before {name}":
                    self_kill()
                result = function(*arguments, **keywords)
                if state["saving"] and self.point == f"after {name}":
                    self_kill()
                return result

            return stopping

        torch.save = stopping_save
        os.fsync, os.replace = around(fsync, "fsync"), around(replace, "replace")


def _counted(number: int) -> Iterator[bool]:
    """Yield True for the n-th and those after it."""
    seen = 0
    while True:
        seen += 1
        yield seen >= number
