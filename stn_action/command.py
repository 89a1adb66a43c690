"""What all tools share: arguments, and how a user's mistake ends."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from stn_action.errors import InputError


def ends_cleanly(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Run a tool: its exit status is 2 after one message where the user made a mistake."""

    def run(arguments: Sequence[str] | None = None) -> int:
        try:
            main(arguments)
        except InputError as error:
            print(f"error: {_plain_message(error)}", file=sys.stderr)  # noqa: T201
            return 2
        except KeyboardInterrupt:
            print("interrupted; last.pt holds the last finished epoch", file=sys.stderr)  # noqa: T201
            return 130
        return 0

    return run


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Take `key.sub=value` arguments."""
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="settings that replace the file's"
    )


def _plain_message(error: InputError) -> str:
    """The message without the traceback that a `DataLoader` worker adds to it.

    A worker's exception is raised again in the main process, its whole traceback as the message.
    """
    text = str(error)
    starts = list(re.finditer(rf"^(?:\w+\.)*{type(error).__name__}: ", text, re.MULTILINE))
    if not text.startswith("Caught ") or not starts:
        return text
    return text[starts[-1].end() :].strip()
