"""Prepare data sets: `python tools/prepare_data.py sample --out data/sample`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import ends_cleanly


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run the chosen command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sample = commands.add_parser("sample", help="generate the sample data set")
    sample.add_argument("--out", type=Path, default=Path("data/sample"), help="folder to write")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument(
        "--clips-per-class",
        type=int,
        nargs=2,
        default=(40, 20),
        metavar=("TRAIN", "TEST"),
        help="clips of each of the six classes (default: 40 20)",
    )
    sample.add_argument("--workers", type=int, default=2, help="processes (0: this one alone)")
    options = parser.parse_args(arguments)

    from stn_action.data.synthetic.sample_set import generate_sample
    from stn_action.progress import show_progress

    root = generate_sample(
        options.out,
        seed=options.seed,
        clips_per_class=tuple(options.clips_per_class),
        num_workers=options.workers,
        progress=lambda names, total: show_progress(
            names, total=total, what="drawing", unit="clips"
        ),
    )
    print(f"the sample data set is in {root}")


if __name__ == "__main__":
    sys.exit(main())
