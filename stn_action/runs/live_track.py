"""One person on a stream: the boxes so far, the windows that are due, the classes over time."""

import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.evaluation.segments import Moment, SegmentJoiner
from stn_action.geometry.heat_maps import HeatMaps
from stn_action.person.tracker import TrackedBox
from stn_action.person.tube import Tube
from stn_action.runs.window_layout import WindowLayout


@dataclass(frozen=True, eq=False)
class ClassifiedWindow:
    """What a network saw in a window."""

    start: int
    """Its first frame."""
    frame_indices: Tensor
    """(T,) int64, the frames of the stream that the clip shows."""
    probabilities: Tensor
    """(C,) of the classes."""
    outlines: Tensor
    """(T, K, P, 2), the windows of heads, source pixels; K may be 0."""
    heat: tuple[HeatMaps, ...]
    """Of read-outs with weights, (T, K, H, W) each."""


class LiveTrack:
    """A track whose frames come one after the other; what is done with is dropped.

    Without boxes it is the whole frame.
    """

    def __init__(
        self, number: int, layout: WindowLayout, *, boxed: bool = True, multi_label: bool = False
    ) -> None:
        self.number, self.layout, self.boxed = number, layout, boxed
        self.joiner = SegmentJoiner(layout.span, multi_label=multi_label)
        self.windows: list[ClassifiedWindow] = []
        """Those that frames which are not drawn yet may show."""
        self.first, self.last = -1, -1
        """Frames of the first and the last box so far; -1: none."""
        self.ended = False
        self.num_windows = 0
        self._seen: list[TrackedBox] = []
        self._next_start, self._latest_start = 0, -1

    def add(self, frame: int, one: TrackedBox | None = None) -> None:
        """Add a frame that shows the person, with the box."""
        if self.first < 0:
            self.first, self._next_start = frame, self.layout.first_start(frame)
        self.last = frame
        if one is not None:
            self._seen.append(one)

    def due_starts(self) -> list[int]:
        """Return the starts of the windows that can be cut now, each once.

        All boxes that theirs depend on are known. The last window of a track that has ended ends
        with the track.
        """
        reach = self.layout.reach if self.boxed and not self.ended else 0
        starts: list[int] = []
        while self._next_start + self.layout.span - 1 + reach <= self.last:
            starts.append(self._next_start)
            self._latest_start = self._next_start
            self._next_start += self.layout.step
        if self.ended and self._latest_start >= 0:
            final = self.layout.last_start(self.last)
            if final > self._latest_start:
                starts.append(final)
                self._latest_start = final
        self.num_windows += len(starts)
        return starts

    @property
    def needed_from(self) -> int:
        """The first frame that a window to come may take; those before are settled."""
        if self.ended:
            return sys.maxsize
        return (
            self._next_start
            if self._latest_start < 0
            else (self._latest_start + self.layout.stride)
        )

    def tube(self, start: int = 0) -> Tube | None:
        """Return the boxes that are kept, frames counted from `start`; None for the whole frame."""
        if not self._seen:
            return None
        return Tube(
            torch.tensor([one.frame - start for one in self._seen]),
            torch.stack([one.box for one in self._seen]),
            torch.stack([one.score for one in self._seen]),
        )

    def drop_before(self, frame: int) -> None:
        """Drop what neither windows nor drawings of this frame and later ones need."""
        first = min(frame, self.needed_from) - self.layout.reach
        known = [place for place, one in enumerate(self._seen) if one.frame <= first]
        self._seen = self._seen[known[-1] if known else 0 :]
        self.windows = [one for one in self.windows if one.start + self.layout.span > frame]
        moments = self.joiner.moments
        self.joiner.moments = [one for one in moments if one.end > frame]

    def moment_at(self, frame: int) -> Moment | None:
        """Return the settled probabilities at a frame; None: no window covers it."""
        found = (one for one in self.joiner.moments if one.start <= frame < one.end)
        return next(found, None)

    def window_at(self, frame: int) -> ClassifiedWindow | None:
        """Return the window over a frame whose middle is nearest to it; None: there is none."""
        span = self.layout.span
        over = [one for one in self.windows if one.start <= frame < one.start + span]
        return min(over, key=lambda one: abs(2 * (frame - one.start) + 1 - span), default=None)
