"""Full disks, as a plug-in of pytest: a limit of the size of files, and small disks in memory."""

import multiprocessing
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from stress.small_disk import enter_own_mounts, mount_disk

Scenario = Callable[[Path], None]
"""A function of the folder in which the disk is mounted; it raises what is wrong."""


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Return a function: a file takes as many bytes as it is given, then writing fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Callable[[Scenario, int], None]:
    """Return a function: run a scenario in a forked process on a disk of so many bytes."""

    def run(scenario: Scenario, size: int) -> None:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_run, args=(scenario, tmp_path / "disk", size, theirs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: of idle threads
            process.start()
        theirs.close()
        refused = ours.recv()
        process.join()
        if refused:
            pytest.skip(f"mounts of our own are not allowed here: {refused}")
        assert process.exitcode == 0  # if not, it has printed why

    return run


def _run(scenario: Scenario, disk: Path, size: int, result: Connection) -> None:
    try:
        enter_own_mounts()
        mount_disk(disk, size)
    except OSError as error:
        result.send(str(error))
        return
    result.send("")
    scenario(disk)
