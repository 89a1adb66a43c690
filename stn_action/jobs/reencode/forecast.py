"""Forecast of the size and speed of a re-encoded data set, from a few of its videos."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from stn_action.data.video_files import is_present
from stn_action.data.video_table import Video
from stn_action.jobs.reencode.plan import ReencodeItem, ReencodePlan
from stn_action.jobs.reencode.reencoded_video import Recipe, reencode_video
from stn_action.person.image_crop import crop_frames
from stn_action.video.content import video_state
from stn_action.video.reader import VideoError
from stn_action.workers.pool import Failed, run_pool

TRIALS = 3
"""Videos that are re-encoded for the forecast."""
REPEATS = 3
"""Readings of each file."""
CLIP_END = 0.9
"""Where in a video a late clip ends, as a share of its length."""


@dataclass(frozen=True)
class Trial:
    """One video before and after."""

    bytes: tuple[int, int]
    """Sizes of source and copy."""
    seconds: tuple[float, float]
    """To read a late clip of 16 frames, 224x224, from source and copy."""


def forecast(plan: ReencodePlan, waiting: Sequence[Video], *, in_process: bool) -> str:
    """Return a line with the size of the source, the expected size of the copy and the speed-up.

    Args:
        plan: what is to be re-encoded.
        waiting: the videos that are not yet; at least one.
        in_process: work in this process, not in one that may crash.
    """
    sizes = {
        video.path: video_state(video.path).bytes for video in waiting if is_present(video.path)
    }
    text = f"{len(waiting)} videos of {megabytes(sum(sizes.values()))} to re-encode"
    chosen = [waiting[place * len(waiting) // TRIALS] for place in range(TRIALS)]
    with tempfile.TemporaryDirectory() as folder:
        work = partial(_try_out, plan.recipe, Path(folder))
        items = []
        for video in dict.fromkeys(chosen):
            with suppress(VideoError):  # the work on it reports it
                items.append(plan.item(video))
        results = [result for _, result in run_pool(work, items, 0 if in_process else 1)]
    trials = [result for result in results if isinstance(result, Trial)]
    if not trials:
        return text
    expected = sum(trial.bytes[1] for trial in trials)
    if any(video.is_slice for video in waiting):
        expected *= len(waiting) / len(trials)
    else:
        expected *= sum(sizes.values()) / sum(trial.bytes[0] for trial in trials)
    faster = statistics.median(trial.seconds[0] / trial.seconds[1] for trial in trials)
    free = shutil.disk_usage(plan.out).free
    text += (
        f"; measured on {len(trials)}: expect {megabytes(expected)}, and clips near the end "
        f"of a video to be read {faster:.1f} times as fast"
    )
    if faster < 1:
        text += " - slower than now: the source is fast to read as it is"
    if expected > free:
        text += f"; only {megabytes(free)} are free on the disk"
    return text


def late_clip(
    video: Video,
    box: tuple[int, int, int, int] | None = None,
    *,
    num_frames: int = 16,
    stride: int = 1,
    size_hw: tuple[int, int] = (224, 224),
) -> Tensor:
    """Open a video, read a clip that ends at nine tenths of it, crop and resize, close.

    The time to reach a clip near the end shows how well a file is suited for training.

    Args:
        video: the video.
        box: x0, y0, x1, y1 of the crop, source pixels; None: the full frame.
        num_frames: T; a video that is too short repeats its first frame.
        stride: source frames from one frame of the clip to the next.
        size_hw: height and width of the clip, pixels.

    Returns:
        (T, 3, *size_hw) uint8.

    Raises:
        VideoError: the video cannot be read.
    """
    with video.open() as reader:
        last = int(CLIP_END * (len(reader) - 1))
        steps = range(num_frames - 1, -1, -1)
        frames = reader.read([max(0, last - stride * step) for step in steps]).data
    height, width = frames.shape[2:]
    boxes = torch.tensor([box or (0, 0, width, height)]).float()
    return crop_frames(frames, boxes, size_hw)


def megabytes(number: float) -> str:
    """Return a number of bytes in MB, or in GB from 1 GB.

    >>> megabytes(12_345_678), megabytes(2.5e9)
    ('12.3 MB', '2.5 GB')
    """
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def _try_out(recipe: Recipe, folder: Path, item: ReencodeItem) -> Trial | Failed:
    """Re-encode one video in a temporary folder, and time the reading of source and copy."""
    video, target = item.video, folder / "trial.mp4"
    try:
        copy = reencode_video(video, target, recipe, item.people, scratch=folder)
        copied = Video(video.name, target, video.target, video.group)
        seconds = (
            _median_seconds(lambda: late_clip(video, copy.kept_xyxy)),
            _median_seconds(lambda: late_clip(copied)),
        )
    except (ValueError, OSError) as error:  # the work on it says why
        return Failed(str(error))
    return Trial((copy.source_bytes, copy.bytes), seconds)


def _median_seconds(read: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
