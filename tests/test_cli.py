"""How a tool ends: message and exit status."""

import argparse
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch._utils import ExceptionWrapper

from stn_action.cli import ends_cleanly, finite_number, frame_size, user_path, worker_count
from stn_action.errors import InputError
from stn_action.video.reader import VideoError


def ending_of(error: BaseException | None, capsys) -> tuple[int, str]:
    @ends_cleanly
    def main(arguments) -> None:
        if error is not None:
            raise error

    status = main([])
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


def test_a_tool_that_succeeds_prints_nothing(capsys):
    assert ending_of(None, capsys) == (0, "")


def test_a_users_mistake_is_one_message(capsys):
    assert ending_of(InputError("data.root: none"), capsys) == (2, "error: data.root: none\n")
    assert ending_of(VideoError("a.mp4: empty"), capsys) == (2, "error: a.mp4: empty\n")


@pytest.mark.parametrize("kind", [InputError, VideoError])
def test_a_mistake_found_in_a_worker_is_shown_without_its_traceback(capsys, kind):
    @ends_cleanly
    def main(arguments) -> None:
        try:
            raise kind("a.csv: a box\nof two lines")
        except kind:  # what a worker of a DataLoader sends to the main process
            sent = ExceptionWrapper(where="in DataLoader worker process 0")
        sent.reraise()

    assert main([]) == 2
    assert capsys.readouterr().err == "error: a.csv: a box\nof two lines\n"


def test_an_interrupt_tells_how_to_continue(capsys):
    status, error = ending_of(KeyboardInterrupt(), capsys)
    assert status == 130
    assert error.startswith(
        "interrupted; finished work is kept: continue a training run with --resume"
    )
    assert error.count("\n") == 1


def test_a_file_that_cannot_be_used_is_named(capsys, tmp_path):
    (tmp_path / "file").write_text("")

    @ends_cleanly
    def main(arguments) -> None:
        (tmp_path / "file/below").mkdir()

    assert main([]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'file/below'}: Not a directory\n"


def test_a_missing_extra_is_named_with_its_remedy(capsys):
    for name, extra in (("torchmetrics", "train"), ("trackers", "people")):
        status, text = ending_of(ModuleNotFoundError("x", name=name), capsys)
        assert status == 2
        assert text == f"error: {name} is not installed: pip install 'stn_action[{extra}]'\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device: make room and",
        ),
        (
            RuntimeError(
                "unable to allocate shared memory(shm) for file </torch_1>: No space left"
            ),
            "the shared memory is full, .* data.num_workers=0",
        ),
        (
            RuntimeError(
                "DataLoader worker is killed by signal: Bus error. It is possible that "
                "dataloader's workers are out of shared memory. Please try to raise it."
            ),
            "the shared memory is full, .* data.num_workers=0",
        ),
    ],
)
def test_no_space_is_one_message_wherever_it_is_missing(capsys, error, message):
    status, text = ending_of(error, capsys)
    assert status == 2
    assert re.match(f"error: {message}", text)


def test_a_missing_library_of_the_system_is_named_with_its_remedy(capsys):
    error = ImportError("libGL.so.1: cannot open shared object file")
    status, text = ending_of(error, capsys)
    assert status == 2
    assert "OpenCV cannot be loaded (libGL.so.1: cannot open" in text
    assert "apt install libgl1 libglib2.0-0" in text


@pytest.mark.parametrize(
    "error",
    [
        ValueError("ours"),
        OSError("ours"),
        RuntimeError("ours"),
        ModuleNotFoundError("ours", name="stn_action.nothing"),
    ],
)
def test_a_bug_keeps_its_traceback(capsys, error):
    with pytest.raises(type(error), match=r"ours"):
        ending_of(error, capsys)


TALKATIVE = """
from stn_action.cli import ends_cleanly
def main(arguments):
    for _ in range(100_000):
        print("a line of a long table")
raise SystemExit(ends_cleanly(main)([]))
"""


def test_an_output_that_nothing_reads_ends_a_tool_quietly():
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", TALKATIVE], stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_arguments_are_passed_on():
    seen = []
    assert ends_cleanly(seen.append)(["a", "b"]) == 0
    assert ends_cleanly(seen.append)() == 0
    assert seen == [["a", "b"], None]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
)
def test_memory_that_is_not_enough_is_one_message(capsys, error):
    status, text = ending_of(error, capsys)
    assert status == 2
    assert text.startswith("error: the memory is not enough: lower train.batch_size, eval.batch_si")


@pytest.mark.parametrize(
    ("read", "right", "wrong"),
    [
        (worker_count, {"0": 0, "512": 512}, ["-1", "513", "9" * 5000, "2.5", "²", ""]),
        (finite_number, {"1e-3": 0.001, "-2": -2.0}, ["nan", "inf", "9" * 5000, "x"]),
        (frame_size, {"320x240": (240, 320)}, ["0x3", "320", "99999999x1", "²x3", "3x4x5"]),
    ],
)
def test_arguments_are_read_within_bounds(read, right, wrong):
    assert {text: read(text) for text in right} == right
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match=r"expected .*got .{0,40}$"):
            read(text)


def test_a_path_argument_is_its_text_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("~/runs #1") == Path("/home/me/runs #1")
    with pytest.raises(argparse.ArgumentTypeError, match="neither empty nor contains NUL"):
        user_path("")
