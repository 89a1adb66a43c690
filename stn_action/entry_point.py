"""The command `stn-action`: the tools of a checkout, for users who installed the package.

`stn-action train CONFIG` is `python tools/train.py CONFIG`. CONFIG is a file, or the name of a
configuration that comes with the package.
"""

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import stn_action

TOOLS = {
    "init": ("init", "write a configuration for your own videos"),
    "train": ("train", "train by a configuration"),
    "evaluate": ("evaluate", "test a checkpoint"),
    "predict": ("predict", "predict classes of videos"),
    "visualize": ("visualize", "draw where heads looked"),
    "describe": ("describe", "describe the stages of a trunk"),
    "export": ("export", "write a checkpoint as ONNX, a PyTorch program or safetensors"),
    "compare": ("compare", "compare no heads, frozen heads and heads"),
    "probe": ("probe", "compare read-outs of a frozen trunk"),
    "faithfulness": ("faithfulness", "mask what heads look at, and measure what it costs"),
    "curves": ("learning_curves", "draw accuracy against training clips"),
    "phase-diagram": ("phase_diagram", "which read-out wins where, on generated data"),
    "colocalize": ("colocalize", "find the common digit of images"),
    "prepare": ("prepare_data", "get a public data set, check it against its lists"),
    "check": ("check_videos", "find broken videos"),
    "detect": ("detect_people", "detect and track people"),
    "convert": ("convert_people", "convert person boxes between formats"),
    "reencode": ("reencode_videos", "re-encode videos for fast reading"),
    "preview": ("preview", "draw the input of a network"),
    "sample": ("make_sample", "generate the sample data set"),
    "demo": ("demo", "run everything in minutes"),
    "doctor": ("doctor", "check the installation"),
}
"""Verb to the tool that does it, and what it does."""
CHECKOUT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool that the first argument names.

    Returns:
        Its exit status; 2 without a known verb.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_usage())  # noqa: T201
        return 0 if arguments else 2
    verb, *rest = arguments
    if verb in ("-V", "--version"):
        print(f"stn_action {stn_action.__version__}")  # noqa: T201
        return 0
    tool = next((one for name, (one, _) in TOOLS.items() if verb in (name, one)), None)
    if tool is None:
        near = difflib.get_close_matches(verb, TOOLS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"error: stn-action has no verb {verb!r}{hint}\n\n{_usage()}", file=sys.stderr)  # noqa: T201
        return 2
    sys.argv = [f"stn-action {verb}", *rest]
    return _module(tool).main(rest)


def _usage() -> str:
    width = max(map(len, TOOLS))
    lines = [f"  {verb:<{width}}  {about}" for verb, (_, about) in TOOLS.items()]
    return "\n".join(
        ["usage: stn-action VERB ...", "", *lines, "", "stn-action VERB --help tells the rest."]
    )


def _module(tool: str):
    """Import a tool: that of the checkout which the package is in, or of the installed package."""
    if (CHECKOUT / "tools" / f"{tool}.py").is_file():
        if str(CHECKOUT) not in sys.path:
            sys.path.insert(0, str(CHECKOUT))
        return import_module(f"tools.{tool}")
    return import_module(f"stn_action.commands.{tool}")
