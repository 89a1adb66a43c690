"""One function over many videos, in several processes: nothing hangs and no video is lost.

A process that dies (a decoder that crashes, memory that runs out) takes its pool with it; then the
videos it had in hand are tried one by one, each in a process of its own, so that the one that kills
is told by name and all others are done.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import cv2
import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_HAND = 2
"""Items that each process has been given at most."""


@dataclass(frozen=True)
class Crashed:
    """In place of a result: the process that worked on the item died."""


def run_jobs(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Result | Crashed]]:
    """Yield each item with `work(item)`, in the order in which they are finished.

    Args:
        work: a function that can be pickled; what it raises is raised here.
        items: drawn from only when a process will soon be free for the next.
        workers: processes, each with one thread; 0: everything is done in this process.
    """
    if workers == 0:
        for item in items:
            yield item, work(item)
        return
    waiting = iter(items)
    while True:
        suspects = yield from _run_pool(work, waiting, workers)
        if not suspects:
            return
        for item in suspects:
            yield item, _run_alone(work, item)


def _run_pool(
    work: Callable[[Item], Result], waiting: Iterator[Item], workers: int
) -> Generator[tuple[Item, Result | Crashed], None, list[Item]]:
    """Work until nothing waits or a process dies; returns what was in hand when one died."""
    pool = _pool(workers)
    in_hand: dict[Future[Result], Item] = {}
    try:
        while True:
            for item in islice(waiting, IN_HAND * workers - len(in_hand)):
                in_hand[_submit(pool, work, item)] = item
            if not in_hand:
                return []
            for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield in_hand.pop(future), result
    except BrokenProcessPool:
        return list(in_hand.values())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], item: Item
) -> Future[Result]:
    """Submit; where the pool has just broken, a future that says so, and the item is not lost."""
    try:
        return pool.submit(work, item)
    except BrokenProcessPool as error:
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def _run_alone(work: Callable[[Item], Result], item: Item) -> Result | Crashed:
    pool = _pool(1)
    try:
        return pool.submit(work, item).result()
    except BrokenProcessPool:
        return Crashed()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_process
    )


def _prepare_process() -> None:
    """One thread, a silent end when interrupted, and an end with the process that started it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
