"""Feature maps of views, stored on disk, as a data set that takes the place of clips."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.batch import Item, Sample


class ViewArrays(NamedTuple):
    """The views of N videos, memory-mapped; T frames of the clip, t time steps of the map."""

    features: np.memmap
    """(N, views, C, t, h, w) float16."""
    frame_indices: np.memmap
    """(N, views, T) int64."""
    boxes: np.memmap
    """(N, views, T, 4) float32."""

    @classmethod
    def create(
        cls, folder: Path, part: str, num_videos: int, maps: np.ndarray, frames: int
    ) -> Self:
        """Create the files `<part>_<field>.npy`, empty.

        Args:
            folder: where to.
            part: prefix of the files.
            num_videos: N.
            maps: (views, C, t, h, w), those of any video.
            frames: T.
        """

        def empty(name: str, inner: tuple[int, ...], dtype: str) -> np.memmap:
            path, shape = folder / f"{part}_{name}.npy", (num_videos, len(maps), *inner)
            return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)

        return cls(
            empty("features", maps.shape[1:], "float16"),
            empty("frame_indices", (frames,), "int64"),
            empty("boxes", (frames, 4), "float32"),
        )

    @classmethod
    def open(cls, folder: Path, part: str) -> Self:
        """Open what `create` made, to read."""
        return cls(*(np.load(folder / f"{part}_{name}.npy", mmap_mode="r") for name in cls._fields))


class StoredViews(Dataset[Item]):
    """Stored maps in the form of clips: `Sample.clip` is (C, t, h, w) float32, of a stage.

    As in the data sets of clips, a video that could not be read has no view in a test, and another
    one takes its place in training.
    """

    def __init__(
        self,
        arrays: ViewArrays,
        rows: Sequence[int],
        targets: Tensor,
        failures: Mapping[int, str],
        *,
        without_tube: int,
        seed: int | None,
    ) -> None:
        """Select some of the stored videos.

        Args:
            arrays: all stored videos.
            rows: those wanted, in this order.
            targets: (N,) or (N, classes), theirs.
            failures: row to reason, of the videos that could not be read.
            without_tube: how many of those wanted have no person, though there are boxes.
            seed: training: an item is one random view; None: test, an item is all views.
        """
        self.arrays = arrays
        self.rows = list(rows)
        self.targets = targets
        self.failures = failures
        self.without_tube = without_tube
        self.seed = seed
        self.epoch = 0
        self._readable = [place for place, row in enumerate(self.rows) if row not in failures]

    def __len__(self) -> int:
        return len(self.rows)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random views of an epoch."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> Item:
        """Return one random view in training, all views in a test."""
        if not 0 <= index < len(self.rows):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        message = self.failures.get(self.rows[index])
        failures = [] if message is None else [(index, message)]
        num_views = self.arrays.features.shape[1]
        if self.seed is None:
            views = [] if failures else range(num_views)
            return [self._sample(index, view) for view in views], failures
        draw = np.random.default_rng([self.seed, self.epoch, index])
        if failures and not self._readable:
            return [], failures
        if failures:
            index = self._readable[int(draw.integers(len(self._readable)))]
        return [self._sample(index, int(draw.integers(num_views)))], failures

    def _sample(self, index: int, view: int) -> Sample:
        row = self.rows[index]
        return Sample(
            torch.from_numpy(self.arrays.features[row, view].astype(np.float32)),
            self.targets[index],
            index,
            view,
            torch.from_numpy(self.arrays.frame_indices[row, view].copy()),
            torch.from_numpy(self.arrays.boxes[row, view].copy()),
        )
