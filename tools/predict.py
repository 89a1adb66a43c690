"""Predict classes of videos: python tools/predict.py --checkpoint P VIDEO... [key=value ...]."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial

from stn_action.cli import ends_cleanly, user_path


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkpoint", type=user_path, required=True, help="last.pt or best.pt of a run"
    )
    parser.add_argument("--top", type=int, default=3, help="classes to print (default: 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="videos, or folders of videos")
    options = parser.parse_intermixed_args(arguments)
    if options.top < 1:
        parser.error(f"--top must be at least 1, got {options.top}")

    from stn_action.build.video_sets import names_a_part, videos_named
    from stn_action.config.command_line import files_and_settings
    from stn_action.evaluation.video_prediction import VideoPrediction
    from stn_action.predictor import Predictor
    from stn_action.progress import show_progress

    names, settings = files_and_settings(options.videos)
    own_files = names_a_part(names)  # of the checkpoint's data set
    predictor = Predictor.load(options.checkpoint, settings, own_files=own_files)
    tell = partial(print, file=sys.stderr)
    videos = videos_named(names, predictor.config, announce=tell)
    if note := predictor.whole_frame_note(videos):
        tell(note)
    predictions = show_progress(predictor.predict_all(videos), total=len(videos), what="predicting")
    for video, found in zip(videos, predictions, strict=True):
        is_read = isinstance(found, VideoPrediction)
        top, failure = (found.top(options.top), None) if is_read else ([], found.failure)
        shown = video.name if video.is_slice else str(video.path)  # a file may have many slices
        if options.json:
            print(json.dumps({"video": shown, "top": top, "failure": failure}))
        else:
            classes = "  ".join(f"{name} {value:.1%}" for name, value in top)
            print(f"{shown}: {classes or failure}")


if __name__ == "__main__":
    sys.exit(main())
