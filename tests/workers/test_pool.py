"""Many items in several processes: none is lost, none hangs."""

import os
import signal

import pytest

from stn_action.workers.pool import CRASHED, run_pool


def double(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return 2 * number


@pytest.mark.parametrize("workers", [0, 2])
def test_every_item_comes_back_with_its_result(workers):
    items = [0, 1, 2, 3, 4, 6]
    assert sorted(run_pool(double, items, workers)) == [(item, 2 * item) for item in items]


def test_an_item_that_kills_its_process_is_named_and_the_others_are_done():
    results = dict(run_pool(double, range(9), 2))
    assert results == {item: CRASHED if item == 5 else 2 * item for item in range(9)}


def test_items_are_drawn_only_when_they_are_needed():
    drawn = []

    def items():
        for item in range(100, 200):
            drawn.append(item)
            yield item

    jobs = run_pool(double, items(), 1)
    next(jobs)
    assert len(drawn) <= 4
    jobs.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_what_an_item_raises_is_raised(workers):
    with pytest.raises(ValueError, match="-1 is negative"):
        list(run_pool(double, [1, -1], workers))
