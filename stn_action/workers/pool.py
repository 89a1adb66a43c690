"""One function over many items in several processes: nothing hangs and no item is lost.

A process that dies (a decoder that crashes, memory that runs out) takes its pool with it; then the
items that were in progress run one by one, each in a process of its own: the one that kills its
process is named and all others are done.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from stn_action.workers.worker_process import set_up_worker

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_PROCESS = 2
"""Items that are submitted at once for each process: one it works on, one that waits."""


@dataclass(frozen=True)
class Failed:
    """The reason for a missing result, in its place."""

    reason: str


CRASHED = Failed("the decoder crashed or ran out of memory")
"""The process that worked on the item died."""


def run_pool(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[tuple[Item, Result | Failed]]:
    """Yield each item with `work(item)`, in the order in which they finish.

    Args:
        work: a function that can be pickled; what it raises is raised here.
        items: drawn from only when a process will soon be free for the next.
        workers: processes, each with one thread; 0: everything runs in this process.
    """
    if workers == 0:
        for item in items:
            yield item, work(item)
        return
    waiting = iter(items)
    while True:
        suspects = yield from _run_until_crash(work, waiting, workers)
        if not suspects:
            return
        for item in suspects:
            yield item, _run_alone(work, item)


def _run_until_crash(
    work: Callable[[Item], Result], waiting: Iterator[Item], workers: int
) -> Generator[tuple[Item, Result | Failed], None, list[Item]]:
    """Run until nothing waits or a process dies; return what was in progress when one died."""
    pool = _pool(workers)
    in_progress: dict[Future[Result], Item] = {}
    try:
        while True:
            for item in islice(waiting, ITEMS_PER_PROCESS * workers - len(in_progress)):
                in_progress[_submit(pool, work, item)] = item
            if not in_progress:
                return []
            for future in wait(in_progress, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield in_progress.pop(future), result
    except BrokenProcessPool:
        return list(in_progress.values())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], item: Item
) -> Future[Result]:
    """Submit; if the pool has just broken, return a future that raises so, to keep the item."""
    try:
        return pool.submit(work, item)
    except BrokenProcessPool as error:
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def _run_alone(work: Callable[[Item], Result], item: Item) -> Result | Failed:
    pool = _pool(1)
    try:
        return pool.submit(work, item).result()
    except BrokenProcessPool:
        return CRASHED
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_set_up_process
    )


def _set_up_process() -> None:
    """Set the worker up, and let it end silently on an interrupt."""
    set_up_worker()
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
