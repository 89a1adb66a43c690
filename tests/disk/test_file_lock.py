"""One holder at a time, named to the others; what the dead leave is taken over."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stn_action.disk import file_lock
from stn_action.disk.file_lock import FileLock, Holder
from stn_action.disk.process_label import process_label
from stn_action.errors import InputError

HOLDER = """
import os, sys, time
from stn_action.disk.file_lock import FileLock
with FileLock(sys.argv[1], "a folder", "wait"):
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
    print("held", flush=True)
    time.sleep(600)
"""


def lock(folder: Path) -> FileLock:
    return FileLock(folder / "run.lock", str(folder), "wait until it ends")


@pytest.fixture
def holder(tmp_path):
    """A process that holds a lock, together with one that it has forked."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run.lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_holder_is_named_and_once_it_is_killed_its_lock_is_taken_over(tmp_path, holder):
    message = (
        rf"{re.escape(str(tmp_path))}: another process is writing to it: process {holder.pid} on "
        rf"{socket.gethostname()}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d; wait until it ends"
    )
    with pytest.raises(InputError, match=f"^{message}$"):
        lock(tmp_path).acquire()
    holder.kill()
    holder.wait()
    assert (tmp_path / "run.lock").is_file()
    assert not lock(tmp_path).try_acquire()  # what it has forked still has the file
    with lock(tmp_path):
        assert Holder.read(tmp_path / "run.lock").process == process_label()
        assert not lock(tmp_path).try_acquire()
    assert not any(tmp_path.iterdir())


def test_no_file_is_left_and_the_next_one_can_have_the_lock(tmp_path):
    for _ in range(3):
        with lock(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
        assert not any(tmp_path.iterdir())


def test_a_holder_in_this_process_counts_too(tmp_path):
    with lock(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()} on"):
        lock(tmp_path).acquire()


def test_the_file_that_its_holder_removes_is_not_locked(tmp_path, monkeypatch):
    """A process that opened the file before its holder removed it must open the new one."""
    first = lock(tmp_path)
    first.acquire()
    flock, calls = file_lock.fcntl.flock, []

    def release_first(descriptor, operation):
        if not calls:
            first.release()
        calls.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(file_lock.fcntl, "flock", release_first)
    with lock(tmp_path):
        assert len(calls) == 2
        assert Holder.read(tmp_path / "run.lock") is not None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone/run\.lock: cannot be written \(No such file"):
        lock(tmp_path / "gone").acquire()


@pytest.fixture
def without_flock(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(file_lock.fcntl, "flock", refuse)


def test_without_flock_the_file_is_the_lock(tmp_path, without_flock):
    with lock(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()} on"):
        lock(tmp_path).acquire()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("host", "free"), [(socket.gethostname(), True), ("elsewhere", False)])
def test_without_flock_only_the_dead_of_this_machine_are_known_to_be_dead(
    tmp_path, without_flock, host, free
):
    content = {"host": host, "process": "999999999 1", "since": "2026-01-02 03:04:05"}
    (tmp_path / "run.lock").write_text(json.dumps(content))
    assert lock(tmp_path).try_acquire() == free
