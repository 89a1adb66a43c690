"""Find and follow people: python tools/detect_people.py CONFIG_OR_FOLDER --out people.sqlite.

Goes through every video of a configuration's data set, or below a folder. A run that was stopped
goes on when the same command is given again, and looks at changed videos anew. With --merge, files
that other machines wrote are joined: python tools/detect_people.py --merge A B --out people.sqlite.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import ends_cleanly, names_and_overrides


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, then detect or merge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="*", metavar="CONFIG_OR_FOLDER | key=value")
    parser.add_argument("--out", type=Path, required=True, help="the people file (SQLite)")
    parser.add_argument(
        "--detector",
        default="torchvision:fasterrcnn_mobilenet_v3_large_320_fpn",
        metavar="torchvision:NAME[=WEIGHTS] | onnx:PATH[@SIDE] | python:MODULE:NAME",
    )
    parser.add_argument("--every", type=int, default=3, help="look at every n-th frame (3)")
    parser.add_argument("--min-score", type=float, default=0.1, help="drop weaker detections (0.1)")
    parser.add_argument("--batch-size", type=int, default=8, help="frames at once (8)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2; 0: this one alone)")
    parser.add_argument("--merge", type=Path, nargs="+", metavar="FILE", help="files to join")
    options = parser.parse_intermixed_args(arguments)
    names, overrides = names_and_overrides(options.videos)
    if len(names) != (options.merge is None) or options.workers < 0:
        parser.error("expected one CONFIG_OR_FOLDER, or --merge FILES; --workers from 0")

    from stn_action.build.video_sets import videos_of
    from stn_action.jobs.detect_people import DetectionPlan, detect_all, merge_files

    if options.merge:
        lines = merge_files(options.merge, options.out)
    else:
        plan = DetectionPlan(options.detector, options.every, options.min_score, options.batch_size)
        videos = videos_of(names[0], overrides)
        lines = detect_all(videos, options.out, plan, workers=options.workers)
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
