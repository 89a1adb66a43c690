"""Feature maps of views, stored on disk, as a data set that takes the place of clips."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.batch import Item, Sample
from stn_action.data.view_arrays import ViewArrays


class StoredViews(Dataset[Item]):
    """Stored maps in the form of clips: `Sample.clip` is (C, t, h, w) float32, of a stage.

    Where pixels are stored too, they are `Sample.source`.

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

    @property
    def num_views(self) -> int:
        """Return the number of stored views of a video."""
        return self.arrays.checksums.shape[1]

    def set_epoch(self, epoch: int) -> None:
        """Choose the random views of an epoch."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> Item:
        """Return one random view in training, all views in a test."""
        if not 0 <= index < len(self.rows):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        message = self.failures.get(self.rows[index])
        failures = [] if message is None else [(index, message)]
        if self.seed is None:
            views = [] if failures else range(self.num_views)
            return [self._sample(index, view) for view in views], failures
        drawn = self.draw(index)
        return [] if drawn is None else [self._sample(*drawn)], failures

    def draw(self, index: int) -> tuple[int, int] | None:
        """Return the item and the view that item `index` is in this epoch of training.

        Another item stands in for one that could not be read; None: none could.
        """
        assert self.seed is not None
        if self.rows[index] not in self.failures:
            return index, _drawn_view(self.seed, self.epoch, index, self.num_views)
        if not self._readable:
            return None
        draw = np.random.default_rng([self.seed, self.epoch, index])
        index = self._readable[int(draw.integers(len(self._readable)))]
        return index, int(draw.integers(self.num_views))

    def _sample(self, index: int, view: int) -> Sample:
        stored = self.arrays.view(self.rows[index], view)
        return Sample(
            stored.features, self.targets[index], index, view, stored.frame_indices, stored.boxes,
            stored.extents, stored.clip,
        )  # fmt: skip


@lru_cache(maxsize=1 << 17)
def _drawn_view(seed: int, epoch: int, index: int, num_views: int) -> int:
    """Return the random view of an item, which many probes of one seed draw."""
    return int(np.random.default_rng([seed, epoch, index]).integers(num_views))
