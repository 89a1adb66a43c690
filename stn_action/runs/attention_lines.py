"""Lines about the images that `tools/visualize.py` draws."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from stn_action.build.video_sets import Announce, names_a_part, pick_evenly, videos_named
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.evaluation.video_prediction import FailedPrediction
from stn_action.predictor import Predictor
from stn_action.progress import show_progress
from stn_action.runs.attention_images import visualize


def attention_lines(
    checkpoint: Path,
    names: Sequence[str],
    settings: Sequence[str],
    out: Path,
    tell: Announce,
    *,
    limit: int,
    only: Sequence[str] = (),
    make_mp4: bool = True,
    figure_frames: int = 0,
    trust: bool = False,
) -> Iterator[str]:
    """Draw what heads look at; see `visualize`.

    Args:
        checkpoint: of a run.
        names: files, folders, or parts of the checkpoint's data set.
        settings: in place of the checkpoint's.
        out: folder for the images.
        tell: called with notes.
        limit: videos at most, evenly spaced over all.
        only: names of the videos to draw, in this order; empty: all.
        make_mp4: write videos, too.
        figure_frames: frames of each video in the figure; 0: no figure.
        trust: run code that the checkpoint names.

    Yields:
        A line for each file, and for each video that cannot be read.

    Raises:
        InputError: no checkpoint, a setting is wrong, there is no such video, or none can be read.
    """
    own_files = names_a_part(names)  # of the checkpoint's data set
    predictor = Predictor.load(checkpoint, settings, own_files=own_files, trust=trust)
    videos = videos_named(names, predictor.config, announce=tell, classes=predictor.classes)
    videos = pick_evenly(_chosen(videos, only), limit)
    if note := predictor.whole_frame_note(videos):
        tell(note)
    drawn = visualize(predictor, videos, out, make_mp4=make_mp4, figure_frames=figure_frames)
    drawn = show_progress(drawn, total=len(videos), what="drawing")
    for video, (prediction, files) in zip(videos, drawn, strict=True):
        yield from map(str, files)
        if isinstance(prediction, FailedPrediction):
            yield f"{video.path}: {prediction.failure}"


def _chosen(videos: Sequence[Video], only: Sequence[str]) -> Sequence[Video]:
    """Return the videos of these names.

    Raises:
        InputError: there is no such video.
    """
    if not only:
        return videos
    by_name = {video.name: video for video in videos}
    for name in only:
        if name not in by_name:
            near = get_close_matches(name, by_name, n=1, cutoff=0) or ["none"]
            raise InputError(
                f"--only {name}: none of the {len(videos)} videos has this name, as sheets have it "
                f"in their first line; the nearest is {near[0]}"
            )
    return [by_name[name] for name in dict.fromkeys(only)]
