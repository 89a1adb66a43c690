"""Describe a trunk: python tools/describe.py torchvision/r2plus1d_18 [data.crop.size=224 ...].

Stages with their maps on a clip, parameters and cost, where their cells look, and where heads pay.
In the table, maps, cells, shifts and fields are time x height x width, in frames and pixels: `cell`
is the distance from one cell to the next, `shift` that from the clip's center to the map's, `field`
what a cell depends on as far as the clip goes, and `near` the share of its gradient within half of
the clip's height and width around it.
"""

import json
import sys
from collections.abc import Sequence

from stn_action.cli import ends_cleanly, tool_parser


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then measure and print."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("backbone", metavar="BACKBONE", help="library/model, as model.backbone")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="of a configuration")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_intermixed_args(arguments)

    from stn_action.build.backbone_report import describe_backbone

    report = describe_backbone(options.backbone, options.settings)
    print(json.dumps(report.to_dict(), indent=1) if options.json else "\n".join(report.lines()))


if __name__ == "__main__":
    sys.exit(main())
