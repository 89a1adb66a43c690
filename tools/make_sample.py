"""Generate the sample data set: python tools/make_sample.py --out data/sample.

With --figure-share people are smaller in larger frames. With --region-share, the sign set instead:
a sign of this share of the frame decides among four classes, beside up to three signs that do not.
"""

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from stn_action.cli import add_workers, ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then generate."""
    parser = tool_parser(__file__, __doc__)
    add = parser.add_argument
    out = Path("data/sample")
    add("--out", type=user_path, default=out, help="folder (default: data/sample)")
    add("--seed", type=int, default=0, help="of the clips (default: 0)")
    add("--clips-per-class", type=int, nargs=2, default=(40, 20), metavar=("TRAIN", "TEST"),
        help="clips of each of the classes (default: 40 20)")  # fmt: skip
    add("--figure-share", type=Fraction, metavar="SHARE",
        help="height of a person, of the frame's, 1/8 to 1/2 (default: half)")  # fmt: skip
    add("--region-share", type=Fraction, metavar="SHARE",
        help="sign set: the deciding sign's share of the frame, 1/100 to 1/4")  # fmt: skip
    add("--distractors", type=int, metavar="N", help="sign set: other signs, 0 to 3 (default: 0)")
    add_workers(parser)
    options = parser.parse_args(arguments)
    if options.distractors is not None and options.region_share is None:
        parser.error("--distractors belongs to the sign set: give --region-share too")
    if options.figure_share is not None and options.region_share is not None:
        parser.error("--figure-share is of people: leave --region-share out")

    from stn_action.data.synthetic.sample_set import generate_sample
    from stn_action.data.synthetic.sign_set import generate_signs
    from stn_action.progress import show_progress

    generate, dials = generate_sample, {}
    if options.region_share is not None:
        generate = generate_signs
        dials["region_share"] = float(options.region_share)
        dials["num_distractors"] = options.distractors or 0
    elif options.figure_share is not None:
        dials["figure_share"] = float(options.figure_share)
    root = generate(
        options.out, seed=options.seed, clips_per_class=tuple(options.clips_per_class),
        num_workers=options.workers, **dials,
        progress=lambda names, total: show_progress(names, total=total, what="drawing"),
    )  # fmt: skip
    print(f"written to {root}")


if __name__ == "__main__":
    sys.exit(main())
