"""Labeled videos: one, and a table of a million that `DataLoader` workers share.

A Python object is written to whenever it is used (its reference count), so that every forked worker
ends with its own copy of a list of objects; tensors are shared. Letters: N videos, L classes, P
positions, M labels of all videos together.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from stn_action.data.video_columns import (
    AT_ONCE,
    TextColumn,
    VideoColumns,
    selected_labels,
    selected_texts,
    texts_of,
    texts_of_video,
)
from stn_action.video.backend_table import open_video
from stn_action.video.content import video_checksum, video_slice_label
from stn_action.video.file_index import FileIndex
from stn_action.video.reader import VideoReader
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS, Reader


@dataclass(frozen=True)
class Video:
    """One labeled video: a file or a folder of frames, or a slice of one."""

    name: str
    """The name in its list, with folders, without suffix: `Archery/v_Archery_g01_c01`."""
    path: Path
    """The file, or the folder of frames: see `open_video`."""
    target: int | tuple[int, ...]
    """Index into the classes of its listing; with several labels, the indices of all of them; with
    several positions, the index at each."""
    group: str
    """Videos of one group share people or place and must be in the same part of a listing; empty:
    the video is of no listing, and its target means nothing."""
    start_seconds: float | None = None
    """Start of the slice; None: the start of the file."""
    end_seconds: float | None = None
    """End of the slice (exclusive); None: the end of the file."""
    max_pixels: int = MAX_PIXELS
    """Largest frame that `open` accepts, in pixels; a `VideoTable` does not keep it."""
    frames_fps: float = DEFAULT_FPS
    """Frames per second, if it is a folder of frames; a file gives its own rate."""

    def __post_init__(self) -> None:
        start, end = self.start_seconds, self.end_seconds
        if not 0 <= (start or 0) < (math.inf if end is None else end):
            raise ValueError(
                f"{self.name}: expected 0 <= start_seconds < end_seconds, got {start} and {end}"
            )

    @property
    def is_slice(self) -> bool:
        """Whether the video is only a part of its file."""
        return bool(self.start_seconds) or self.end_seconds is not None

    @property
    def slice_label(self) -> str:
        """What `checksum` appends for a slice; empty if it is none."""
        return video_slice_label(self.path, self.start_seconds, self.end_seconds, self.frames_fps)

    @property
    def labels(self) -> tuple[int, ...]:
        """The indices of all its classes; one if `target` is one."""
        return self.target if isinstance(self.target, tuple) else (self.target,)

    def open(
        self,
        backend: Reader = "auto",
        *,
        num_frames: int | None = None,
        max_pixels: int | None = None,
        known: FileIndex | None = None,
    ) -> VideoReader:
        """Open the file, or the slice of it, for reading: see `open_video`."""
        return open_video(
            self.path,
            backend,
            num_frames=num_frames,
            start_seconds=self.start_seconds,
            end_seconds=self.end_seconds,
            max_pixels=self.max_pixels if max_pixels is None else max_pixels,
            frames_fps=self.frames_fps,
            known=known,
        )

    def checksum(self) -> str:
        """Compute the checksum of the content with its slice: see `video_checksum`."""
        return video_checksum(self.path, self.start_seconds, self.end_seconds, self.frames_fps)


class VideoTable(Sequence[Video]):
    """Videos as tensors; indexing makes a `Video`.

    A forked process shares the tensors as they are, a spawned one through shared memory.
    """

    def __init__(
        self, videos: Iterable[Video] = (), *, num_classes: int | None = None, positions: int = 1
    ):
        """Read the videos one by one; they need not be in memory together.

        Args:
            videos: with an index as target, or with tuples of indices if `num_classes` is given,
                or of P indices if `positions` is.
            num_classes: L of a data set with several labels; None: one label a video.
            positions: P classifications of each video, as the digits of a number.

        Raises:
            OverflowError: a target does not fit 32 bits.
            TypeError: a tuple of labels without `num_classes`, or one label with it; or of another
                number of labels than positions.
            ValueError: several labels at several positions, or no position.
        """
        if positions < 1 or (positions > 1 and num_classes is not None):
            raise ValueError(
                "positions must be at least 1, and 1 with several labels (num_classes), got "
                f"{positions}"
            )
        self.positions = positions
        """P; 1: one class, or several labels."""
        self.num_classes = num_classes
        """L with several labels, else None."""
        columns, rates, following = VideoColumns(), array("d"), iter(videos)
        while some := list(islice(following, AT_ONCE)):
            for video in some:
                self._check_target(video)
            columns.extend(
                [video.name for video in some],
                [str(video.path) for video in some],
                [video.group for video in some],
                [video.labels for video in some],
                [
                    math.nan if second is None else second
                    for video in some
                    for second in (video.start_seconds, video.end_seconds)
                ],
            )
            rates.extend(video.frames_fps for video in some)
        self._set(columns, torch.tensor(rates, dtype=torch.float64))

    @classmethod
    def from_columns(cls, columns: VideoColumns, *, num_classes: int | None = None) -> "VideoTable":
        """Return the table of videos that were never objects, which takes a fraction of the time.

        Args:
            columns: they become the table's, and must not grow afterwards.
            num_classes: as in the constructor; None: each video has one label.
        """
        table = cls(num_classes=num_classes)
        table._set(columns, torch.full((len(columns),), DEFAULT_FPS, dtype=torch.float64))
        return table

    @property
    def targets(self) -> Tensor:
        """(N,) int64; (N, L) float32 of zeros and ones with several labels; (N, P) int64."""
        if self.positions > 1:
            return self._labels.long().reshape(-1, self.positions)
        if self.num_classes is None:
            return self._labels.long()
        rows = torch.arange(len(self)).repeat_interleave(self._label_ends.diff())
        targets = torch.zeros(len(self), self.num_classes)
        targets[rows, self._labels.long()] = 1
        return targets

    @property
    def start_seconds(self) -> Tensor:
        """(N,) float64, NaN: the start of the file."""
        return self._seconds[:, 0]

    @property
    def end_seconds(self) -> Tensor:
        """(N,) float64, NaN: the end of the file."""
        return self._seconds[:, 1]

    def target(self, index: int) -> Tensor:
        """Return one row of `targets`: () int64, (L,) float32 or (P,) int64."""
        target = self[index].target
        if self.num_classes is None:
            return torch.tensor(target)
        return torch.zeros(self.num_classes).index_fill_(0, torch.tensor(target).long(), 1)

    @property
    def label_indices(self) -> Tensor:
        """(M,) int32: the indices of the classes of all videos, one video after the other."""
        return self._labels

    @property
    def label_counts(self) -> Tensor:
        """(N,) int64: how many of them each video has."""
        return self._label_ends.diff()

    def names(self) -> list[str]:
        """Return the names of all videos, in order."""
        return list(chain.from_iterable(self.texts("name")))

    def paths(self) -> list[str]:
        """Return the paths of all videos' files, in order."""
        return list(chain.from_iterable(self.texts("path")))

    def groups(self) -> list[str]:
        """Return the groups of all videos, in order."""
        return list(chain.from_iterable(self.texts("group")))

    def texts(self, column: TextColumn) -> Iterator[list[str]]:
        """Yield a text of all videos, in order, some thousand at a time."""
        return texts_of(self._text, self._ends, column)

    def labels(self) -> list[tuple[int, ...]]:
        """Return the indices of the classes of each video, in order."""
        labels, ends = self._labels.tolist(), self._label_ends.tolist()
        return [tuple(labels[first:last]) for first, last in pairwise(ends)]

    def select(self, indices: Iterable[int] | Tensor) -> "VideoTable":
        """Return the table of the videos at `indices`, in this order.

        Raises:
            IndexError: there is no such video.
        """
        given = indices if isinstance(indices, Tensor) else list(indices)
        rows = torch.as_tensor(given, dtype=torch.int64)
        for wrong in rows[(rows < -len(self)) | (rows >= len(self))].tolist():
            self._row(wrong)  # raises
        rows = rows % max(1, len(self))
        joined = self._like(())
        joined._text, joined._ends = selected_texts(self._text, self._ends, rows)
        joined._labels, joined._label_ends = selected_labels(self._labels, self._label_ends, rows)
        joined._seconds = self._seconds[rows]
        joined._rates = self._rates[rows]
        return joined

    def with_frames_fps(self, frames_fps: float) -> "VideoTable":
        """Return the same videos, those that are folders of frames at another rate."""
        changed = copy(self)
        changed._rates = torch.full_like(self._rates, frames_fps)
        return changed

    def __len__(self) -> int:
        return len(self._seconds)

    def __add__(self, other: "VideoTable") -> "VideoTable":
        """Return the videos of both tables."""
        for what, own, others in (
            ("classes", self.num_classes, other.num_classes),
            ("positions", self.positions, other.positions),
        ):
            if own != others:
                raise ValueError(f"tables must have the same labels, got {own} and {others} {what}")
        joined = self._like(())
        size = int(self._ends[-1])
        joined._text = torch.cat([self._text[:size], other._text])
        joined._ends = torch.cat([self._ends, other._ends[1:] + size])
        joined._labels = torch.cat([self._labels, other._labels])
        joined._label_ends = torch.cat(
            [self._label_ends, other._label_ends[1:] + len(self._labels)]
        )
        joined._seconds = torch.cat([self._seconds, other._seconds])
        joined._rates = torch.cat([self._rates, other._rates])
        return joined

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> "VideoTable": ...
    def __getitem__(self, index: int | slice) -> "Video | VideoTable":
        """Make the video at `index`, or the table of those of a slice.

        Raises:
            IndexError: there is no such video.
        """
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self))))
        row = self._row(index)
        name, path, group = texts_of_video(self._text, self._ends, row)
        first, last = self._label_ends[row : row + 2].tolist()
        labels = self._labels[first:last].tolist()
        start, end = (None if math.isnan(s) else s for s in self._seconds[row].tolist())
        single = self.num_classes is None and self.positions == 1
        target = labels[0] if single else tuple(labels)
        return Video(
            name, Path(path), target, group, start, end, frames_fps=float(self._rates[row])
        )

    def _set(self, columns: VideoColumns, rates: Tensor) -> None:
        (self._text, self._ends, self._labels, self._label_ends, self._seconds) = columns.tensors()
        self._rates = rates  # (N,) float64

    def _row(self, index: int) -> int:
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f"index must be in [-{len(self)}, {len(self)}), got {index}")
        return row

    def _like(self, videos: Iterable[Video]) -> "VideoTable":
        """Return a table of other videos whose targets are of the same kind."""
        return VideoTable(videos, num_classes=self.num_classes, positions=self.positions)

    def _check_target(self, video: Video) -> None:
        expected, wanted = "an index", None
        if self.positions > 1:
            expected, wanted = f"a tuple of {self.positions} indices", self.positions
        elif self.num_classes is not None:
            expected, wanted = "a tuple of indices", len(video.labels)
        found = len(video.target) if isinstance(video.target, tuple) else None
        if found != wanted:
            raise TypeError(f"{video.name}: target must be {expected}, got {video.target!r}")
