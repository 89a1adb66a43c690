"""A disk of a chosen size, for functions that run in a process with mounts of its own."""

import ctypes
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

from stn_action.errors import InputError
from stress.tool_process import fork

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_REMOUNT, MS_REC, MS_PRIVATE = 32, 0x4000, 1 << 18
PAGE = 4096

Scenario = Callable[[Path], list[str]]
"""Try something in a folder; return the faults."""


def with_own_mounts(scenario: Scenario, folder: Path) -> list[str]:
    """Run a scenario, which can be pickled, in a process that may mount disks.

    Raises:
        InputError: the system does not let users have mounts of their own.
    """
    ours, theirs = multiprocessing.Pipe()
    process = fork(_scenario_process, scenario, folder, theirs)
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        process.join()
        return [f"the process of the scenario ended with {process.exitcode}"]
    process.join()
    if isinstance(found, str):
        raise InputError(found)
    return found


def enter_own_mounts() -> None:
    """Let this process, which has one thread, mount disks that only it and its children see.

    Raises:
        OSError: the system does not allow it.
    """
    users = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    for name, number in zip(("uid_map", "gid_map"), users, strict=True):
        Path(f"/proc/self/{name}").write_text(f"0 {number} 1")
    _mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def mount_disk(folder: Path, size: int, *, again: bool = False) -> None:
    """Mount an empty disk in memory, or give the one that is mounted another size.

    Args:
        folder: where; it is created.
        size: in bytes, at least a page.
        again: it is mounted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    flags = MS_REMOUNT if again else 0
    _mount(b"tmpfs", str(folder).encode(), b"tmpfs", flags, f"size={max(size, PAGE)}".encode())


def _scenario_process(scenario: Scenario, folder: Path, result) -> None:
    try:
        enter_own_mounts()
    except OSError as error:
        result.send(f"full disks: mounts of our own are not allowed here ({error.strerror})")
        return
    result.send(scenario(folder))


def _mount(
    source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None
) -> None:
    _call("mount", source, target, kind, ctypes.c_ulong(flags), data)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
