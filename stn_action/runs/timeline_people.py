"""The people of a stream: detected, tracked, and ended where they are lost."""

import math
from collections.abc import Sequence

import numpy as np

from stn_action.person.detect_video import detect_in
from stn_action.person.detectors.detector_base import Detector
from stn_action.person.tracker import SECONDS_LOST, DetectedFrame, PeopleTracker
from stn_action.runs.live_track import LiveTrack
from stn_action.runs.window_layout import WindowLayout

NumberedImages = Sequence[tuple[int, np.ndarray]]


class StreamPeople:
    """The tracks of a stream; `tracks` has those that are not finished with."""

    def __init__(
        self, detector: Detector, tracker: str, fps: float, layout: WindowLayout, *, every: int,
        multi_label: bool = False,
    ) -> None:  # fmt: skip
        """Start without people.

        Args:
            detector: finds the persons in a frame.
            tracker: a key of `person.tracker.TRACKERS`.
            fps: of the stream.
            layout: of the windows of tracks.
            every: detect in every n-th frame.
            multi_label: several labels may hold at once.
        """
        self.tracks: list[LiveTrack] = []
        self.num_tracks = 0
        self._detector, self._layout, self._every = detector, layout, every
        self._multi_label = multi_label
        self._tracker = PeopleTracker(fps / every, tracker)
        self._lost_after = math.ceil(SECONDS_LOST * fps) + 2 * every
        self._by_name: dict[int, LiveTrack] = {}
        self._processed = -1

    @property
    def known_until(self) -> int:
        """The first frame that a track which is not known yet may show."""
        return self._processed - self._every + 1

    def update(self, frames: NumberedImages) -> None:
        """Detect in those of some frames that are due, and continue the tracks."""
        due = [(index, image) for index, image in frames if index % self._every == 0]
        if not due:
            return
        size_hw = due[0][1].shape[0], due[0][1].shape[1]
        found = detect_in([image for _, image in due], self._detector, size_hw)
        for (index, image), detections in zip(due, found, strict=True):
            for one in self._tracker.update(DetectedFrame(index, detections, image)):
                self._track(one.track).add(one.frame, one)
            self._processed = index
            self.end_tracks(lost_before=index - self._lost_after)

    def end_tracks(self, lost_before: int) -> None:
        """End the tracks whose last box is before a frame."""
        for name, track in list(self._by_name.items()):
            if track.last < lost_before:
                track.ended = True
                del self._by_name[name]  # the same name would be a new track

    def _track(self, name: int) -> LiveTrack:
        if name not in self._by_name:
            self.num_tracks += 1
            track = LiveTrack(self.num_tracks, self._layout, multi_label=self._multi_label)
            self._by_name[name] = track
            self.tracks.append(track)
        return self._by_name[name]


class WholeFrames:
    """A single track of all frames, in place of `StreamPeople`."""

    num_tracks = 0

    def __init__(self, layout: WindowLayout, *, multi_label: bool = False) -> None:
        self.tracks = [LiveTrack(0, layout, boxed=False, multi_label=multi_label)]

    @property
    def known_until(self) -> int:
        """The first frame that is not known yet."""
        return self.tracks[0].last + 1 if self.tracks else 0

    def update(self, frames: NumberedImages) -> None:
        """Continue the track."""
        for index, _ in frames:
            self.tracks[0].add(index)

    def end_tracks(self, lost_before: int) -> None:
        """End the track if its last frame is before a frame."""
        for track in self.tracks:
            track.ended = track.last < lost_before
