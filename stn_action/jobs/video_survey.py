"""A first look at videos: their lengths, rates and sizes, and the people in a few frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import torch
from rich.console import Console

from stn_action.build.video_sets import pick_evenly
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detector
from stn_action.progress import show_progress
from stn_action.video.reader import VideoError

MOST_VIDEOS = 200
"""Videos that are opened; of more of them as many, evenly spaced."""
PEOPLE_VIDEOS, PEOPLE_FRAMES = 6, 5
"""Videos in which people are searched for, and frames of each."""
SURE = 0.3
"""Score of a detection that counts as a person."""


class VideoFacts(NamedTuple):
    """What opening a video tells."""

    frames: int
    fps: float
    size_hw: tuple[int, int]


@dataclass
class Survey:
    """What was seen of some videos."""

    videos: list[Video] = field(default_factory=list)
    """Those that can be read."""
    facts: list[VideoFacts] = field(default_factory=list)
    """Of each of them."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Name of each other one, and why."""

    def frames_at(self, share: float) -> int:
        """Return the length that this share of the videos falls short of or has; 0: the shortest.

        >>> lengths = [VideoFacts(frames, 25.0, (4, 4)) for frames in (30, 50, 90)]
        >>> survey = Survey(facts=lengths)
        >>> survey.frames_at(0), survey.frames_at(0.5), survey.frames_at(1)
        (30, 50, 90)
        """
        ordered = sorted(fact.frames for fact in self.facts)
        return ordered[round(share * (len(ordered) - 1))]

    def seconds(self) -> list[float]:
        """Return the durations, sorted."""
        return sorted(fact.frames / fact.fps for fact in self.facts)

    @property
    def fps(self) -> float:
        """The median rate."""
        return sorted(fact.fps for fact in self.facts)[len(self.facts) // 2]

    @property
    def short_side(self) -> int:
        """The median of the frames' shorter sides, pixels."""
        return sorted(min(fact.size_hw) for fact in self.facts)[len(self.facts) // 2]

    def line(self) -> str:
        """Return one line: lengths, rates and sizes."""
        frames = _range([self.frames_at(0), self.frames_at(1)], "frames")
        seconds = _range([round(self.seconds()[0], 1), round(self.seconds()[-1], 1)], "s")
        rates = sorted({round(fact.fps, 2) for fact in self.facts})
        sizes = {fact.size_hw: 0 for fact in self.facts}
        for fact in self.facts:
            sizes[fact.size_hw] += 1
        common = sorted(sizes, key=lambda size: (-sizes[size], size))
        shown = ", ".join(f"{width}x{height}" for height, width in common[:3])
        more = f" and {len(common) - 3} other sizes" if len(common) > 3 else ""
        rate = _range([rates[0], rates[-1]], "frames per second")
        return f"{frames} ({seconds}) at {rate}, {shown}{more} pixels"


class PeopleSample(NamedTuple):
    """The people seen in a few frames of a few videos."""

    num_videos: int
    """Videos searched."""
    without: list[str]
    """Names of those in whose frames no person was found."""
    people_per_frame: int
    """Median over the frames that show a person; 0: there are none."""
    side: int
    """Median of the longer side of the largest person's box, pixels; 0: no person was found."""


def survey_videos(videos: Sequence[Video], *, console: Console | None = None) -> Survey:
    """Open each video, or `MOST_VIDEOS` of more, and note its length, rate and size.

    Args:
        videos: some.
        console: where progress is shown; None: the standard error.

    Raises:
        InputError: none of them can be read.
    """
    opened = pick_evenly(videos, MOST_VIDEOS)
    survey = Survey()
    shown = show_progress(opened, total=len(opened), what="opening", console=console)
    for video in shown:
        try:
            with video.open() as reader:
                facts = VideoFacts(len(reader), reader.fps, reader.size_hw)
        except (VideoError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            survey.unreadable[video.name] = f"{reason}".removeprefix(f"{video.path}: ")
        else:
            survey.videos.append(video)
            survey.facts.append(facts)
    if not survey.facts:
        name, reason = next(iter(survey.unreadable.items()))
        raise InputError(
            f"none of the {len(opened)} videos can be read; the first is {name}: {reason}; "
            "`python tools/check_videos.py FOLDER --out FILE.tsv` lists what is wrong with each"
        )
    return survey


def sample_people(
    survey: Survey, detector: Detector, *, console: Console | None = None
) -> PeopleSample:
    """Search for people in a few frames of a few of the videos.

    Args:
        survey: of `survey_videos`.
        detector: finds the persons in a frame.
        console: where progress is shown; None: the standard error.
    """
    counts: list[int] = []
    sides: list[float] = []
    without: list[str] = []
    chosen = pick_evenly(list(zip(survey.videos, survey.facts, strict=True)), PEOPLE_VIDEOS)
    shown = show_progress(chosen, total=len(chosen), what="searching for people", console=console)
    for video, facts in shown:
        places = (2 * torch.arange(PEOPLE_FRAMES) + 1) * facts.frames // (2 * PEOPLE_FRAMES)
        try:
            with video.open() as reader:
                images = reader.read(places.unique().tolist()).data
        except (VideoError, OSError):  # damaged in its middle: checking all videos finds it
            continue
        found = [one.boxes[one.scores >= SURE] for one in detector.detect(images)]
        seen = [boxes for boxes in found if len(boxes)]
        counts += [len(boxes) for boxes in seen]
        sides += [float((boxes[:, 2:] - boxes[:, :2]).max()) for boxes in seen]
        if not seen:
            without.append(video.name)
    if not counts:
        return PeopleSample(len(chosen), without, 0, 0)
    return PeopleSample(len(chosen), without, int(median(counts)), round(median(sides)))


def _range(values: Sequence[float], unit: str) -> str:
    low, high = values
    return f"{low:g} {unit}" if low == high else f"{low:g} to {high:g} {unit}"
