"""The processes that `torchrun` started for one run, as its environment variables tell them."""

import hashlib
import os
import socket
import sys
from datetime import timedelta

from stn_action.errors import InputError

_failed = False
STORE_PATIENCE = timedelta(seconds=5)
"""How long to wait for the store that the processes share, to find out who prints."""


def launched_rank() -> int:
    """Return the number of this process in its run, from 0."""
    return int(os.environ.get("RANK", "0"))


def launched_processes() -> int:
    """Return the number of processes of the run; 1 without `torchrun`."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this is the one process of the run that prints and writes files."""
    return launched_rank() == 0


def require_one_process(what: str) -> None:
    """Check that `torchrun` did not start several processes: each would do all the work.

    Raises:
        InputError: it did.
    """
    if launched_processes() > 1:
        raise InputError(
            f"{what} runs in one process, torchrun started {launched_processes()}: start it with "
            "python. Several processes share the work of train.py, compare.py, and evaluate.py "
            "without --sweep"
        )


def last_words(message: str) -> str | None:
    """Return what this process prints of the message it fails with; None: another one prints it.

    The first process of the run that asks prints it, and adds which one it is. Where the others
    cannot be asked, it is printed.
    """
    global _failed
    _failed = True
    if launched_processes() == 1:
        return message
    if not _is_first(message):
        return None
    place = f"process {launched_rank()} of {launched_processes()}, on {socket.gethostname()}"
    return f"{message} ({place})"


def has_failed() -> bool:
    """Return whether this process ends by an error, perhaps while others wait for it."""
    return _failed or getattr(sys, "last_value", None) is not None


def _is_first(message: str) -> bool:
    """Count the message in the store by which `torchrun` lets its processes find each other."""
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    try:
        store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            timeout=STORE_PATIENCE,
            wait_for_workers=False,
        )
        digest = hashlib.sha256(message.encode()).hexdigest()
        return store.add(f"stn_action/said/{digest}", 1) == 1
    except (KeyError, ValueError, RuntimeError, OSError):  # none, or it has ended
        return True
