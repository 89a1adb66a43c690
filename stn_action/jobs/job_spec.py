"""One function over many videos: which are waiting, work in a pool, a record of each, a summary."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rich.console import Console

from stn_action.data.listing import NAMES_SHOWN
from stn_action.data.video_table import Video
from stn_action.progress import show_progress
from stn_action.video.reader import VideoError
from stn_action.workers.pool import Failed, run_pool

Item = TypeVar("Item")
Result = TypeVar("Result")

FAILURES_SHOWN = 20


@dataclass(frozen=True)
class JobSpec(Generic[Item, Result]):
    """A job over many videos that a later run of the same command continues."""

    what: str
    """What is done, for the progress: "decoding"."""
    recorded: Callable[[Video], bool | Failed]
    """True if the result of a video is recorded and up to date; a failure if one is recorded that
    is not to be tried again; else False."""
    item: Callable[[Video], Item]
    """What `work` is given for a video; called when its turn comes. It can be pickled."""
    work: Callable[[Item], Result | Failed]
    """The work on one video, in a process of the pool. It can be pickled."""
    record: Callable[[Video, Result | Failed], Failed | None]
    """Store a result, in the calling process; return the failure if it is one."""
    claim: Callable[[Video], bool] = lambda video: True
    """Claim a video when its turn comes; False if it is done by now or a live process holds it."""
    announce: Callable[[Sequence[Video]], None] = lambda waiting: None
    """Called once with the videos to work on, before the first of them."""


@dataclass
class JobSummary:
    """The outcome of a job: each video is counted once."""

    total: int
    """Videos that were given."""
    tried: int = 0
    """Videos that this run has worked on."""
    done: int = 0
    """Those of them that have a result."""
    known: int = 0
    """Videos that were finished before."""
    claimed_elsewhere: int = 0
    """Videos that another process is working on."""
    failures: dict[str, str] = field(default_factory=dict)
    """Name of each video that has no result, and why."""
    missing: list[str] = field(default_factory=list)
    """Names of listed videos that are not on the disk."""

    def lines(self, done: str) -> list[str]:
        """Return the lines to print.

        Args:
            done: what was done to a video: "decoded".
        """
        first = (
            f"{self.total} videos: {self.done} {done} now, {self.known} known before, "
            f"{len(self.failures)} failed"
        )
        if self.missing:
            first += f", {len(self.missing)} missing on disk ({_few(self.missing)})"
        if self.claimed_elsewhere:
            first += f", {self.claimed_elsewhere} claimed by another process"
        return [first, *list_few("failed", self.failures)]


def run_job(
    spec: JobSpec[Item, Result],
    videos: Sequence[Video],
    *,
    workers: int,
    console: Console | None = None,
) -> JobSummary:
    """Work on each video that is on the disk and not done.

    A process that dies is recorded as the failure of its video, and all others are done.

    Args:
        spec: the job.
        videos: by name.
        workers: processes; 0: everything runs in this one.
        console: where progress is shown; None: the standard error.
    """
    summary = JobSummary(total=len(videos))
    waiting: list[Video] = []
    for video in videos:
        if not os.path.lexists(video.path):  # a broken link is there: it fails
            summary.missing.append(video.name)
        elif not _count_recorded(spec, video, summary):
            waiting.append(video)
    spec.announce(waiting)
    skipped: list[Video] = []
    pairs = ((video, _item(spec, video)) for video in _claimed(spec, waiting, skipped))
    results = run_pool(_Work(spec.work), pairs, workers)
    for (video, _), result in show_progress(
        results, total=len(waiting), what=spec.what, console=console
    ):
        summary.tried += 1
        failed = spec.record(video, result)
        if failed is None:
            summary.done += 1
        else:
            summary.failures[video.name] = failed.reason
    for video in skipped:
        summary.claimed_elsewhere += not _count_recorded(spec, video, summary)
    return summary


def list_few(word: str, reasons: dict[str, str], *, see: object = None) -> list[str]:
    """Return a line for each of the first few videos of which there is something to report.

    Args:
        word: before each: "failed".
        reasons: name of each video and what to report of it.
        see: where all of them are listed.
    """
    lines = [f"{word}: {name}: {reason}" for name, reason in reasons.items()][:FAILURES_SHOWN]
    if len(reasons) > FAILURES_SHOWN:
        elsewhere = "" if see is None else f", see {see}"
        lines.append(f"{word}: {len(reasons) - FAILURES_SHOWN} more{elsewhere}")
    return lines


class _Work(Generic[Item, Result]):
    """The work on an item that goes together with its video; it can be pickled."""

    def __init__(self, work: Callable[[Item], Result | Failed]) -> None:
        self.work = work

    def __call__(self, pair: tuple[Video, Item | Failed]) -> Result | Failed:
        return pair[1] if isinstance(pair[1], Failed) else self.work(pair[1])


def _count_recorded(spec: JobSpec[Item, Result], video: Video, summary: JobSummary) -> bool:
    """Count a video if nothing is left to do for it; return whether it was counted."""
    try:
        recorded = spec.recorded(video)
    except (VideoError, OSError):  # the work on it says why
        recorded = False
    if isinstance(recorded, Failed):
        summary.failures[video.name] = recorded.reason
    else:
        summary.known += recorded
    return recorded is not False


def _item(spec: JobSpec[Item, Result], video: Video) -> Item | Failed:
    try:
        return spec.item(video)
    except (VideoError, OSError) as error:
        return _failed(video, error)


def _failed(video: Video, error: VideoError | OSError) -> Failed:
    if isinstance(error, OSError):
        return Failed(f"the file cannot be read ({error.strerror})")
    return Failed(str(error).removeprefix(f"{video.path}: "))


def _claimed(
    spec: JobSpec[Item, Result], waiting: Sequence[Video], skipped: list[Video]
) -> Iterator[Video]:
    for video in waiting:
        try:
            claimed = spec.claim(video)
        except OSError:  # the file cannot be read: the work on it says so
            claimed = True
        if claimed:
            yield video
        else:
            skipped.append(video)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
