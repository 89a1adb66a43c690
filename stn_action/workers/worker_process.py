"""What every process of a pool or a `DataLoader` does at its start."""

import multiprocessing
import os
import threading

import cv2
import torch

POLL_SECONDS = 1.0


def set_up_worker() -> None:
    """Keep this process to one thread, and let it end as soon as its parent has, even if killed.

    Call `cv2.setNumThreads(1)` before a process is forked if OpenCV was used already: its threads
    do not survive a fork, and the child would wait for them forever.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def set_up_loader_worker(worker_id: int) -> None:
    """Set up a worker of a `DataLoader`: its `worker_init_fn`, whatever the number of the worker.

    It gets a process group of its own: Ctrl-C, and signals that are sent to the group of the main
    process, go to the main process alone, which has its worker until the state of a run is saved.
    """
    del worker_id
    if hasattr(os, "setpgid"):  # not on Windows
        os.setpgid(0, 0)
    set_up_worker()


def _end_with_parent() -> None:
    """Wait for the parent's end.

    The kernel's own signal for it (PR_SET_PDEATHSIG) comes when the thread that started the worker
    ends, which a program that predicts in threads would not survive.
    """
    parent = multiprocessing.parent_process()
    if parent is None:  # this process was not started by multiprocessing
        return
    starter = os.getppid()
    # A worker that was forked later holds the end of the pipe that tells of the parent's end.
    while parent.is_alive() and os.getppid() == starter:
        parent.join(POLL_SECONDS)
    os._exit(1)
