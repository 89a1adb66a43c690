"""Three arms side by side: python tools/compare.py CONFIG --seeds 0 1 2 --out DIR [key=value ...].

Trains the configuration without heads, with heads frozen at their start and with heads that learn,
and writes one table. A run that is finished already is not repeated.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.command import add_overrides, ends_cleanly


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, then train and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="YAML file, see configs/")
    add_overrides(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True, help="folder for all runs")
    options = parser.parse_intermixed_args(arguments)

    from rich.console import Console

    from stn_action.config import load_config
    from stn_action.experiment.arms import describe, run_arms, show
    from stn_action.experiment.run_folder import command_line

    config = load_config(options.config, options.overrides)
    results = run_arms(config, options.seeds, options.out, command=command_line())
    (options.out / "table.md").write_text("\n".join(describe(results)) + "\n", encoding="utf-8")
    show(results, Console(soft_wrap=True, highlight=False))


if __name__ == "__main__":
    sys.exit(main())
