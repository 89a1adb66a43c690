"""Compare three arms: python tools/compare.py CONFIG --seeds 0 1 2 --out DIR [key=value ...].

Trains the configuration without heads, with frozen heads and with trained heads, and writes one
table. Finished runs are not repeated. With --sweep KEY=V1,V2 all arms are trained at every value
and a chart is drawn; --reference KEY=VALUE adds one more setting beside the sweep.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import add_words, ends_processes_cleanly, tool_parser, user_path
from stn_action.launch import is_main_process


@ends_processes_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then train and compare."""
    parser = tool_parser(__file__, __doc__)
    add_words(parser, "CONFIG", "YAML file, see configs/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--out", type=user_path, required=True, help="folder for all runs")
    parser.add_argument("--sweep", metavar="KEY=V1,V2", help="train at each of these values")
    parser.add_argument(
        "--reference", action="append", default=[], metavar="KEY=VALUE", help="may be repeated"
    )
    options = parser.parse_intermixed_args(arguments)
    if options.reference and not options.sweep:
        parser.error("--reference needs a --sweep")

    from rich.console import Console

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.config.schema import load_config
    from stn_action.disk.atomic_file import write_file
    from stn_action.runs.arms import describe, print_arms, run_arms
    from stn_action.runs.folder import command_line
    from stn_action.runs.train_sweep import run_arm_sweep, write_arm_sweep

    config = load_config(*one_file_and_settings(options.words, "CONFIG"))
    if options.sweep:
        points = run_arm_sweep(
            config, options.sweep, options.seeds, options.out,
            reference=options.reference, command=command_line(),
        )  # fmt: skip
        lines = write_arm_sweep(points, options.sweep, options.out) if is_main_process() else []
        for line in lines:
            Console(soft_wrap=True).print(line, markup=False, highlight=False)
        return
    results = run_arms(config, options.seeds, options.out, command=command_line())
    if not is_main_process():
        return
    write_file(options.out / "table.md", "\n".join(describe(results)) + "\n")
    print_arms(results, Console(soft_wrap=True, highlight=False))


if __name__ == "__main__":
    sys.exit(main())
