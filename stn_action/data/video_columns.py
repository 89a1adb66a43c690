"""Columns of a table of videos, while they grow."""

import os
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain

import torch
from torch import Tensor


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
