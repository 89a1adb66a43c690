"""Processes of pools and loaders end with the one that started them, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from stn_action.disk.process_label import is_alive, label_of
from stn_action.workers.worker_process import set_up_worker

PROGRAM = """
import sys
from torch.utils.data import DataLoader
from stn_action.workers.pool import run_pool
from stn_action.workers.worker_process import set_up_loader_worker
from tests.workers.test_worker_process import Sleepers, sleep_after_noting

if __name__ == "__main__":
    settings = {"num_workers": 2, "batch_size": None, "worker_init_fn": set_up_loader_worker}
    loader = iter(DataLoader(Sleepers(sys.argv[1]), **settings))
    list(run_pool(sleep_after_noting, [sys.argv[1]] * 2, 2))
"""


def sleep_after_noting(folder: str) -> None:
    Path(folder, f"{os.getpid()}").touch()
    time.sleep(600)


class Sleepers(torch.utils.data.Dataset):
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> None:
        sleep_after_noting(self.folder)


@pytest.mark.parametrize(
    "end", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_no_worker_outlives_the_process_that_started_it(end: signal.Signals, tmp_path: Path):
    script, notes = tmp_path / "script.py", tmp_path / "notes"
    script.write_text(PROGRAM)
    notes.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(script), str(notes)], env=environment)
    deadline = time.monotonic() + 100
    while len(list(notes.iterdir())) < 4:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.1)
    below = [label_of(number) for number in processes_below(parent.pid)]
    assert len(below) >= 4
    parent.send_signal(end)
    assert parent.wait() == -end
    deadline = time.monotonic() + 15
    while any(is_alive(label) for label in below):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes_below(number: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{number}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *processes_below(child)]
    return found


def test_a_process_that_multiprocessing_did_not_start_can_be_set_up_too():
    set_up_worker()
    assert torch.get_num_threads() == 1
