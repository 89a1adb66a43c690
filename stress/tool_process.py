"""Tools in processes of their own, which are killed, time out or crash without harm to this one.

They are forked from one process that has imported all of the package: starting a tool takes a few
hundredths of a second in place of some seconds, so that a kill seldom falls into imports.
"""

import contextlib
import importlib
import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = [
    "accelerate", "torchmetrics", "torchmetrics.classification", "torch.utils.tensorboard", "av",
    "cv2", "decord", "trackers", "stn_action.jobs.check_videos", "stn_action.jobs.detect_people",
    "stn_action.jobs.reencode.dataset_copy", "stn_action.runs.train", "stn_action.video.pyav",
    "stn_action.video.opencv", "stn_action.predictor",
]  # fmt: skip
START_METHOD = multiprocessing.get_start_method()
"""That of a process which is started in the ordinary way, for what a tool starts."""
PATIENCE = 15.0
"""Seconds in which processes that a dead tool has left must end."""


@dataclass(frozen=True)
class Ended:
    """How a tool ended."""

    command: str
    status: int | None
    """Exit status, or minus the signal that ended it; None: it hung and was killed."""
    output: str
    """What it printed, errors included."""

    @property
    def killed(self) -> bool:
        """It was ended by SIGKILL."""
        return self.status == -signal.SIGKILL

    def faults(self, *expected: int) -> list[str]:
        """Return what is wrong with the way it ended.

        Args:
            expected: exit statuses that are right; 2 also wants a message of one line.
        """
        if self.status is None:
            return [f"hangs: {self.command}"]
        if self.status < 0 and self.status not in expected:
            return [f"ended by {signal.Signals(-self.status).name}: {self.command}"]
        if "Traceback (most recent call last)" in self.output:
            return [f"traceback ({self.last_line()}): {self.command}"]
        if self.status not in expected:
            return [f"exit status {self.status} ({self.last_line()}): {self.command}"]
        errors = [line for line in self.output.splitlines() if line.startswith("error: ")]
        if self.status == 2 and len(errors) != 1:
            return [f"{len(errors)} messages in place of one ({self.last_line()}): {self.command}"]
        return []

    def last_line(self) -> str:
        """Return the last line that it printed."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1][:300] if lines else "no output"


class ToolProcess:
    """A running tool, `tools/<name>.py`, in a process group of its own."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[object],
        folder: Path,
        *,
        before: Callable[[], object] | None = None,
    ) -> None:
        """Start it.

        Args:
            name: of the tool.
            arguments: its command line.
            folder: where what it prints is kept.
            before: called in the process before the tool; it can be pickled.
        """
        words = [str(argument) for argument in arguments]
        self.command = shlex.join(["python", f"tools/{name}.py", *words])
        self._log = folder / f"{name}-{time.monotonic_ns()}.log"
        target = (name, words, str(self._log), before)
        self.process = _context().Process(target=_run_tool, args=target)
        self.process.start()

    @property
    def pid(self) -> int:
        """Number of the process and its group."""
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill the process, but not those that it has started."""
        self.process.kill()

    def wait(self, seconds: float) -> Ended:
        """Wait for its end; kill all of its group after so many seconds."""
        self.process.join(seconds)
        hung = self.process.is_alive()
        if hung:
            kill_group(self.pid)
            self.process.join()
        output = self._log.read_text(errors="replace") if self._log.exists() else ""
        return Ended(self.command, None if hung else self.process.exitcode, output)

    def left_behind(self, patience: float = PATIENCE) -> list[str]:
        """Wait for the processes that it has started to end; kill and report those that do not."""
        deadline = time.monotonic() + patience
        while _group_lives(self.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not _group_lives(self.pid):
            return []
        kill_group(self.pid)
        return [f"processes live {patience:g} s after the end of: {self.command}"]


def run_tool(
    name: str, arguments: Sequence[object], folder: Path, *, seconds: float = 300
) -> Ended:
    """Run a tool to its end."""
    return ToolProcess(name, arguments, folder).wait(seconds)


def fork(target: Callable[..., object], *arguments: object) -> BaseProcess:
    """Start a function in a process that has imported the package."""
    process = _context().Process(target=target, args=arguments)
    process.start()
    return process


def kill_group(group: int) -> None:
    """Kill all processes of a group; it may have ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    """Return whether a process of a group runs; one that is dead but not waited for does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of_group) == group and state not in "ZX":
                return True
    return False


def _context() -> ForkContext | ForkServerContext:
    if multiprocessing.parent_process() is not None:
        return multiprocessing.get_context("fork")  # this process has imported the package
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOT) not in paths:  # read by the server, and by the processes that tools start
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, paths)])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def _run_tool(name: str, words: list[str], log: str, before: Callable[[], object] | None) -> None:
    os.setsid()
    multiprocessing.set_start_method(START_METHOD, force=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = [f"tools/{name}.py", *words]
    if before is not None:
        before()
    status = importlib.import_module(f"tools.{name}").main(words)
    for child in multiprocessing.active_children():
        if not child.daemon:  # the interpreter waits for them before it deletes semaphores
            child.join()
    sys.exit(status)
