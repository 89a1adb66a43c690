"""Draw the windows of heads: python tools/visualize.py --checkpoint P VIDEO_OR_PART --out DIR."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from stn_action.cli import ends_cleanly, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkpoint", type=user_path, required=True, help="last.pt or best.pt of a run"
    )
    parser.add_argument("--out", type=user_path, required=True, help="folder for the images")
    parser.add_argument(
        "--limit", type=int, default=12, help="maximum number of videos (default: 12)"
    )
    parser.add_argument("--no-mp4", action="store_true", help="write images only, no videos")
    parser.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO_OR_PART",
        help="files, folders, train, val, test; key=value",
    )
    options = parser.parse_intermixed_args(arguments)
    if options.limit < 1:
        parser.error(f"--limit must be at least 1, got {options.limit}")

    from stn_action.build.video_sets import names_a_part, pick_evenly, videos_named
    from stn_action.config.command_line import files_and_settings
    from stn_action.evaluation.video_prediction import FailedPrediction
    from stn_action.predictor import Predictor
    from stn_action.progress import show_progress
    from stn_action.runs.attention_images import visualize

    names, settings = files_and_settings(options.videos)
    own_files = names_a_part(names)  # of the checkpoint's data set
    predictor = Predictor.load(options.checkpoint, settings, own_files=own_files)
    tell = partial(print, file=sys.stderr)
    videos = pick_evenly(
        videos_named(names, predictor.config, announce=tell, classes=predictor.classes),
        options.limit,
    )
    if note := predictor.whole_frame_note(videos):
        tell(note)
    drawn = visualize(predictor, videos, options.out, make_mp4=not options.no_mp4)
    drawn = show_progress(drawn, total=len(videos), what="drawing")
    for video, (prediction, files) in zip(videos, drawn, strict=True):
        for file in files:
            print(file)
        if isinstance(prediction, FailedPrediction):
            print(f"{video.path}: {prediction.failure}")


if __name__ == "__main__":
    sys.exit(main())
