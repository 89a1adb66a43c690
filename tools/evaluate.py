"""Test a checkpoint: python tools/evaluate.py --checkpoint P [CONFIG] [key=value ...].

Without a configuration the checkpoint's own is used. Scores, confusion matrix and the prediction of
every video are written to a folder beside the checkpoint, or to --out. With --sweep KEY=V1,V2 the
checkpoint is tested at every value, for a table and a curve; several checkpoints or run folders
give a curve each (all folds of a run pooled).
"""

import sys
from collections.abc import Sequence

from stn_action.cli import TRUST, ends_processes_cleanly, tool_parser, user_path


@ends_processes_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then evaluate."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument(
        "--checkpoint", required=True, nargs="+", metavar="P", help="last.pt or best.pt; folder"
    )
    parser.add_argument("--sweep", metavar="KEY=V1,V2", help="test at each of these values")
    parser.add_argument("--out", type=user_path, help="folder for the results")
    parser.add_argument("--trust", action="store_true", help=TRUST)
    parser.add_argument(
        "settings", nargs="*", metavar="CONFIG | key=value", help="a YAML file and overrides"
    )
    options = parser.parse_intermixed_args(arguments)

    from stn_action.config.command_line import files_and_settings, split_checkpoints

    words, after = split_checkpoints(options.checkpoint)
    checkpoints = files_and_settings(words)[0]
    files, overrides = files_and_settings([*after, *options.settings])
    if len(files) > 1:
        parser.error(f"expected at most one CONFIG, got {', '.join(files)}")
    if len(checkpoints) > 1 and options.sweep is None:
        parser.error(f"expected one checkpoint without --sweep, got {', '.join(checkpoints)}")
    given = next(iter(files), None), overrides, options.out
    if options.sweep is not None:
        from stn_action.runs.test_sweep import sweep_checkpoints

        sweep_checkpoints(checkpoints, options.sweep, *given, trust=options.trust)
        return
    from stn_action.runs.checkpoint_test import evaluate_checkpoint

    for line in evaluate_checkpoint(checkpoints[0], *given, trust=options.trust):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
