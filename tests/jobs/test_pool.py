"""Many items in several processes: none is lost, none hangs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stn_action.jobs.pool import CRASHED, run_pool


def double(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return 2 * number


def sleep_after_noting(folder: str) -> None:
    Path(folder, f"{os.getpid()}").touch()
    time.sleep(600)


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


def test_no_process_outlives_the_one_that_started_it(tmp_path):
    program = (
        "from stn_action.jobs.pool import run_pool\n"
        "from tests.jobs.test_pool import sleep_after_noting\n"
        f"if __name__ == '__main__': list(run_pool(sleep_after_noting, ['{tmp_path}'] * 2, 2))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(script)], env=environment)
    deadline = time.monotonic() + 60
    while len(pids := [p for p in tmp_path.iterdir() if p.name.isdigit()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    while any(alive(int(path.name)) for path in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
