"""Tracking: detections of single frames to tubes of persons, by ByteTrack unless told otherwise.

Source: ByteTrack, Zhang et al. 2022, arXiv 2110.06864; BoT-SORT, Aharon et al. 2022, arXiv
2206.14651; OC-SORT, Cao et al. 2023, arXiv 2203.14360; C-BIoU, Yang et al. 2023, arXiv 2211.14317;
SORT, Bewley et al. 2016, arXiv 1602.00763, all as the package `trackers` implements them. One
departure: a tracker assigns an id only at the second detection; the box of the first is restored
here.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.person.detectors.detector_base import Detections
from stn_action.person.person_choices import TrackerName
from stn_action.person.tube import Tube

MIN_SCORE_OF_NEW = 0.5
"""A track starts with a detection of this score; weaker ones only continue a track."""
SECONDS_LOST = 1.0
"""A person not detected for longer gets a new track."""
MIN_IOU_OF_FIRST = 0.3
"""Minimum overlap of the first and the second box of a person."""


class TrackerSpec(NamedTuple):
    """A tracker of the package `trackers`."""

    title: str
    """As papers and people files name it."""
    class_name: str
    settings: dict[str, Any]
    """What it takes besides the settings of all."""
    takes_images: bool = False
    """It estimates the motion of the camera from the images."""


_NEW: dict[str, Any] = {"track_activation_threshold": MIN_SCORE_OF_NEW}
_SURE: dict[str, Any] = {"high_conf_det_threshold": MIN_SCORE_OF_NEW}
_LATE = {"instant_first_frame_activation": False}
TRACKERS: dict[TrackerName, TrackerSpec] = {
    "bytetrack": TrackerSpec("ByteTrack", "ByteTrackTracker", _NEW | _SURE),
    "botsort": TrackerSpec("BoT-SORT", "BoTSORTTracker", _NEW | _SURE | _LATE, takes_images=True),
    "ocsort": TrackerSpec("OC-SORT", "OCSORTTracker", _SURE),
    "cbiou": TrackerSpec("C-BIoU", "CBIoUTracker", _NEW | _SURE | _LATE),
    "sort": TrackerSpec("SORT", "SORTTracker", _NEW),
}
"""By the name that `--tracker` takes. McByte of the same package is not among them: without masks
of a segmentation network it is no more than the others."""


class DetectedFrame(NamedTuple):
    """The detections of a processed frame."""

    frame: int
    """Its number."""
    detections: Detections
    """There may be none."""
    image: np.ndarray | None = None
    """(H, W, 3) uint8 RGB, for trackers that look at it; None: they do without."""


class TrackedBox(NamedTuple):
    """The box of a person in one frame."""

    track: int
    """Number of the person, given by the tracker."""
    frame: int
    """Number of the frame."""
    box: Tensor
    """(4,) float32 xyxy, pixels."""
    score: Tensor
    """() float32, of the detection."""


class PeopleTracker:
    """A tracker that is given the detections of one frame after the other."""

    def __init__(self, detections_per_second: float, kind: str = "bytetrack") -> None:
        """Start without people.

        Args:
            detections_per_second: processed frames per second of video.
            kind: a key of `TRACKERS`.

        Raises:
            MissingExtraError: the extra `people` is not installed.
            InputError: there is no such tracker, or the installed `trackers` lacks it.
        """
        spec = _spec(kind)
        self._tracker = _build(spec, detections_per_second)
        self._takes_images = spec.takes_images
        self._known: set[int] = set()
        self._before: tuple[int, Detections] | None = None

    def update(self, given: DetectedFrame) -> list[TrackedBox]:
        """Return the boxes that are of persons, that of a new person's first detection too.

        Raises:
            ValueError: frame numbers do not increase.
        """
        frame, detections, image = given
        before = self._before
        if before is not None and frame <= before[0]:
            raise ValueError(f"frames must increase, got {frame} after {before[0]}")
        bgr = image[..., ::-1] if self._takes_images and image is not None else None
        rows, names = _update(self._tracker, detections, bgr)
        found: list[TrackedBox] = []
        for row, name in zip(rows, names, strict=True):
            box, score = detections.boxes[row], detections.scores[row]
            if name not in self._known:
                self._known.add(name)
                found += _first_box(name, before, box)
            found.append(TrackedBox(name, frame, box, score))
        nameless = torch.ones(len(detections.scores), dtype=torch.bool)
        nameless[rows] = False
        self._before = frame, Detections(detections.boxes[nameless], detections.scores[nameless])
        return found


def track_people(
    found: Iterable[DetectedFrame], *, detections_per_second: float, kind: str = "bytetrack"
) -> tuple[Tube, ...]:
    """Track the persons of one video.

    Args:
        found: every processed frame, in order of time, also those without a detection.
        detections_per_second: processed frames per second of video.
        kind: a key of `TRACKERS`.

    Returns:
        One tube per person, in order of appearance; persons detected only once are dropped.

    Raises:
        MissingExtraError: the extra `people` is not installed.
        InputError: there is no such tracker, or the installed `trackers` lacks it.
        ValueError: frame numbers do not increase.
    """
    tracker = PeopleTracker(detections_per_second, kind)
    tracks: dict[int, _Track] = {}
    for given in found:
        for one in tracker.update(given):
            tracks.setdefault(one.track, _Track()).add(one)
    return tuple(tracks[name].tube() for name in sorted(tracks))


def require_tracker(kind: str = "bytetrack") -> str:
    """Check that people can be tracked, and return the title of the tracker.

    Raises:
        MissingExtraError: the extra `people` is not installed.
        InputError: there is no such tracker, or the installed `trackers` lacks it.
    """
    return _spec(kind).title


@dataclass
class _Track:
    """The boxes of one person so far."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)

    def add(self, one: TrackedBox) -> None:
        self.frames.append(one.frame)
        self.boxes.append(one.box)
        self.scores.append(one.score)

    def tube(self) -> Tube:
        return Tube(torch.tensor(self.frames), torch.stack(self.boxes), torch.stack(self.scores))


def _spec(kind: str) -> TrackerSpec:
    with needs_extra("tracking people"):
        import trackers

    specs: dict[str, TrackerSpec] = {**TRACKERS}
    if kind not in specs:
        raise InputError(f"--tracker must be one of {', '.join(specs)}, got {kind!r}")
    if not hasattr(trackers, specs[kind].class_name):
        present = [one for one, other in specs.items() if hasattr(trackers, other.class_name)]
        raise InputError(
            f"--tracker {kind}: the installed package trackers has no {specs[kind].class_name}; it "
            f"has {', '.join(present)}; pip install --upgrade trackers"
        )
    return specs[kind]


def _build(spec: TrackerSpec, detections_per_second: float):
    with needs_extra("tracking people"):
        import trackers

    if spec.takes_images:  # it warns of each frame that is too plain to show the camera's motion
        logging.getLogger("trackers.cmc").setLevel(logging.ERROR)
    return getattr(trackers, spec.class_name)(
        lost_track_buffer=round(30 * SECONDS_LOST),  # in frames of 1/30 s, whatever frame_rate is
        frame_rate=detections_per_second,
        minimum_consecutive_frames=2,
        **spec.settings,
    )


def _update(tracker, detections: Detections, bgr: np.ndarray | None) -> tuple[list[int], list[int]]:
    """Return the rows of the detections that belong to a track, and the tracks' ids."""
    with needs_extra("tracking people"):
        import supervision

    given = supervision.Detections(
        xyxy=detections.boxes.numpy().reshape(-1, 4),
        confidence=detections.scores.numpy(),
        data={"row": np.arange(len(detections.scores))},
    )
    result = tracker.update(given) if bgr is None else tracker.update(given, frame=bgr)
    if len(result) == 0:
        return [], []
    named = result.tracker_id >= 0
    return result.data["row"][named].tolist(), result.tracker_id[named].tolist()


def _first_box(name: int, before: tuple[int, Detections] | None, box: Tensor) -> list[TrackedBox]:
    """Return the box of a new person's first detection, if there is one."""
    if before is None or len(before[1].scores) == 0:
        return []
    frame, detections = before
    overlap = box_iou(box[None], detections.boxes)[0]
    overlap[detections.scores < MIN_SCORE_OF_NEW] = 0
    best = int(overlap.argmax())
    if overlap[best] < MIN_IOU_OF_FIRST:
        return []
    return [TrackedBox(name, frame, detections.boxes[best], detections.scores[best])]
