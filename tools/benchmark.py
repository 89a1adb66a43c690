"""Run a benchmark: python tools/benchmark.py SUBJECT [options]; SUBJECT --help lists them."""

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import benchmarks
from stn_action.cli import ends_cleanly, tool_parser


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then run one file of benchmarks/."""
    arguments = sys.argv[1:] if arguments is None else arguments
    found = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    subjects = sorted(found - {"timing", "decoded_crops", "other_decoders"})  # parts of others
    parser = tool_parser(__file__, __doc__, add_help=len(arguments) < 2)
    parser.add_argument("subject", choices=subjects)
    options, rest = parser.parse_known_args(arguments)
    importlib.import_module(f"benchmarks.{options.subject}").main(rest)


if __name__ == "__main__":
    sys.exit(main())
