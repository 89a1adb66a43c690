"""A list of a million videos that `DataLoader` workers share instead of copying it.

A Python object is written to whenever it is looked at (its reference count), so that every forked
worker ends with a copy of its own of a list of objects; tensors are not.
"""

import os
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from stn_action.data.listing import Video


class VideoList(Sequence[Video]):
    """Videos in three tensors; indexing makes a `Video`.

    A forked process shares the tensors as they are, a spawned one through shared memory.
    """

    def __init__(self, videos: Iterable[Video]):
        """Read the videos one by one; they need not be in memory together.

        Raises:
            OverflowError: a label does not fit 32 bits.
        """
        text, ends, labels = bytearray(), array("q", [0]), array("i")
        for video in videos:
            for part in (video.name, video.path, video.group):
                text += os.fsencode(part)
                ends.append(len(text))
            labels.append(video.label)
        self._text = torch.frombuffer(text or bytearray(1), dtype=torch.uint8)  # name path group ..
        self._ends = torch.frombuffer(ends, dtype=torch.int64)  # (3N + 1,)
        self._labels = (
            torch.frombuffer(labels, dtype=torch.int32) if labels else torch.zeros(0).int()
        )

    @property
    def labels(self) -> Tensor:
        """(N,) int32."""
        return self._labels

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> "VideoList": ...
    def __getitem__(self, index: int | slice) -> "Video | VideoList":
        """Make the video at `index`, or a list of those of a slice.

        Raises:
            IndexError: there is no such video.
        """
        if isinstance(index, slice):
            return VideoList(self[place] for place in range(*index.indices(len(self))))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"index must be in [-{len(self)}, {len(self)}), got {index}")
        ends = self._ends[3 * place : 3 * place + 4].tolist()
        text = self._text[ends[0] : ends[3]].numpy().tobytes()
        name, path, group = (
            os.fsdecode(text[start - ends[0] : end - ends[0]]) for start, end in pairwise(ends)
        )
        return Video(name, Path(path), int(self._labels[place]), group)
