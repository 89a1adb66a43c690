"""Columns of a table of videos, while they grow, and the texts in them."""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

TextColumn = Literal["name", "path", "group"]
TEXTS: tuple[TextColumn, ...] = get_args(TextColumn)
"""Of each video, in this order."""
NUM_TEXTS = len(TEXTS)
AT_ONCE = 10_000
"""Videos of which there are Python objects at a time."""


class VideoColumns:
    """Names, paths, groups, labels and slices of videos, as bytes and numbers.

    Letters: N videos, M labels of all of them together.
    """

    def __init__(self) -> None:
        self.text = bytearray()
        """Name, path and group of each video, one after the other."""
        self.ends = array("q", [0])
        """3N + 1 places in `text`."""
        self.labels = array("i")
        """M indices of classes."""
        self.label_ends = array("q", [0])
        """N + 1 places in `labels`."""
        self.seconds = array("d")
        """Start and end of each video; NaN: that of the file."""

    def __len__(self) -> int:
        return len(self.label_ends) - 1

    def extend(
        self,
        names: Sequence[str],
        paths: Sequence[str],
        groups: Sequence[str],
        labels: Sequence[Sequence[int]],
        seconds: Iterable[float],
    ) -> None:
        """Append some videos: many at once cost a fraction of as many calls.

        Args:
            names: N.
            paths: N.
            groups: N.
            labels: N times the indices of a video's classes.
            seconds: start and end of each video, 2N numbers.

        Raises:
            OverflowError: a label does not fit 32 bits.
        """
        texts = [text for video in zip(names, paths, groups, strict=True) for text in video]
        joined = "".join(texts)
        encoded = os.fsencode(joined)
        of_bytes = texts if len(encoded) == len(joined) else map(os.fsencode, texts)
        self.text += encoded
        self.ends.extend(_ends_after(self.ends, map(len, of_bytes)))
        self.labels.extend(chain.from_iterable(labels))
        self.label_ends.extend(_ends_after(self.label_ends, map(len, labels)))
        self.seconds.extend(seconds)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return all columns; they share this memory, which must not grow afterwards.

        Returns:
            text (bytes,) uint8, ends (3N + 1,) int64, labels (M,) int32, label ends (N + 1,) int64
            and seconds (N, 2) float64.
        """
        return (
            _tensor(self.text, torch.uint8),
            _tensor(self.ends, torch.int64),
            _tensor(self.labels, torch.int32),
            _tensor(self.label_ends, torch.int64),
            _tensor(self.seconds, torch.float64).reshape(-1, 2),
        )


def texts_of(text: Tensor, ends: Tensor, column: TextColumn) -> Iterator[list[str]]:
    """Yield a text of all videos, some thousand at a time.

    Args:
        text: (bytes,) uint8, as of `VideoColumns.tensors`.
        ends: (3N + 1,) int64, likewise.
        column: which.
    """
    number = TEXTS.index(column)
    for first in range(0, len(ends) - 1, NUM_TEXTS * AT_ONCE):
        places = ends[first : first + NUM_TEXTS * AT_ONCE + 1]
        data = text[places[0] : places[-1]].numpy().tobytes()
        starts, stops = (places[number + step :: NUM_TEXTS] - places[0] for step in (0, 1))
        spans = zip(starts.tolist(), stops.tolist(), strict=False)  # the last place starts no text
        together = os.fsdecode(data)
        if len(together) == len(data):
            yield [together[start:stop] for start, stop in spans]
        else:
            yield [os.fsdecode(data[start:stop]) for start, stop in spans]


def texts_of_video(text: Tensor, ends: Tensor, row: int) -> list[str]:
    """Return name, path and group of a video; `text` and `ends` are as in `texts_of`."""
    places = ends[NUM_TEXTS * row : NUM_TEXTS * (row + 1) + 1].tolist()
    data = text[places[0] : places[-1]].numpy().tobytes()
    return [
        os.fsdecode(data[start - places[0] : stop - places[0]]) for start, stop in pairwise(places)
    ]


def selected_texts(text: Tensor, ends: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return `text` and `ends`, as in `texts_of`, of some videos; neighbors are copied together.

    Args:
        text: (bytes,) uint8.
        ends: (3N + 1,) int64.
        rows: (K,) int64, places of the videos.
    """
    lengths = ends.diff().reshape(-1, NUM_TEXTS)[rows].flatten()
    starts, stops = (ends[NUM_TEXTS * (rows + step)] for step in (0, 1))
    apart = starts[1:] != stops[:-1]
    edge = torch.ones(1, dtype=torch.bool)
    begins, finishes = (torch.cat(both)[: len(rows)] for both in ((edge, apart), (apart, edge)))
    joined, view = bytearray(), text.numpy().data
    for start, stop in zip(starts[begins].tolist(), stops[finishes].tolist(), strict=True):
        joined += view[start:stop]
    return _tensor(joined, torch.uint8), ends_of(lengths)


def selected_labels(labels: Tensor, ends: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return labels and ends of some videos.

    Args:
        labels: (M,) int32, as of `VideoColumns.tensors`.
        ends: (N + 1,) int64, likewise.
        rows: (K,) int64, places of the videos.
    """
    counts = ends.diff()[rows]
    joined_ends = ends_of(counts)
    skipped = ends[rows] - joined_ends[:-1]
    return labels[torch.arange(int(counts.sum())) + skipped.repeat_interleave(counts)], joined_ends


def ends_of(lengths: Tensor) -> Tensor:
    """Return where items of these lengths (N,) end, after a 0: (N + 1,)."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def _ends_after(ends: array, lengths: Iterable[int]) -> Iterable[int]:
    """Return the places where further items of these lengths end."""
    following = accumulate(lengths, initial=ends[-1])
    next(following)
    return following


def _tensor(values: array | bytearray, dtype: torch.dtype) -> Tensor:
    """Share the memory of numbers, of which there may be none."""
    return torch.frombuffer(values, dtype=dtype) if values else torch.zeros(0, dtype=dtype)
