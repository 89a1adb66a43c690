"""What all tools share: arguments, and how a user's mistake ends."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from stn_action.errors import InputError

EXTRAS = {
    "accelerate": "train", "torchmetrics": "train", "tensorboard": "train",
    "trackers": "people", "supervision": "people", "scipy": "people",
}  # fmt: skip
"""Packages that come with an extra of ours."""


def ends_cleanly(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Run a tool: its exit status is 2 after one message where the user made a mistake.

    So it is where a file cannot be read or written, or an extra is not installed.
    """

    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            main(arguments)
        except KeyboardInterrupt:
            print(  # noqa: T201
                "interrupted; what is finished is kept: a training run goes on with --resume, "
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
    """Take `key.sub=value` arguments."""
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="settings that replace the file's"
    )


def names_and_overrides(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell files and splits from `key.sub=value` among mixed arguments."""
    return [word for word in words if "=" not in word], [word for word in words if "=" in word]


def _message(error: Exception) -> str | None:
    """What the user is told; None for a defect of ours."""
    match error:
        case InputError():
            return _plain_message(error)
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror}"
        case ModuleNotFoundError() if error.name in EXTRAS:
            extra = EXTRAS[error.name]
            return f"this needs {error.name}, not installed: pip install 'stn_action[{extra}]'"
        case ImportError() if "libGL" in str(error) or "libgthread" in str(error):
            return (
                f"OpenCV cannot be loaded ({error}): install the system's libraries for it "
                "(Debian, Ubuntu: apt install libgl1 libglib2.0-0)"
            )
    return None


def _plain_message(error: InputError) -> str:
    """The message without the traceback that a `DataLoader` worker adds to it.

    A worker's exception is raised again in the main process, its whole traceback as the message.
    """
    text = str(error)
    starts = list(re.finditer(rf"^(?:\w+\.)*{type(error).__name__}: ", text, re.MULTILINE))
    if not text.startswith("Caught ") or not starts:
        return text
    return text[starts[-1].end() :].strip()
