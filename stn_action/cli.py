"""Command lines of the tools: shared arguments, error messages and exit status."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from stn_action.errors import InputError

EXTRAS = {
    "accelerate": "train", "torchmetrics": "train", "tensorboard": "train",
    "trackers": "people", "supervision": "people", "scipy": "people",
}  # fmt: skip
"""Packages, and the extra of `stn_action` that installs them."""


def ends_cleanly(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Wrap the main function of a tool, so that a user's mistake ends with one message.

    The exit status is 2 then, 130 after an interrupt. Mistakes are `InputError`, a file that cannot
    be read or written, and an extra that is not installed; other exceptions pass.
    """

    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            main(arguments)
        except KeyboardInterrupt:
            print(  # noqa: T201
                "interrupted; finished work is kept: continue a training run with --resume, "
                "other tools with the same command",
                file=sys.stderr,
            )
            return 130
        except (InputError, OSError, ImportError) as error:
            message = _message(error)
            if message is None:
                raise
            print(f"error: {message}", file=sys.stderr)  # noqa: T201
            return 2
        return 0

    return run


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add `key.sub=value` arguments to a parser."""
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="settings that override the file"
    )


def names_and_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate names (files, parts) from `key.sub=value` among mixed arguments."""
    return [word for word in words if "=" not in word], [word for word in words if "=" in word]


def _message(error: Exception) -> str | None:
    """Return the message for the user; None for a bug of this package."""
    match error:
        case InputError():
            return _plain_message(error)
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror}"
        case ModuleNotFoundError() if error.name in EXTRAS:
            extra = EXTRAS[error.name]
            return f"{error.name} is not installed: pip install 'stn_action[{extra}]'"
        case ImportError() if "libGL" in str(error) or "libgthread" in str(error):
            return (
                f"OpenCV cannot be loaded ({error}): install the system libraries it needs "
                "(Debian, Ubuntu: apt install libgl1 libglib2.0-0)"
            )
    return None


def _plain_message(error: InputError) -> str:
    """Return the message without the traceback that a `DataLoader` worker adds to it.

    A worker's exception is raised again in the main process with its traceback as the message.
    """
    text = str(error)
    starts = list(re.finditer(rf"^(?:\w+\.)*{type(error).__name__}: ", text, re.MULTILINE))
    if not text.startswith("Caught ") or not starts:
        return text
    return text[starts[-1].end() :].strip()
