"""Draw the input of a network: python tools/preview.py CONFIG [key=value ...] --out DIR.

Draws a sheet for each of a few videos and an overview: source frames with all person boxes, the
loosened box and the crop, and below them the clips that training or testing gets.
"""

import argparse
import sys
from collections.abc import Sequence

from stn_action.cli import add_words, ends_cleanly, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_words(parser, "CONFIG", "YAML file, see configs/")
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
    from stn_action.config.schema import load_config
    from stn_action.runs.preview import preview

    config = load_config(*one_file_and_settings(options.words, "CONFIG"))
    for line in preview(
        config, options.out, part=options.part, limit=options.limit, draws=options.draws
    ):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
