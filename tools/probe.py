"""Compare read-outs of a frozen trunk: python tools/probe.py CONFIG --out DIR [key=value ...].

Stores the features of the configuration's frozen stage once and trains every read-out at every
rate, with every seed, on every fold. Ends with a table, a chart and results.json; what is finished
is not repeated. --variant NAME:key=value,... adds an arm with other settings of model.focus.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import (
    add_words,
    ends_cleanly,
    number_list,
    tool_parser,
    user_path,
    worker_count,
)


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then train the grid."""
    parser = tool_parser(__file__, __doc__)
    add_words(parser, "CONFIG", "YAML file, see configs/")
    every = "mean,tiles,max,foreground,saliency,attention,windows"
    parser.add_argument("--readouts", default=every, help=f"(default: {every})")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME:key=value,...")
    parser.add_argument("--lr", type=number_list, help="V1,V2 (default: the configuration's)")
    parser.add_argument("--relative-lr", type=number_list, help="of windows; likewise")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--per-class", type=int, metavar="N", help="train on N clips a class")
    parser.add_argument("--on", choices=["test", "inner"], default="test", help="inner: test on "
                        "groups held out of the training clips")  # fmt: skip
    parser.add_argument("--select", choices=["inner"], help="choose rates on inner groups")
    parser.add_argument("--against", help="arm to compare with (default: mean, else the first)")
    parser.add_argument("--out", type=user_path, required=True, help="folder for the results")
    parser.add_argument("--workers", type=worker_count, default=0, help="processes (default: 0)")
    options = parser.parse_intermixed_args(arguments)

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.config.schema import load_config
    from stn_action.runs.folder import command_line
    from stn_action.runs.probe import ProbePlan, run_probe
    from stn_action.runs.probe_file import write_probe
    from stn_action.runs.probe_grid import parse_arms

    config = load_config(*one_file_and_settings(options.words, "CONFIG"))
    plan = ProbePlan(
        parse_arms([name for name in options.readouts.split(",") if name], options.variant),
        options.lr or [config.optim.lr], options.relative_lr or [config.optim.relative_lr],
        options.seeds, options.per_class, options.on, options.select, options.against,
    )  # fmt: skip
    results = run_probe(config, plan, options.out, workers=options.workers)
    print(write_probe(results, options.out, command=command_line()), end="")


if __name__ == "__main__":
    sys.exit(main())
