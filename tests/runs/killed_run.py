"""Training in a process of its own that ends at a chosen point: see `test_resume`.

Started by a fork server that has imported everything, which takes a fraction of a second.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing import get_context, set_start_method
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch

from stn_action.training.step import OptimizerStep
from tools.train import main


class End(NamedTuple):
    """Where a run ends."""

    what: str
    """"step": after a training batch; "write": before a file of the run folder is opened to write,
    renamed or removed."""
    number: int
    """Counted from 1."""
    signal: int = signal.SIGKILL
    """SIGTERM and SIGINT are sent to the group of the process, as a terminal and `timeout` do."""


def train_until(end: End | None, config: Path, folder: Path, *more: str) -> int:
    """Train as the tool does, to an end; return the exit status, negative for a signal."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "stn_action.runs.train"])
    arguments = [str(config), f"train.output_dir={folder}", *more]
    process = context.Process(target=_train, args=(end, folder, arguments))
    process.start()
    process.join(timeout=200)
    assert process.exitcode is not None
    return process.exitcode


def _train(end: End | None, folder: Path, arguments: Sequence[str]) -> None:
    set_start_method("fork", force=True)  # of the workers: a fork server would outlive a kill
    os.setpgid(0, 0)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    sys.stdout = io.StringIO()
    if end is not None and end.what == "step":
        _end_after_batch(end)
    elif end is not None:
        _end_before_write(end, folder)
    sys.exit(main(arguments))


def _send(number: int) -> None:
    (os.kill if number == signal.SIGKILL else os.killpg)(os.getpid(), number)


def _end_after_batch(end: End) -> None:
    step, batches = OptimizerStep.__call__, iter(range(1, 1_000_000))

    def counted(*arguments: Any, **named: Any) -> Any:
        norms = step(*arguments, **named)
        if next(batches) == end.number:
            _send(end.signal)
        return norms

    OptimizerStep.__call__ = counted


def _end_before_write(end: End, folder: Path) -> None:
    main_process, writes = os.getpid(), iter(range(1, 1_000_000))

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        match event, arguments:
            case "open", (path, _, flags) if flags & (os.O_WRONLY | os.O_RDWR):
                pass
            case ("os.rename" | "os.remove", (path, *_)):
                pass
            case _:
                return
        ours = os.getpid() == main_process and str(path).startswith(f"{folder}/")
        if ours and next(writes) == end.number:
            _send(end.signal)

    sys.addaudithook(look)
