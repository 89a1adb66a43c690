"""Predict classes of videos: python tools/predict.py --checkpoint P VIDEO... [key=value ...].

With --out, who does what when in one long video, a camera (its number), a network stream (its URL)
or a pipe (-): python tools/predict.py --checkpoint P VIDEO --people DETECTOR --out DIR.
"""

import sys
from collections.abc import Sequence
from functools import partial

from stn_action.cli import TRUST, ends_cleanly, finite_number, tool_parser, user_path

KINDS = "torchvision:NAME[=WEIGHTS] | onnx:PATH[@SIDE] | python:MODULE:NAME"


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then predict."""
    parser = tool_parser(__file__, __doc__)
    add = parser.add_argument
    add("--checkpoint", type=user_path, required=True, help="last.pt or best.pt of a run")
    add("--top", type=int, default=3, help="classes to print (default: 3)")
    add("--trust", action="store_true", help=TRUST)
    add("--json", action="store_true", help="print one JSON object per line")
    add("videos", nargs="+", metavar="VIDEO", help="videos, or folders of videos")
    add = parser.add_argument_group("timeline").add_argument
    add("--out", type=user_path, help="folder for the timeline of one video or stream")
    add("--people", metavar="DETECTOR", help=f"detect and track people: {KINDS}")
    add("--whole-frame", action="store_true", help="classify the whole frame, no people")
    add("--every", type=finite_number, help="seconds between windows (default: half a window)")
    add("--tracker", default="bytetrack", help="bytetrack, botsort, ocsort, cbiou or sort")
    add("--detect-every", type=int, default=3, help="detect in every n-th frame (default: 3)")
    add("--no-mp4", action="store_true", help="do not write the annotated video")
    options = parser.parse_intermixed_args(arguments)
    if options.top < 1:
        parser.error(f"--top must be at least 1, got {options.top}")
    timeline = options.out is not None
    if (options.people is not None) + options.whole_frame != timeline:
        parser.error("a timeline needs --out, and either --people DETECTOR or --whole-frame")

    from stn_action.config.command_line import files_and_settings
    from stn_action.runs.timeline import TimelinePlan, write_timeline
    from stn_action.runs.video_classes import class_lines

    words = files_and_settings(options.videos)
    if timeline:
        numbers = options.every, options.tracker, options.detect_every
        plan = TimelinePlan(options.people, *numbers, make_mp4=not options.no_mp4)
        given, tell = (*words, options.out, plan), partial(print, flush=True)
        return write_timeline(options.checkpoint, *given, tell=tell, trust=options.trust)
    given = options.checkpoint, *words, options.top, partial(print, file=sys.stderr)
    for line in class_lines(*given, as_json=options.json, trust=options.trust):
        print(line)
    return None


if __name__ == "__main__":
    sys.exit(main())
