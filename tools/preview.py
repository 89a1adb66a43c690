"""Draw the input of a network: python tools/preview.py CONFIG_OR_FOLDER --out DIR.

Draws a sheet for each of a few videos and an overview: source frames with all person boxes, the
loosened box and the crop, and below them the clips that training or testing gets. Of a folder of
class folders the settings of configs/own_videos.yaml are shown, and those given as key=value.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import add_words, ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then draw."""
    parser = tool_parser(__file__, __doc__)
    add_words(parser, "CONFIG_OR_FOLDER", "a YAML file or a folder of class folders")
    parser.add_argument("--out", type=user_path, required=True, help="folder for the images")
    parser.add_argument(
        "--part", choices=("train", "val", "test"), default="train", help="(default: train)"
    )
    parser.add_argument(
        "--limit", type=int, default=6, help="maximum number of videos (default: 6)"
    )
    parser.add_argument("--draws", type=int, default=3, help="clips of each video (default: 3)")
    options = parser.parse_intermixed_args(arguments)
    for name in ("limit", "draws"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.runs.own_config import config_or_own_videos
    from stn_action.runs.preview import preview

    config = config_or_own_videos(*one_file_and_settings(options.words, "CONFIG_OR_FOLDER"))
    for line in preview(
        config, options.out, part=options.part, limit=options.limit, draws=options.draws
    ):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
