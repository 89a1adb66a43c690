"""Feature maps of views, stored on disk, as a data set that takes the place of clips."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.batch import Item, Sample
from stn_action.data.global_batches import Redraw
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

    def __getitem__(self, index: int | Redraw) -> Item:
        """Return one random view in training, all views in a test."""
        item = index.item if isinstance(index, Redraw) else index
        if not 0 <= item < len(self.rows):
            raise IndexError(f"index must be in [0, {len(self)}), got {item}")
        message = self.failures.get(self.rows[item])
        failures = [] if message is None else [(item, message)]
        if self.seed is None:
            views = [] if failures else range(self.num_views)
            return [self._sample(item, view) for view in views], failures
        drawn = self.draw(index)
        return [] if drawn is None else [self._sample(*drawn)], failures

    def draw(self, index: int | Redraw) -> tuple[int, int] | None:
        """Return the item and the view that item `index` is in this epoch of training.

        Another item stands in for one that could not be read; None: none could.
        """
        assert self.seed is not None
        place = index if isinstance(index, Redraw) else (index,)
        if self.rows[place[0]] not in self.failures:
            return place[0], _drawn_view(self.seed, self.epoch, place, self.num_views)
        if not self._readable:
            return None
        draw = np.random.default_rng([self.seed, self.epoch, *place])
        item = self._readable[int(draw.integers(len(self._readable)))]
        return item, int(draw.integers(self.num_views))

    def _sample(self, index: int, view: int) -> Sample:
        stored = self.arrays.view(self.rows[index], view)
        return Sample(
            stored.features, self.targets[index], index, view, stored.frame_indices, stored.boxes,
            stored.extents, stored.clip,
        )  # fmt: skip


@lru_cache(maxsize=1 << 17)
def _drawn_view(seed: int, epoch: int, place: tuple[int, ...], num_views: int) -> int:
    """Return the random view of an item, which many probes of one seed draw."""
    return int(np.random.default_rng([seed, epoch, *place]).integers(num_views))
