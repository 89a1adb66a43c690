"""Draw the windows of heads: python tools/visualize.py --checkpoint P VIDEO_OR_PART --out DIR."""

import sys
from collections.abc import Sequence
from functools import partial

from stn_action.cli import TRUST, ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then draw."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument(
        "--checkpoint", type=user_path, required=True, help="last.pt or best.pt of a run"
    )
    parser.add_argument("--out", type=user_path, required=True, help="folder for the images")
    parser.add_argument(
        "--limit", type=int, default=12, help="maximum number of videos (default: 12)"
    )
    parser.add_argument("--no-mp4", action="store_true", help="write images only, no videos")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="a video to draw, by name; may be repeated"
    )
    parser.add_argument(
        "--figure", action="store_true", help="write figure.png and figure.svg, of up to 6 videos"
    )
    parser.add_argument(
        "--frames", type=int, default=4, help="frames of each video in the figure (default: 4)"
    )
    parser.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO_OR_PART",
        help="files, folders, train, val, test; key=value",
    )
    options = parser.parse_intermixed_args(arguments)
    for name in ("limit", "frames"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")

    from stn_action.config.command_line import files_and_settings
    from stn_action.runs.attention_lines import attention_lines

    names, settings = files_and_settings(options.videos)
    lines = attention_lines(
        options.checkpoint, names, settings, options.out, partial(print, file=sys.stderr),
        limit=options.limit, only=options.only or (), make_mp4=not options.no_mp4,
        figure_frames=options.frames if options.figure else 0, trust=options.trust,
    )  # fmt: skip
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
