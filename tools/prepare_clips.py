"""Re-encode a data set once, small and quick to read: prepare_clips.py CONFIG_OR_FOLDER --out DIR.

Frame for frame, so that frame numbers stay valid; with person boxes (--people), those that fit the
new pictures are written too, and with --crop-people only the people and a margin are kept. A run
that was stopped goes on when the same command is given again. Then train with data.root=DIR.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import add_overrides, ends_cleanly


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, then prepare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", metavar="CONFIG_OR_FOLDER", help="a YAML file or a folder")
    add_overrides(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the copy")
    parser.add_argument("--short-side", type=int, default=256, help="pixels at most (256)")
    boxes = parser.add_mutually_exclusive_group()
    boxes.add_argument("--people", type=Path, help="people file or CSV folder: boxes to rewrite")
    boxes.add_argument("--crop-people", type=Path, help="the same, and cut to the people")
    parser.add_argument("--margin", type=float, default=0.5, help="share added on each side (0.5)")
    parser.add_argument("--crf", type=int, default=18, help="quality, lower is better (18)")
    parser.add_argument("--workers", type=int, default=2, help="processes (0: this one alone)")
    options = parser.parse_intermixed_args(arguments)
    if options.workers < 0 or not 0 <= options.crf <= 51:
        parser.error("--workers must not be negative, --crf must be in [0, 51]")

    from stn_action.jobs.reencode.dataset_copy import prepare_clips
    from stn_action.jobs.reencode.plan import preparation_of
    from stn_action.jobs.reencode.recipe import Recipe

    margin = options.margin if options.crop_people else None
    recipe = Recipe(options.short_side, margin, options.crf)
    people = options.crop_people or options.people
    task = preparation_of(options.videos, options.overrides, options.out, recipe, people)
    for line in prepare_clips(task, workers=options.workers, tell=print).lines():
        print(line)


if __name__ == "__main__":
    sys.exit(main())
