"""Generate the sample data set: python tools/make_sample.py --out data/sample.

With --region-share, the sign set instead: a sign of this share of the frame decides among four
classes, beside up to three signs that do not.
"""

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from stn_action.cli import add_workers, ends_cleanly, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then generate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=user_path, default=Path("data/sample"), help="folder (default: data/sample)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the clips (default: 0)")
    parser.add_argument(
        "--clips-per-class", type=int, nargs=2, default=(40, 20), metavar=("TRAIN", "TEST"),
        help="clips of each of the classes (default: 40 20)",
    )  # fmt: skip
    parser.add_argument(
        "--region-share", type=Fraction, metavar="SHARE",
        help="sign set: the deciding sign's share of the frame, 1/100 to 1/4",
    )  # fmt: skip
    parser.add_argument(
        "--distractors", type=int, metavar="N", help="sign set: other signs, 0 to 3 (default: 0)"
    )
    add_workers(parser)
    options = parser.parse_args(arguments)
    if options.distractors is not None and options.region_share is None:
        parser.error("--distractors belongs to the sign set: give --region-share too")

    from stn_action.data.synthetic.sample_set import generate_sample
    from stn_action.data.synthetic.sign_set import generate_signs
    from stn_action.progress import show_progress

    generate, dials = generate_sample, {}
    if options.region_share is not None:
        generate = generate_signs
        dials["region_share"] = float(options.region_share)
        dials["num_distractors"] = options.distractors or 0
    root = generate(
        options.out, seed=options.seed, clips_per_class=tuple(options.clips_per_class),
        num_workers=options.workers, **dials,
        progress=lambda names, total: show_progress(names, total=total, what="drawing"),
    )  # fmt: skip
    print(f"written to {root}")


if __name__ == "__main__":
    sys.exit(main())
