"""Run a benchmark: python tools/benchmark.py SUBJECT [options]; SUBJECT --help lists them."""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import benchmarks


def main() -> None:
    """Parse arguments, then run one file of benchmarks/."""
    subjects = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    parser = argparse.ArgumentParser(description=__doc__, add_help=len(sys.argv) < 3)
    parser.add_argument("subject", choices=subjects)
    options, rest = parser.parse_known_args()
    importlib.import_module(f"benchmarks.{options.subject}").main(rest)


if __name__ == "__main__":
    main()
