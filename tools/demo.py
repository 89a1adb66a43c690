"""Run everything in minutes: sample data, three arms, images, a table. `make demo` runs it."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from stn_action.cli import ends_cleanly, tool_parser, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then run everything."""
    parser = tool_parser(__file__, __doc__)
    parser.add_argument("--config", type=user_path, default="configs/sample_st.yaml")
    parser.add_argument("--out", type=user_path, default=Path("runs/demo"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    from rich.console import Console

    from stn_action.build.video_sets import pick_evenly, videos_named
    from stn_action.config.schema import load_config
    from stn_action.data.synthetic.sample_set import generate_sample
    from stn_action.predictor import Predictor
    from stn_action.progress import show_progress
    from stn_action.runs.arms import clear, print_arms, run_arms
    from stn_action.runs.attention_images import visualize
    from stn_action.runs.folder import command_line

    console = Console(soft_wrap=True, highlight=False)
    config = load_config(options.config)
    root = generate_sample(
        config.data.root,
        progress=lambda names, total: show_progress(
            names, total=total, what="drawing", unit="clips", console=console
        ),
    )
    console.print(f"sample data set: {root}")
    clear(options.out)
    results = run_arms(config, [options.seed], options.out, command=command_line())
    checkpoint = options.out / f"heads_seed{options.seed}" / "last.pt"
    predictor = Predictor.load(checkpoint, own_files=True, trust=True)  # trained just now
    videos = pick_evenly(videos_named(["test"], predictor.config), 6)
    for _, files in visualize(predictor, videos, options.out / "images"):
        for file in files:
            console.print(f"drawn: {file}")
    print_arms(results, console)
    console.print(f"{time.perf_counter() - start:.0f} s; everything is in {options.out}")


if __name__ == "__main__":
    sys.exit(main())
