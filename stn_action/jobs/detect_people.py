"""People of a data set, detected in parallel into one crash-safe file."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from rich.console import Console

from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.job_spec import JobSpec, run_job
from stn_action.person.detect_video import detect_people
from stn_action.person.detectors.detector_base import Detector
from stn_action.person.detectors.detector_table import build_detector
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tracker import require_tracker
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError
from stn_action.video.video_choices import Reader
from stn_action.workers.pool import Failed


@dataclass(frozen=True)
class DetectionPlan:
    """The settings of a detection of people."""

    detector: str
    """As `build_detector` takes it."""
    every: int = 3
    """Detect in every n-th frame."""
    min_score: float = 0.1
    """Weaker detections are dropped."""
    batch_size: int = 8
    """Frames that the detector is given at once."""
    reader: Reader = "auto"
    """The backend that decodes."""
    tracker: str = "bytetrack"
    """A key of `person.tracker.TRACKERS`."""

    def __post_init__(self) -> None:
        if self.every < 1 or self.batch_size < 1:
            raise InputError(
                f"--every and --batch-size must be at least 1, got {self.every}, {self.batch_size}"
            )
        if not 0 < self.min_score < 1:
            raise InputError(f"--min-score must be between 0 and 1, got {self.min_score}")

    def made_by(self) -> str:
        """Return the text that a people file records: network, weights, all that changes boxes."""
        name = _detector(self.detector, self.min_score).name
        title = require_tracker(self.tracker)
        return f"{name}, every {self.every} frames, scores from {self.min_score:g}, {title}"


def detect_all(
    videos: Sequence[Video],
    out: Path,
    plan: DetectionPlan,
    *,
    workers: int,
    console: Console | None = None,
) -> list[str]:
    """Detect the people of all videos that are not in the file yet, or have changed since.

    Each video is written when it is finished, in one transaction. Several processes may work on one
    file: each claims its videos.

    Args:
        videos: by name.
        out: the people file; it is created if it does not exist.
        plan: detector and settings.
        workers: processes; 0: this one.
        console: where progress is shown; None: the standard error.

    Returns:
        Lines to print.

    Raises:
        InputError: the detector cannot be built, there is no such tracker, or the file was begun
            with other settings.
    """
    require_tracker(plan.tracker)
    people = PeopleFile.create(out, plan.made_by())

    def is_done(video: Video) -> bool:
        return people.is_done(video.name, video.path, video.slice_label)

    def record(video: Video, result: VideoPeople | Failed) -> Failed | None:
        try:
            if not isinstance(result, Failed):
                people.add(result, video.path)
                return None
        except OSError as error:  # it was removed meanwhile
            result = Failed(f"the file cannot be read ({error.strerror})")
        people.add(VideoPeople(video.name, ()), error=result.reason)
        return result

    spec = JobSpec(
        "detecting people", is_done, _same_video, partial(_detect, plan), record,
        claim=lambda video: not is_done(video) and people.claim(video.name),
    )  # fmt: skip
    summary = run_job(spec, videos, workers=workers, console=console)
    spans = people.longest_spans([video.name for video in videos])
    empty = sum(
        span == 0 and video.name not in summary.failures
        for video, span in zip(videos, spans, strict=True)
    )
    return [
        *summary.lines("searched for people"),
        f"written to {out}: no person found in {empty} of {len(videos)} videos",
        f"made by {people.made_by}",
    ]


def merge_files(files: Sequence[Path], out: Path) -> list[str]:
    """Merge people files made by the same settings; of a video in several, the first one counts.

    Args:
        files: written on other machines.
        out: the file that takes in the others; it is created if it does not exist.

    Returns:
        Lines to print.

    Raises:
        InputError: a file is no people file, or was made by something else.
    """
    others = [PeopleFile(path) for path in files]
    people = PeopleFile.create(out, others[0].made_by)
    lines = [f"{other.path}: {people.merge(other)} videos merged" for other in others]
    return [*lines, f"written to {out}: {len(people)} videos, {len(people.errors())} failed"]


def _same_video(video: Video) -> Video:
    return video


def _detect(plan: DetectionPlan, video: Video) -> VideoPeople | Failed:
    """Return all tubes of a video, or why it cannot be read."""
    detector = _detector(plan.detector, plan.min_score)
    try:
        return detect_people(
            video.path, video.name, detector,
            every=plan.every, batch_size=plan.batch_size, backend=plan.reader, tracker=plan.tracker,
            start_seconds=video.start_seconds, end_seconds=video.end_seconds,
            max_pixels=video.max_pixels, frames_fps=video.frames_fps,
        )  # fmt: skip
    except VideoError as error:
        return Failed(str(error).removeprefix(f"{video.path}: "))
    except OSError as error:
        return Failed(f"the file cannot be read ({error.strerror})")


@lru_cache(maxsize=1)
def _detector(spec: str, min_score: float) -> Detector:
    """Return the detector of this process."""
    return build_detector(spec, min_score=min_score)
