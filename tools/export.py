"""Export a trained network: python tools/export.py --checkpoint P --to onnx [key=value ...].

onnx is for ONNX Runtime and others, torch_export for torch.export.load, safetensors holds weights
without pickle. Classes and settings are in the file: Predictor.load and tools/predict.py take it.
"""

import sys
from collections.abc import Sequence
from typing import get_args

from stn_action.cli import TRUST, ends_cleanly, tool_parser, user_path
from stn_action.export.export_choices import ExportForm


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then export."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument(
        "--checkpoint", type=user_path, required=True, help="last.pt or best.pt of a run"
    )
    parser.add_argument("--to", choices=get_args(ExportForm), required=True, help="the form")
    parser.add_argument("--out", type=user_path, help="the file (default: beside the checkpoint)")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="settings, as in data.crop.size=224"
    )
    options = parser.parse_intermixed_args(arguments)

    from stn_action.export.export_checkpoint import export_checkpoint

    for line in export_checkpoint(
        options.checkpoint, options.to, options.out, options.settings, trust=options.trust
    ):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
