"""Classes over time: from the probabilities of overlapping windows to segments of one class.

At each moment the probabilities are the mean of those of all windows that cover it. A segment is a
run of moments of one class: the most probable one, or, where several labels may hold at once, each
one that is at least as probable as not.

Letters: C classes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

PROBABLE = 0.5
"""Where several labels may hold, those of this probability do."""


class Segment(NamedTuple):
    """A stretch of frames of one class."""

    label: int
    """Index of the class."""
    start: int
    """Its first frame."""
    end: int
    """The first frame behind it."""
    probability: float
    """Of the class, the mean over the segment's frames."""


class Moment(NamedTuple):
    """Frames that the same windows cover."""

    start: int
    """The first frame."""
    end: int
    """The first frame behind."""
    probabilities: Tensor
    """(C,), the mean of the windows."""


class SegmentJoiner:
    """The windows of one person as they come, and the segments that are complete."""

    def __init__(self, span: int, *, multi_label: bool = False) -> None:
        """Start without windows.

        Args:
            span: frames of a window.
            multi_label: several labels may hold at once.
        """
        self.span, self.multi_label = span, multi_label
        self.moments: list[Moment] = []
        """Those that are settled, in order of time; the caller may drop the first ones."""
        self._windows: list[tuple[int, Tensor]] = []
        self._settled = 0
        self._open: dict[int, Segment] = {}

    def add(self, start: int, probabilities: Tensor) -> None:
        """Add a window; it may not start before frames that are settled.

        Args:
            start: its first frame.
            probabilities: (C,).
        """
        self._windows.append((start, probabilities))

    def settle(self, until: int) -> list[Segment]:
        """Return the segments that end before a frame that no further window reaches back to.

        Args:
            until: the frame; windows that are added later start there or behind.
        """
        finished: list[Segment] = []
        for moment in self._moments_until(until):
            finished += self._ended(moment)
            self.moments.append(moment)
            self._extend(moment)
        self._windows = [one for one in self._windows if one[0] + self.span > until]
        self._settled = max(self._settled, until)
        return finished

    def close(self) -> list[Segment]:
        """Return the segments that are left: no further window comes."""
        end = max((start + self.span for start, _ in self._windows), default=self._settled)
        last = self.settle(end)
        rest = [self._open.pop(label) for label in sorted(self._open)]
        return last + rest

    def _moments_until(self, until: int) -> Iterator[Moment]:
        ends = [edge for start, _ in self._windows for edge in (start, start + self.span)]
        edges = sorted({edge for edge in ends if self._settled < edge < until})
        for start, end in zip([self._settled, *edges], [*edges, until], strict=True):
            covering = [
                one for first, one in self._windows if first <= start and end <= first + self.span
            ]
            if covering and start < end:
                yield Moment(start, end, torch.stack(covering).mean(0))

    def _ended(self, moment: Moment) -> list[Segment]:
        """Take out the open segments that a moment does not continue."""
        labels = self._labels(moment.probabilities)
        ended = [
            label
            for label, one in self._open.items()
            if label not in labels or one.end < moment.start
        ]
        return [self._open.pop(label) for label in sorted(ended)]

    def _extend(self, moment: Moment) -> None:
        frames = moment.end - moment.start
        for label in self._labels(moment.probabilities):
            value = float(moment.probabilities[label])
            before = self._open.get(label, Segment(label, moment.start, moment.start, 0.0))
            total = before.probability * (before.end - before.start) + value * frames
            mean = total / (moment.end - before.start)
            self._open[label] = Segment(label, before.start, moment.end, mean)

    def _labels(self, probabilities: Tensor) -> list[int]:
        if self.multi_label:
            return (probabilities >= PROBABLE).nonzero().flatten().tolist()
        return [int(probabilities.argmax())]
