"""Draw accuracy against training clips: python tools/learning_curves.py RUN RUN ... --out FILE.png.

Each RUN is the folder of a tools/probe.py that differs from the others in --per-class alone.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then draw."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("runs", type=user_path, nargs="+", metavar="RUN", help="folder of a probe")
    parser.add_argument("--title", default="", help="above the chart")
    parser.add_argument("--out", type=user_path, required=True, help="PNG file, an SVG beside it")
    options = parser.parse_args(arguments)

    from stn_action.runs.learning_curves import draw_learning_curves
    from stn_action.visualize.chart_figure import save_figure

    figure = draw_learning_curves(options.runs, title=options.title)
    for path in save_figure(options.out, figure):
        print(f"written to {path}")


if __name__ == "__main__":
    sys.exit(main())
