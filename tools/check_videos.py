"""Find broken videos: python tools/check_videos.py CONFIG_OR_FOLDER --out manifest.tsv.

Decodes every video of a configuration's data set, or below a folder, once, and writes a table of
their frames, rate, size, checksum and damage. The same command continues an interrupted run; later
runs decode only files that have changed.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import add_words, add_workers, ends_cleanly, tool_parser, user_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status is 1 if --strict is given and a video is broken."""
    broken: list[str] = []
    return ends_cleanly(lambda given: broken.extend(check(given)))(arguments) or int(bool(broken))


def check(arguments: Sequence[str] | None) -> list[str]:
    """Parse arguments, then check; return the names of broken videos if --strict is given."""
    parser = tool_parser(__file__, __doc__)
    add_words(parser, "CONFIG_OR_FOLDER", "a YAML file or a folder of videos")
    parser.add_argument("--out", type=user_path, required=True, help="the table to write")
    add_workers(parser)
    parser.add_argument("--strict", action="store_true", help="exit status 1 if a video is broken")
    options = parser.parse_intermixed_args(arguments)

    from stn_action.build.video_sets import videos_of
    from stn_action.config.command_line import one_file_and_settings
    from stn_action.jobs.check_videos import check_videos

    words = one_file_and_settings(options.words, "CONFIG_OR_FOLDER")
    videos = videos_of(*words, announce=print)
    found = check_videos(videos, options.out, workers=options.workers)
    for line in found.lines():
        print(line)
    return [*found.job.failures, *found.damaged] if options.strict else []


if __name__ == "__main__":
    sys.exit(main())
