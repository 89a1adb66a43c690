"""Generate the sample data set: python tools/make_sample.py --out data/sample."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import add_workers, ends_cleanly, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then generate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out",
        type=user_path,
        default=Path("data/sample"),
        help="folder (default: data/sample)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the clips (default: 0)")
    parser.add_argument(
        "--clips-per-class",
        type=int,
        nargs=2,
        default=(40, 20),
        metavar=("TRAIN", "TEST"),
        help="clips of each of the six classes (default: 40 20)",
    )
    add_workers(parser)
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
    print(f"written to {root}")


if __name__ == "__main__":
    sys.exit(main())
