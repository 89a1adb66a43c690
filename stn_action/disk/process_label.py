"""Labels of processes, which tell whether the one that wrote a label still runs."""

import os
from pathlib import Path


def process_label() -> str:
    """Return the label of this process."""
    return label_of(os.getpid())


def label_of(process: int) -> str:
    """Return the label of a process: its id and start time, since ids are reused."""
    return f"{process} {_started(process)}"


def is_alive(process: str) -> bool:
    """Return whether the process of a label still runs on this machine."""
    number, _, started = process.partition(" ")
    if not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it belongs to another user
    return _started(int(number)) == started


def _started(process: int) -> str:
    """Return the start time of a process, in clock ticks; empty if unknown or if it has ended."""
    try:
        line = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = line.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
