"""Stress the tools: python tools/stress.py kill|damage|disk|processes [options].

Tries what must not break, on generated data, and prints a table: what, how often, with what result.
SUBJECT --help lists the options. The exit status is 1 if there was a fault; the same command
continues a run that was stopped.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from stn_action.cli import ends_cleanly, tool_parser

SUBJECTS = ("kill", "damage", "disk", "processes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 if a trial has a fault."""
    faulty: list[str] = []
    return ends_cleanly(lambda given: faulty.extend(stress(given)))(arguments) or int(bool(faulty))


def stress(arguments: Sequence[str] | None) -> list[str]:
    """Parse arguments, then run one file of stress/; return the names of trials with faults."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = tool_parser(__file__, __doc__, add_help=len(arguments) < 2)
    parser.add_argument("subject", choices=SUBJECTS)
    options, rest = parser.parse_known_args(arguments)
    outcomes = importlib.import_module(f"stress.{options.subject}").main(rest)
    return [outcome.key for outcome in outcomes if outcome.faults]


if __name__ == "__main__":
    sys.exit(main())
