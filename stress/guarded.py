"""A function over many items in a process that may crash, hang or run out of memory."""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from stress.tool_process import fork, kill_group

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY = 8 << 30
"""Bytes of address space of the process."""


def guarded(
    function: Callable[[Item], Result], items: Sequence[Item], *, seconds: float, log: Path
) -> Iterator[Result | str]:
    """Yield the result of each item, or what became of the process that worked on it.

    Args:
        function: can be pickled, as can its results.
        items: one after the other in one process; a new one goes on after a crash.
        seconds: time for one item.
        log: where what is printed goes.
    """
    done = 0
    while done < len(items):
        ours, theirs = multiprocessing.Pipe()
        process = fork(_work, function, items[done:], theirs, str(log))
        theirs.close()
        try:
            while done < len(items):
                if not ours.poll(seconds):
                    yield f"hangs for {seconds:g} s"
                    break
                yield ours.recv()
                done += 1
            else:
                continue
        except EOFError:
            process.join()
            code = process.exitcode or 0
            yield f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        finally:
            ours.close()
            if process.pid is not None:
                kill_group(process.pid)
            process.join()
        done += 1


def _work(function: Callable, items: Sequence, results: Connection, log: str) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    for item in items:
        results.send(function(item))
