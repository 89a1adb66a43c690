"""Convert person boxes: python tools/convert_people.py SOURCE --from FORMAT --out OUT.

Reads MOTChallenge, UCF101-24, JHMDB, AVA, COCO, CUB or CSV and writes a people file for
data.people, or another format with --to. With --videos only boxes of these videos are kept, under
their names. AVA's samples: data/ava --from ava_samples --videos configs/ava_st.yaml.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import ends_cleanly, finite_number, frame_size, tool_parser, user_path
from stn_action.person.person_choices import READABLE, WRITABLE


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then convert."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("source", type=user_path, metavar="SOURCE", help="file or folder to read")
    parser.add_argument("--from", dest="kind", choices=READABLE, required=True)
    parser.add_argument("--to", choices=WRITABLE, default="sqlite")
    parser.add_argument("--out", type=user_path, required=True, help="file or folder to write")
    parser.add_argument("--videos", type=user_path, metavar="CONFIG_OR_FOLDER", help="the videos")
    add = parser.add_argument
    add("--fps", type=finite_number, help="frames per second (ava, mot_det)")
    add("--tracker", default="bytetrack", help="bytetrack, botsort, ocsort, ... (mot_det)")
    add("--size", type=frame_size, metavar="WIDTHxHEIGHT", help="of the frames (ava)")
    parser.add_argument(
        "--start-seconds", type=finite_number, default=0.0, help="time of the first frame (ava)"
    )
    parser.add_argument("--actions", type=user_path, help="list of actions, .pbtxt (ava)")
    parser.add_argument("--excluded", type=user_path, help="excluded timestamps, .csv (ava)")
    options = parser.parse_args(arguments)
    if options.fps is not None and not options.fps > 0:
        parser.error(f"--fps must be positive, got {options.fps:g}")

    from stn_action.build.video_sets import videos_of
    from stn_action.jobs.convert_people import read_boxes, write_people
    from stn_action.jobs.job_spec import list_few
    from stn_action.progress import show_progress

    failures: dict[str, str] = {}
    videos = videos_of(options.videos) if options.videos else None
    ava = {"actions": options.actions, "excluded": options.excluded}
    ava |= {"start_seconds": options.start_seconds, "size_hw": options.size}
    given = {"fps": options.fps, "tracker": options.tracker, "ava": ava}
    people = read_boxes(options.source, options.kind, videos, failures, **given)
    made_by = f"{options.kind}: {options.source.name}"
    people = show_progress(people, total=None, what="converting")
    number = write_people(options.out, options.to, people, made_by=made_by)
    print(f"{options.out}: {number} videos written")
    print(*list_few("left without boxes", failures), sep="\n", end="\n" if failures else "")


if __name__ == "__main__":
    sys.exit(main())
