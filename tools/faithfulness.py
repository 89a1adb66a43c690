"""Mask what heads look at, and measure what it costs: python tools/faithfulness.py RUN.

RUN is a checkpoint or the folder of a run (of one over folds, all are pooled). The pixels of each
test clip inside the heads' windows (or where half of their weights is), of a Grad-CAM mask, of the
highest activation and of a random rectangle, all of one area, are replaced by the trunk's mean
color, and then all others. Table, numbers and the values of every video are written to a folder.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import TRUST, ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then measure."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("run", type=user_path, metavar="RUN", help="last.pt or best.pt; folder")
    parser.add_argument("--out", type=user_path, help="folder (default: RUN/faithfulness)")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    parser.add_argument(
        "--area", type=float, metavar="SHARE", help="of the frame to mask (default: the heads' own)"
    )
    parser.add_argument(
        "--explain", choices=["predicted", "true"], default="predicted", help="whose probability"
    )
    parser.add_argument("--at", metavar="STAGE", help="of Grad-CAM (default: the heads' own)")
    parser.add_argument(
        "settings", nargs="*", metavar="CONFIG | key=value", help="a YAML file and overrides"
    )
    options = parser.parse_intermixed_args(arguments)

    from rich.console import Console

    from stn_action.config.command_line import files_and_settings
    from stn_action.runs.faithfulness_run import run_faithfulness

    files, overrides = files_and_settings(options.settings)
    if len(files) > 1:
        parser.error(f"expected at most one CONFIG, got {', '.join(files)}")
    lines = run_faithfulness(
        options.run, next(iter(files), None), overrides, options.out,
        area=options.area, explained=options.explain, at=options.at, console=Console(stderr=True),
        trust=options.trust,
    )  # fmt: skip
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
