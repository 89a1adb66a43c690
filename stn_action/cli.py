"""Command lines of the tools: shared arguments, error messages and exit status."""

import argparse
import errno
import math
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stn_action.disk.regular_file import path_of_text
from stn_action.errors import InputError, Stopped
from stn_action.extras import missing_extra
from stn_action.launch import last_words, require_one_process
from stn_action.tool_examples import examples_text

MAX_WORKERS = 512
"""Processes of hundreds of megabytes each."""
TRUST = "run code that the checkpoint names (a network of your own)"
"""The help of `--trust`."""
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors of a full disk."""


def ends_cleanly(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Wrap the main function of a tool, so that a user's mistake ends with one message.

    The exit status is 2 then, 130 after an interrupt, 143 after SIGTERM that a training run
    followed, 141 if what reads its output has ended (`| head`). Mistakes are `InputError`, a file
    that cannot be read or written, a full disk, shared memory that is too small, and an extra that
    is not installed; other exceptions pass. A tool that `torchrun` started in several processes
    ends so too: see `ends_processes_cleanly`.
    """

    def alone(arguments: Sequence[str] | None) -> None:
        require_one_process(Path(sys.argv[0]).name)
        main(arguments)

    return ends_processes_cleanly(alone)


def ends_processes_cleanly(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Wrap the main function of a tool that several processes may share, as `ends_cleanly` does.

    A message that several of them have is printed by one.
    """

    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            main(arguments)
        except KeyboardInterrupt as stop:
            _print_once(
                f"{str(stop) or 'interrupted; finished work is kept'}: continue a training run "
                "with --resume, other tools with the same command"
            )
            return 128 + (stop.signal if isinstance(stop, Stopped) else signal.SIGINT)
        except (InputError, OSError, ImportError, MemoryError, RuntimeError) as error:
            if isinstance(error, BrokenPipeError) and _reader_has_ended():
                return 128 + 13  # SIGPIPE, which not every system has
            message = _message(error)
            if message is None:
                raise
            _print_once(f"error: {message}")
            return 2
        return 0

    return run


def _reader_has_ended() -> bool:
    """Return whether standard output is a pipe that nothing reads; it is silenced then."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), select.POLLOUT)
    if not any(events & select.POLLERR for _, events in watched.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def tool_parser(file: str, about: str | None, *, add_help: bool = True) -> argparse.ArgumentParser:
    """Return the parser of a tool, whose help ends with its examples.

    Args:
        file: of the tool.
        about: its docstring.
        add_help: whether it answers `--help` itself, see `argparse`.
    """
    return argparse.ArgumentParser(
        description=about, epilog=examples_text(Path(file).stem, sys.argv[0]), add_help=add_help,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip


def add_words(parser: argparse.ArgumentParser, what: str, about: str) -> None:
    """Add a list `words` of files and settings: see `config/command_line.py` for which is which.

    Args:
        parser: of the tool.
        what: the file in the usage line: "CONFIG".
        about: the file in the help.
    """
    parser.add_argument(
        "words", nargs="+", metavar=f"{what} | key=value",
        help=f"{about}; settings that override it",
    )  # fmt: skip


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the option `--workers`."""
    parser.add_argument(
        "--workers", type=worker_count, default=2, help="processes (default: 2; 0: none)"
    )


def user_path(text: str) -> Path:
    """Return the path of a command line's argument: its text, `~` expanded.

    Raises:
        ArgumentTypeError: it is empty, contains NUL, or there is no such home folder.
    """
    try:
        return path_of_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def worker_count(text: str) -> int:
    """Return a number of processes; 0 is this process alone.

    Raises:
        ArgumentTypeError: it is none, negative or absurdly large.
    """
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"expected 0 to {MAX_WORKERS} processes, got {text[:40]}")
    return int(text)


def finite_number(text: str) -> float:
    """Return a number.

    Raises:
        ArgumentTypeError: it is none, NaN or infinite.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a finite number, got {text[:40]}")
    return number


def number_list(text: str) -> list[float]:
    """Return the numbers of "V1,V2,...".

    Raises:
        ArgumentTypeError: one is none, NaN or infinite.
    """
    return [finite_number(part) for part in text.split(",")]


def frame_size(text: str) -> tuple[int, int]:
    """Return height and width of "WIDTHxHEIGHT".

    Raises:
        ArgumentTypeError: it has another form, or a side is 0 or absurdly large.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"expected WIDTHxHEIGHT in pixels, as in 320x240, got {text[:40]}"
        )
    return int(found[2]), int(found[1])


def _print_once(message: str) -> None:
    said = last_words(message)
    if said is not None:
        print(said, file=sys.stderr, flush=True)  # noqa: T201


def _message(error: Exception) -> str | None:
    """Return the message for the user; None for a bug of this package."""
    match error:
        case InputError():
            return _plain_message(error)
        case RuntimeError() if "shared memory" in str(error):
            return (
                "the shared memory is full, in which processes that load data pass it on: enlarge "
                "/dev/shm (docker run --shm-size=8g), or set data.num_workers=0"
            )
        case MemoryError() | RuntimeError() if _is_out_of_memory(error):
            return (
                "the memory is not enough: lower train.batch_size, eval.batch_size, data.crop.size "
                f"or data.num_workers ({' '.join(str(error).split())[:200] or 'MemoryError'})"
            )
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror}"
        case OSError() if error.errno in NO_SPACE:
            return f"{error.strerror}: make room and give the same command again"
        case ModuleNotFoundError():
            return missing_extra(error)
        case ImportError() if "libGL" in str(error) or "libgthread" in str(error):
            return (
                f"OpenCV cannot be loaded ({error}): install the system libraries it needs "
                "(Debian, Ubuntu: apt install libgl1 libglib2.0-0)"
            )
    return None


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory of the machine or of a GPU ran out; PyTorch has errors of its own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return "can't allocate memory" in str(error)


def _plain_message(error: InputError) -> str:
    """Return the message without the traceback that a `DataLoader` worker adds to it.

    A worker's exception is raised again in the main process with its traceback as the message.
    """
    text = str(error)
    starts = list(re.finditer(rf"^(?:\w+\.)*{type(error).__name__}: ", text, re.MULTILINE))
    if not text.startswith("Caught ") or not starts:
        return text
    return text[starts[-1].end() :].strip()
