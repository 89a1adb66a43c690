"""Tracking: detections of single frames to tubes of persons, by ByteTrack.

Source: Zhang et al. 2022, arXiv 2110.06864, as the package `trackers` implements it. One departure:
its tracker assigns an id only at the second detection; the box of the first is restored here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from stn_action.person.detectors.detector_base import Detections
from stn_action.person.tube import Tube

MIN_SCORE_OF_NEW = 0.5
"""A track starts with a detection of this score; weaker ones only continue a track."""
SECONDS_LOST = 1.0
"""A person not detected for longer gets a new track."""
MIN_IOU_OF_FIRST = 0.3
"""Minimum overlap of the first and the second box of a person."""


@dataclass
class _Track:
    """The boxes of one person so far."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)

    def add(self, frame: int, box: Tensor, score: Tensor) -> None:
        self.frames.append(frame)
        self.boxes.append(box)
        self.scores.append(score)

    def tube(self) -> Tube:
        return Tube(torch.tensor(self.frames), torch.stack(self.boxes), torch.stack(self.scores))


def track_people(
    found: Iterable[tuple[int, Detections]], *, detections_per_second: float
) -> tuple[Tube, ...]:
    """Track the persons of one video.

    Args:
        found: frame number and detections of every processed frame, in order of time,
            including frames without a detection.
        detections_per_second: processed frames per second of video.

    Returns:
        One tube per person, in order of appearance; persons detected only once are dropped.

    Raises:
        ModuleNotFoundError: the extra `people` is not installed.
        ValueError: frame numbers do not increase.
    """
    tracker = _tracker(detections_per_second)
    tracks: dict[int, _Track] = {}
    before: tuple[int, Detections] | None = None
    for frame, detections in found:
        if before is not None and frame <= before[0]:
            raise ValueError(f"frames must increase, got {frame} after {before[0]}")
        rows, names = _update(tracker, detections)
        for row, name in zip(rows, names, strict=True):
            box, score = detections.boxes[row], detections.scores[row]
            if name not in tracks:
                tracks[name] = _begun(before, box)
            tracks[name].add(frame, box, score)
        nameless = torch.ones(len(detections.scores), dtype=torch.bool)
        nameless[rows] = False
        before = frame, Detections(detections.boxes[nameless], detections.scores[nameless])
    return tuple(tracks[name].tube() for name in sorted(tracks))


def require_tracker() -> None:
    """Check that people can be tracked.

    Raises:
        ModuleNotFoundError: the extra `people` is not installed.
    """
    _tracker(1.0)


def _tracker(detections_per_second: float):
    from trackers import ByteTrackTracker

    return ByteTrackTracker(
        lost_track_buffer=round(30 * SECONDS_LOST),  # in frames of 1/30 s, whatever frame_rate is
        frame_rate=detections_per_second,
        track_activation_threshold=MIN_SCORE_OF_NEW,
        high_conf_det_threshold=MIN_SCORE_OF_NEW,
        minimum_consecutive_frames=2,
    )


def _update(tracker, detections: Detections) -> tuple[list[int], list[int]]:
    """Return the rows of the detections that belong to a track, and the tracks' ids."""
    import supervision

    given = supervision.Detections(
        xyxy=detections.boxes.numpy().reshape(-1, 4),
        confidence=detections.scores.numpy(),
        data={"row": np.arange(len(detections.scores))},
    )
    result = tracker.update(given)
    if len(result) == 0:
        return [], []
    named = result.tracker_id >= 0
    return result.data["row"][named].tolist(), result.tracker_id[named].tolist()


def _begun(before: tuple[int, Detections] | None, box: Tensor) -> _Track:
    """Start a track, with the box of the person's first detection if there is one."""
    track = _Track()
    if before is None or len(before[1].scores) == 0:
        return track
    frame, detections = before
    overlap = box_iou(box[None], detections.boxes)[0]
    overlap[detections.scores < MIN_SCORE_OF_NEW] = 0
    best = int(overlap.argmax())
    if overlap[best] >= MIN_IOU_OF_FIRST:
        track.add(frame, detections.boxes[best], detections.scores[best])
    return track
