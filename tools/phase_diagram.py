"""Which read-out wins where: python tools/phase_diagram.py configs/phase.yaml --out runs/phase.

Generates data for every size of the deciding region, number of distractors and of training clips,
and trains all read-outs. Ends with a table and a chart; the same command continues a run.
"""

import sys
from collections.abc import Sequence
from fractions import Fraction

from stn_action.cli import add_words, ends_cleanly, tool_parser, user_path, worker_count

REGIONS = tuple(Fraction(1, share) for share in (4, 9, 25, 100))
READOUTS = "mean,tiles,attention,saliency,windows"


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then run all cells that are missing."""
    parser = tool_parser(__file__, __doc__)
    add = parser.add_argument
    add_words(parser, "CONFIG", "YAML file, see configs/phase.yaml")
    add("--out", type=user_path, required=True, help="folder of all results")
    add("--regions", type=Fraction, nargs="+", default=REGIONS, help="(default: 1/4 ... 1/100)")
    add("--distractors", type=int, nargs="+", default=(0, 1, 3), help="(default: 0 1 3)")
    add("--clips", type=int, nargs="+", default=(10, 40, 200), help="a class (default: 10 40 200)")
    add("--test-clips", type=int, default=36, help="a class (default: 36)")
    add("--readouts", default=READOUTS, help=f"(default: {READOUTS})")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    add("--data-seed", type=int, default=0, help="of the generated clips (default: 0)")
    add("--workers", type=worker_count, default=2, help="processes (default: 2)")
    add("--keep-sets", action="store_true", help="do not delete the generated sets")
    options = parser.parse_intermixed_args(arguments)

    from rich.console import Console

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.config.schema import load_config
    from stn_action.runs.phase import PhaseRun, run_phase, write_phase
    from stn_action.runs.phase_grid import PhaseGrid
    from stn_action.runs.phase_probe import train_by_probe

    config = load_config(*one_file_and_settings(options.words, "CONFIG"))
    dials = options.regions, options.distractors, options.clips
    run = PhaseRun(
        config, PhaseGrid(*dials, options.test_clips, options.data_seed),
        options.readouts.split(","), options.seeds, options.out, train_by_probe, options.keep_sets,
    )  # fmt: skip
    console = Console(soft_wrap=True, highlight=False)
    records = run_phase(run, workers=options.workers, console=console)
    console.print("\n".join(write_phase(records, options.out)), markup=False)


if __name__ == "__main__":
    sys.exit(main())
