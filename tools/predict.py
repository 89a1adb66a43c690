"""Predict classes of videos: python tools/predict.py --checkpoint P VIDEO... [key=value ...]."""

import argparse
import json
import sys
from collections.abc import Sequence

from stn_action.cli import ends_cleanly, names_and_overrides


@ends_cleanly
def main(arguments: Sequence[str] | None = None) -> None:
    """Parse arguments, then predict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True, help="last.pt or best.pt of a run")
    parser.add_argument("--top", type=int, default=3, help="classes to print (default: 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="files or folders")
    options = parser.parse_intermixed_args(arguments)
    names, overrides = names_and_overrides(options.videos)
    if options.top < 1:
        parser.error(f"--top must be at least 1, got {options.top}")

    from stn_action.build.people import whole_frame_note
    from stn_action.build.video_sets import videos_named
    from stn_action.predictor import load_trained, predict

    trained = load_trained(options.checkpoint, overrides)
    videos = videos_named(names, trained.config)
    if note := whole_frame_note(videos, trained.config):
        print(note, file=sys.stderr)
    for answer in predict(trained, videos):
        top = []
        if answer.probabilities is not None:
            values, labels = answer.probabilities.topk(min(options.top, len(trained.classes)))
            top = [
                (trained.classes[label], value)
                for label, value in zip(labels.tolist(), values.tolist(), strict=True)
            ]
        if options.json:
            line = {"video": str(answer.video.path), "top": top, "failure": answer.failure}
            print(json.dumps(line))
        else:
            said = "  ".join(f"{name} {value:.1%}" for name, value in top)
            print(f"{answer.video.path}: {said or answer.failure}")


if __name__ == "__main__":
    sys.exit(main())
