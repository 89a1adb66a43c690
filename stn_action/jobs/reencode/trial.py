"""What preparing a data set will bring, found out by preparing a few of its videos."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stn_action.data.listing import Video
from stn_action.errors import InputError
from stn_action.jobs.pool import Failed, run_pool
from stn_action.jobs.reencode.late_clip import late_clip
from stn_action.jobs.reencode.plan import Job, Preparation
from stn_action.jobs.reencode.recipe import Recipe, prepare_video

TRIALS = 3
"""Videos."""
REPEATS = 3
"""Readings of each file."""


@dataclass(frozen=True)
class Trial:
    """One video before and after."""

    bytes: tuple[int, int]
    """Of source and result."""
    seconds: tuple[float, float]
    """To read a late clip of 16 frames, 224x224, out of source and result."""


def forecast(task: Preparation, waiting: Sequence[Video], *, alone: bool) -> str:
    """Tell the bytes of the source, and the bytes and the speed-up that are expected.

    Args:
        task: what is to be done.
        waiting: the videos that it is to be done for; not none.
        alone: work in this process, not in one that may crash.
    """
    total = sum(video.path.stat().st_size for video in waiting)
    text = f"{len(waiting)} videos of {megabytes(total)} to prepare"
    chosen = [waiting[place * len(waiting) // TRIALS] for place in range(TRIALS)]
    with tempfile.TemporaryDirectory() as folder:
        work = partial(try_out, task.recipe, Path(folder))
        jobs = [task.job(video) for video in dict.fromkeys(chosen)]
        trials = [result for _, result in run_pool(work, jobs, 0 if alone else 1)]
    trials = [trial for trial in trials if isinstance(trial, Trial)]
    if not trials:
        return text
    share = sum(trial.bytes[1] for trial in trials) / sum(trial.bytes[0] for trial in trials)
    faster = statistics.median(trial.seconds[0] / trial.seconds[1] for trial in trials)
    free = shutil.disk_usage(task.out).free
    text += (
        f"; {len(trials)} tried out: expect {megabytes(share * total)}, and late clips of 16 "
        f"frames to be read {faster:.1f} times as fast"
    )
    if faster < 1:
        text += " - slower than now: these files are quick to read as they are"
    if share * total > free:
        text += f"; the disk has room for {megabytes(free)} only"
    return text


def try_out(recipe: Recipe, folder: Path, job: Job) -> Trial | Failed:
    """Prepare one video in a temporary folder, and time the reading of both files."""
    target = folder / "trial.mp4"
    try:
        made = prepare_video(job.video, target, recipe, job.people, scratch=folder)
        seconds = (
            _seconds(lambda: late_clip(job.video.path, made.region)),
            _seconds(lambda: late_clip(target)),
        )
    except InputError:
        return Failed("")
    return Trial((made.source_bytes, made.bytes), seconds)


def megabytes(number: float) -> str:
    """Bytes in MB, or in GB where there are many."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def _seconds(read: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
