"""People of a whole data set: detected in parallel into one crash-safe file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from rich.console import Console

from stn_action.data.listing import Video
from stn_action.errors import InputError
from stn_action.jobs.pool import Crashed, run_jobs
from stn_action.person.detect_video import detect_people
from stn_action.person.detectors.detector_table import Detector, build_detector
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tracker import require_tracker
from stn_action.person.video_people import VideoPeople
from stn_action.progress import show_progress
from stn_action.video.reader import VideoError

SHOWN = 5
"""Unreadable videos that are printed."""


@dataclass(frozen=True)
class DetectionPlan:
    """How people are looked for."""

    detector: str
    """As `person.detect.build_detector` takes it."""
    every: int = 3
    """Every n-th frame is looked at."""
    min_score: float = 0.1
    """Weaker detections are dropped."""
    batch_size: int = 8
    """Frames that the detector is given at once."""
    reader: str = "auto"
    """What decodes."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.batch_size < 1:
            raise InputError(
                f"--every and --batch-size must be at least 1, got {self.every}, {self.batch_size}"
            )
        if not 0 < self.min_score < 1:
            raise InputError(f"--min-score must be between 0 and 1, got {self.min_score}")

    def made_by(self) -> str:
        """What a people file records: the network with its weights, and all that changes boxes."""
        name = _detector(self.detector, self.min_score).name
        return f"{name}, every {self.every} frames, scores from {self.min_score:g}, ByteTrack"


def detect_all(
    videos: Sequence[Video],
    out: Path,
    plan: DetectionPlan,
    *,
    workers: int,
    console: Console | None = None,
) -> list[str]:
    """Detect the people of all videos that the file does not know yet, or that have changed.

    Each video is written when it is done, in one transaction; several processes may work on one
    file, each takes the videos that no other has in hand.

    Args:
        videos: by name.
        out: the people file; it is begun where there is none.
        plan: how.
        workers: processes; 0: this one.
        console: where progress is shown; None: the standard error.

    Returns:
        Lines to print.

    Raises:
        InputError: the detector is none, or the file was begun with other settings.
    """
    require_tracker()
    people = PeopleFile.create(out, plan.made_by())
    todo = [video for video in videos if not _is_done(people, video)]
    results = run_jobs(partial(_detect, plan), _claimed(todo, people), workers)
    shown = show_progress(results, total=len(todo), what="detecting people", console=console)
    number = 0
    for video, result in shown:
        if isinstance(result, Crashed):
            result = "its decoder or the detector crashed, or used up the memory"
        if isinstance(result, str):
            people.add(VideoPeople(video.name, ()), error=result)
        else:
            people.add(result, video.path)
        number += 1
    return _summary(people, videos, number, len(videos) - len(todo))


def merge_files(files: Sequence[Path], out: Path) -> list[str]:
    """Join people files that were made alike; of a video that several know, the first one counts.

    Args:
        files: what other machines wrote.
        out: the file that takes in the others; it is begun where there is none.

    Returns:
        Lines to print.

    Raises:
        InputError: a file is no people file, or was made by something else.
    """
    others = [PeopleFile(path) for path in files]
    people = PeopleFile.create(out, others[0].made_by)
    lines = [f"{other.path}: {people.merge(other)} videos taken over" for other in others]
    return [*lines, f"{out}: {len(people)} videos, {len(people.errors())} cannot be read"]


def _is_done(people: PeopleFile, video: Video) -> bool:
    return video.path.is_file() and people.is_done(video.name, video.path)


def _claimed(todo: Sequence[Video], people: PeopleFile) -> Iterator[Video]:
    """The videos that are still to be done when their turn comes, and are in no other hand."""
    for video in todo:
        if not _is_done(people, video) and people.claim(video.name):
            yield video


def _detect(plan: DetectionPlan, video: Video) -> VideoPeople | str:
    """Everybody in a video, or why it cannot be read."""
    detector = _detector(plan.detector, plan.min_score)
    try:
        return detect_people(
            video.path, video.name, detector,
            every=plan.every, batch_size=plan.batch_size, backend=plan.reader,
        )  # fmt: skip
    except VideoError as error:
        return str(error)
    except OSError as error:
        return f"{video.path}: cannot be read ({error.strerror})"


@lru_cache(maxsize=1)
def _detector(spec: str, min_score: float) -> Detector:
    """The detector of this process."""
    return build_detector(spec, min_score=min_score)


def _summary(people: PeopleFile, videos: Sequence[Video], number: int, known: int) -> list[str]:
    spans = people.longest_spans([video.name for video in videos])
    errors = people.errors()
    nobody = sum(span == 0 for span in spans) - sum(video.name in errors for video in videos)
    lines = [
        f"{people.path}: {len(videos)} videos, {number} looked at now, {known} were known; nobody "
        f"found in {nobody}, {len(errors)} cannot be read"
    ]
    if elsewhere := spans.count(None):
        lines.append(f"{elsewhere} videos are still in the hands of another process")
    lines += [f"cannot be read: {reason}" for reason in list(errors.values())[:SHOWN]]
    if len(errors) > SHOWN:
        lines.append(f"cannot be read: {len(errors) - SHOWN} more")
    return [*lines, f"made by {people.made_by}"]
