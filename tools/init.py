"""Write a configuration for videos of your own: python tools/init.py MY_VIDEOS.

MY_VIDEOS is a folder with a folder of videos for each class (or with train/ and test/ that hold
them), or a CSV file with the columns path and label. Its videos are looked at, and MY_VIDEOS.yaml
is written with values that fit them, each with its reason. The commands that follow are printed.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then look at the videos and write the file."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("videos", type=user_path, metavar="MY_VIDEOS", help="a folder or CSV file")
    parser.add_argument(
        "--out", type=user_path, help="the file to write (default: MY_VIDEOS.yaml, here)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    parser.add_argument(
        "--weights", metavar="FILE | none",
        help="weights of timm's tf_efficientnet_lite0; none: a small trunk learns from scratch "
        "(default: the published ones, if they can be downloaded)",
    )  # fmt: skip
    parser.add_argument(
        "--detector", metavar="torchvision:NAME[=WEIGHTS] | onnx:PATH[@SIDE] | none",
        help="searches a few frames for people; none: use whole frames (default: torchvision's)",
    )  # fmt: skip
    parser.add_argument("--people", type=user_path, help="people file or folder of boxes you have")
    options = parser.parse_args(arguments)

    from stn_action.runs.own_config import InitPlan, write_own_config

    plan = InitPlan(options.out, options.force, options.weights, options.detector, options.people)
    for line in write_own_config(options.videos, plan):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
