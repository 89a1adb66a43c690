"""Test a checkpoint: python tools/evaluate.py --checkpoint P [CONFIG] [key=value ...].

Without a configuration the checkpoint's own is used. Scores, confusion matrix and the prediction of
every video are written to a folder beside the checkpoint, or to --out.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.command import ends_cleanly, names_and_overrides


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, then evaluate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, help="last.pt or best.pt of a run")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument(
        "settings", nargs="*", metavar="CONFIG | key=value", help="a YAML file and overrides"
    )
    options = parser.parse_intermixed_args(arguments)
    files, overrides = names_and_overrides(options.settings)
    if len(files) > 1:
        parser.error(f"one CONFIG at most, got {', '.join(files)}")

    from stn_action.experiment.looking import evaluate_checkpoint

    for line in evaluate_checkpoint(
        options.checkpoint, files[0] if files else None, overrides, options.out
    ):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
