"""Batches of stored views by number, in the order and with the draws of a training run."""

from collections.abc import Iterator, Sequence

import torch

from stn_action.batch import Batch
from stn_action.data.data_choices import BatchSampling
from stn_action.data.global_batches import GlobalBatches, class_balanced_weights
from stn_action.data.stored_maps import StoredMaps
from stn_action.data.stored_views import StoredViews


class ProbeBatches:
    """The batches of every epoch: `Batch.clip` is (B,) int64, numbers of views in `maps`.

    Order and views are those that a training run draws from the same data set and seed.
    """

    def __init__(
        self,
        maps: StoredMaps,
        views: StoredViews,
        batch_size: int,
        *,
        seed: int,
        part: str,
        sampling: BatchSampling = "shuffled",
    ) -> None:
        """Prepare the batches of some training videos.

        Args:
            maps: hold the views.
            views: of a training data set; its own seed draws the views.
            batch_size: clips of a batch.
            seed: of the order.
            part: name in `maps`.
            sampling: which videos an epoch has.
        """
        self.maps, self.views, self.part = maps, views, part
        weights = None if sampling == "shuffled" else class_balanced_weights(views.targets)
        self.order = GlobalBatches(len(views), batch_size, seed=seed, weights=weights)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self.order.per_epoch

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1."""
        self.order.set_epoch(epoch, 0)
        self.views.set_epoch(epoch)
        for items in self.order:
            drawn = [place for item in items if (place := self.views.draw(item)) is not None]
            yield _batch(self.maps, self.views, self.part, drawn)


def probe_test_batches(
    maps: StoredMaps, views: StoredViews, batch_size: int, *, part: str
) -> list[Batch]:
    """Return all views of a test data set in batches; videos that could not be read have none."""
    readable = [item for item, row in enumerate(views.rows) if row not in views.failures]
    places = [(item, view) for item in readable for view in range(views.num_views)]
    return [
        _batch(maps, views, part, places[start : start + batch_size])
        for start in range(0, len(places), batch_size)
    ]


def _batch(
    maps: StoredMaps, views: StoredViews, part: str, places: Sequence[tuple[int, int]]
) -> Batch:
    numbers = torch.tensor(
        [maps.number(part, views.rows[item], view) for item, view in places], dtype=torch.int64
    )
    items = torch.tensor([item for item, _ in places], dtype=torch.int64)
    return Batch(
        clip=numbers,
        target=views.targets[items],
        video=items,
        view=torch.tensor([view for _, view in places], dtype=torch.int64),
        frame_indices=torch.empty(len(places), 0, dtype=torch.int64),
        boxes=torch.empty(len(places), 0, 4),
        extents=maps.extents[numbers],
        failures=[],
    )
