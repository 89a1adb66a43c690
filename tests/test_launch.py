"""How the processes that torchrun started end, and which of them prints."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stn_action import launch
from stn_action.cli import ends_cleanly
from stn_action.errors import InputError
from tests import ending_processes

ROOT = Path(__file__).parents[1]
LONGEST_SECONDS = 120
"""For a start on a busy machine; without a mended end it would be 12 hours."""


@pytest.fixture
def as_process_1(monkeypatch):
    """The environment of the second of two processes whose store has ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(launch, "_failed", False)
    monkeypatch.setattr(launch, "STORE_PATIENCE", launch.STORE_PATIENCE / 50)


def test_a_process_alone_prints_all(monkeypatch):
    monkeypatch.setattr(launch, "_failed", False)
    assert launch.is_main_process()
    assert not launch.has_failed()
    assert launch.last_words("error: odd") == "error: odd"
    assert launch.has_failed()


def test_where_the_others_cannot_be_asked_a_process_prints(as_process_1):
    assert not launch.is_main_process()
    said = launch.last_words("error: odd")
    assert said == f"error: odd (process 1 of 2, on {socket.gethostname()})"


def test_a_tool_for_one_process_refuses_several(as_process_1, capsys):
    @ends_cleanly
    def main(arguments) -> None:
        raise AssertionError("it runs")

    assert main([]) == 2
    assert (
        "runs in one process, torchrun started 2: start it with python" in capsys.readouterr().err
    )
    with pytest.raises(InputError, match="--sweep runs in one process"):
        launch.require_one_process("--sweep")


@pytest.mark.parametrize("way", ["refused", "killed"])
def test_when_a_process_ends_all_end_at_once(way, tmp_path):
    """The second one waits in a collective, for which the first has hours of patience."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = [ending_processes.__file__, way, tmp_path / "said.json"]
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, *torchrun, *map(str, program)], capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=LONGEST_SECONDS,
    )  # fmt: skip
    assert time.monotonic() - start < LONGEST_SECONDS
    assert ended.returncode == 1, ended.stderr
    place = [f"(process {rank} of 2, on {socket.gethostname()})" for rank in (0, 1)]
    (both, own), (both_again, own_again) = json.loads((tmp_path / "said.json").read_text())
    assert (own, own_again) == (f"of process 0 {place[0]}", f"of process 1 {place[1]}")
    assert {both, both_again} in ({None, f"of all {place[0]}"}, {None, f"of all {place[1]}"})
    if way == "refused":
        assert ended.stderr.count(f"error: x.mp4: cannot be read {place[1]}\n") == 1
        assert "exitcode  : 2" in ended.stderr
    else:
        assert "Signal 9 (SIGKILL) received" in ended.stderr
