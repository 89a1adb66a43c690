"""Journals: lines that survive, written by one process at a time."""

import os

import pytest

from stn_action.errors import InputError
from stn_action.jobs.journal import Journal


def test_half_a_line_is_dropped_and_the_rest_stays(tmp_path):
    path = tmp_path / "job.part"
    with Journal(path, b"header\n") as journal:
        journal.append(b"one\n")
    path.write_bytes(path.read_bytes() + b"tw")
    with Journal(path, b"header\n") as journal:
        assert journal.lines == [b"one\n"]
        journal.append(b"three\n")
    assert path.read_bytes() == b"header\none\nthree\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_process_is_told_who_writes(tmp_path):
    path = tmp_path / "job.part"
    with Journal(path, b"header\n") as journal:
        message = rf"job\.part: another process is writing to it: process {os.getpid()} on .*wait"
        with pytest.raises(InputError, match=message):
            Journal(path, b"header\n")
        journal.append(b"one\n")
    with Journal(path, b"header\n") as journal:
        assert journal.lines == [b"one\n"]


def test_the_journal_of_another_job_is_refused_and_can_be_tried_again(tmp_path):
    path = tmp_path / "job.part"
    path.write_bytes(b"other\n")
    for _ in range(2):
        with pytest.raises(InputError, match=r"job\.part: not the journal of a job of this kind"):
            Journal(path, b"header\n")
    assert list(tmp_path.iterdir()) == [path]
