"""Find the common digit of images: python tools/colocalize.py CONFIG --out DIR [key=value ...].

The co-localization of the spatial transformer paper: for each class of digits, a transformer is
trained on images of that class without labels or boxes. CONFIG is of the classifier whose
activations are compared, which is trained first, or given by --embedding. Ends with a table,
results.json and an image for each class; the same command goes on where it was interrupted.
"""

import sys
from collections.abc import Sequence

from stn_action.cli import add_words, ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then train all classes that are missing."""
    parser = tool_parser(__file__, __doc__)
    add = parser.add_argument
    add_words(parser, "CONFIG", "YAML file, see configs/paper/colocalization.yaml")
    add("--out", type=user_path, required=True, help="folder of all results")
    add("--sets", nargs="+", choices=["T", "TC"], default=["T", "TC"], help="digits at random "
        "places (T), with clutter (TC; default: both)")  # fmt: skip
    add("--classes", type=int, nargs="+", default=range(10), help="(default: 0 to 9)")
    add("--images", type=int, default=1000, help="of a class to train on (default: 1000)")
    add("--canvas", type=int, default=84, help="side of an image in pixels (default: 84)")
    add("--steps", type=int, default=1000, help="of 64 images (default: 1000)")
    add("--seed", type=int, default=0, help="of images and training (default: 0)")
    add("--starts", type=int, default=3, help="random starts of a class, of which the one with "
        "the lowest loss is kept (default: 3)")  # fmt: skip
    add("--embedding", type=user_path, metavar="CHECKPOINT", help="a trained digits/cnn_28")
    options = parser.parse_intermixed_args(arguments)

    from rich.console import Console

    from stn_action.config.command_line import one_file_and_settings
    from stn_action.config.schema import load_config
    from stn_action.runs.colocalization import ColocalizationPlan, run_colocalization
    from stn_action.runs.colocalization_record import describe_colocalization
    from stn_action.runs.folder import command_line
    from stn_action.training.triplets import ColocalizationSchedule

    config = load_config(*one_file_and_settings(options.words, "CONFIG"))
    plan = ColocalizationPlan(
        config, options.out, options.sets, options.classes, options.embedding, options.images,
        options.canvas, options.seed, ColocalizationSchedule(options.steps),
        options.starts,
    )  # fmt: skip
    console = Console(soft_wrap=True, highlight=False)
    records = run_colocalization(plan, command=command_line(), console=console)
    console.print("\n".join(describe_colocalization(records)), markup=False)


if __name__ == "__main__":
    sys.exit(main())
