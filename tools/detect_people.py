"""Detect and track people: python tools/detect_people.py CONFIG_OR_FOLDER --out people.sqlite.

Processes every video of a configuration's data set, or below a folder. The same command continues
an interrupted run and processes changed videos again. With --merge, files from several machines
become one: python tools/detect_people.py --merge A B --out people.sqlite.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import add_workers, ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then detect or merge."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("words", nargs="*", metavar="CONFIG_OR_FOLDER | key=value")
    parser.add_argument("--out", type=user_path, required=True, help="the people file (SQLite)")
    parser.add_argument(
        "--detector",
        default="torchvision:fasterrcnn_mobilenet_v3_large_320_fpn",
        metavar="torchvision:NAME[=WEIGHTS] | onnx:PATH[@SIDE] | python:MODULE:NAME",
    )
    add = parser.add_argument
    add("--every", type=int, default=3, help="detect in every n-th frame (default: 3)")
    add("--min-score", type=float, default=0.1, help="drop weaker detections (default: 0.1)")
    add("--tracker", default="bytetrack", help="bytetrack, botsort, ocsort, cbiou or sort")
    parser.add_argument("--batch-size", type=int, default=8, help="frames at a time (default: 8)")
    add_workers(parser)
    parser.add_argument(
        "--merge", type=user_path, nargs="+", metavar="FILE", help="people files to merge"
    )
    options = parser.parse_intermixed_args(arguments)
    if bool(options.words) != (options.merge is None):
        parser.error("expected one CONFIG_OR_FOLDER, or --merge FILE...")

    from stn_action.build.video_sets import videos_of
    from stn_action.config.command_line import one_file_and_settings
    from stn_action.jobs.detect_people import DetectionPlan, detect_all, merge_files

    if options.merge:
        lines = merge_files(options.merge, options.out)
    else:
        numbers = options.every, options.min_score, options.batch_size
        plan = DetectionPlan(options.detector, *numbers, tracker=options.tracker)
        words = one_file_and_settings(options.words, "CONFIG_OR_FOLDER")
        videos = videos_of(*words, announce=print)
        lines = detect_all(videos, options.out, plan, workers=options.workers)
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
