"""Re-encode videos for fast reading: python tools/reencode_videos.py CONFIG_OR_FOLDER --out DIR.

The copy has small frames and dense keyframes. It keeps every frame, so frame numbers stay valid.
With person boxes (--people) the boxes are rewritten for the copy; with --crop-people the frames are
also cropped to the people and a margin. The same command continues an interrupted run. Then train
with data.root=DIR.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import (
    add_words,
    add_workers,
    ends_cleanly,
    finite_number,
    tool_parser,
    user_path,
)


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then re-encode."""
    parser = tool_parser(__file__, __doc__)
    add_words(parser, "CONFIG_OR_FOLDER", "a YAML file or a folder of videos")
    parser.add_argument("--out", type=user_path, required=True, help="folder of the copy")
    add = parser.add_argument
    add("--short-side", type=int, default=256, help="maximum, in pixels (default: 256)")
    boxes = parser.add_mutually_exclusive_group()
    boxes.add_argument(
        "--people", type=user_path, help="people file or CSV folder: boxes to rewrite"
    )
    boxes.add_argument("--crop-people", type=user_path, help="the same, and crop to the people")
    parser.add_argument(
        "--margin", type=finite_number, default=0.5, help="share added on each side (default: 0.5)"
    )
    add("--crf", type=int, default=18, help="H.264 quality, lower is better (default: 18)")
    add_workers(parser)
    options = parser.parse_intermixed_args(arguments)
    if not 0 <= options.crf <= 51:
        parser.error(f"--crf must be in [0, 51], got {options.crf}")

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.jobs.reencode.dataset_copy import reencode_dataset
    from stn_action.jobs.reencode.plan import plan_reencode
    from stn_action.jobs.reencode.reencoded_video import Recipe

    margin = options.margin if options.crop_people else None
    recipe = Recipe(options.short_side, margin, options.crf)
    people = options.crop_people or options.people
    videos, settings = one_file_and_settings(options.words, "CONFIG_OR_FOLDER")
    plan = plan_reencode(videos, settings, options.out, recipe, people, announce=print)
    for line in reencode_dataset(plan, workers=options.workers, announce=print).lines():
        print(line)


if __name__ == "__main__":
    sys.exit(main())
