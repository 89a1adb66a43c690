"""Lines about the classes of videos, as `tools/predict.py` prints them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from stn_action.build.video_sets import Announce, names_a_part, videos_named
from stn_action.errors import InputError
from stn_action.evaluation.video_prediction import VideoPrediction
from stn_action.predictor import Predictor
from stn_action.progress import show_progress
from stn_action.video.live_stream import is_live


def class_lines(
    checkpoint: Path,
    names: Sequence[str],
    settings: Sequence[str],
    top: int,
    tell: Announce,
    *,
    as_json: bool,
    trust: bool = False,
) -> Iterator[str]:
    """Predict videos one after the other.

    Args:
        checkpoint: of a run.
        names: files, folders, or parts of the checkpoint's data set.
        settings: in place of the checkpoint's.
        top: number of classes in a line.
        tell: called with notes.
        as_json: lines are JSON objects.
        trust: run code that the checkpoint names.

    Yields:
        A line for each video, that of one which cannot be read too.

    Raises:
        InputError: no checkpoint, a setting is wrong, a name is of a stream, or no video can be
            predicted.
    """
    for name in filter(is_live, names):
        raise InputError(
            f"{name}: a camera, a network stream or a pipe has a timeline: give --out DIR, and "
            "--people DETECTOR or --whole-frame"
        )
    own_files = names_a_part(names)  # of the checkpoint's data set
    predictor = Predictor.load(checkpoint, settings, own_files=own_files, trust=trust)
    videos = videos_named(names, predictor.config, announce=tell)
    if note := predictor.whole_frame_note(videos):
        tell(note)
    predictions = show_progress(predictor.predict_all(videos), total=len(videos), what="predicting")
    for video, found in zip(videos, predictions, strict=True):
        is_read = isinstance(found, VideoPrediction)
        best, failure = (found.top(top), None) if is_read else ([], found.failure)
        shown = video.name if video.is_slice else str(video.path)  # a file may have many slices
        if as_json:
            yield json.dumps({"video": shown, "top": best, "failure": failure})
        else:
            classes = "  ".join(f"{name} {value:.1%}" for name, value in best)
            yield f"{shown}: {classes or failure}"
