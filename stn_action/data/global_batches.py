"""Batches of training items, the same whatever the number of processes that share them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from stn_action.errors import InputError


class Redraw(NamedTuple):
    """An item that an epoch has once more, with other random draws."""

    item: int
    number: int
    """How often the epoch has had it before, at least 1."""


class GlobalBatches(Sampler[list[int | Redraw]]):
    """A process's share of every batch of an epoch; a `batch_sampler` of a `DataLoader`.

    A global batch is a slice of the epoch's permutation of all items, drawn from (seed, epoch)
    alone; with weights it is one of as many draws of items, each by its weight. Every process takes
    its share of each, so that all have equally many batches. Shares may be uneven, and those of the
    last batch empty.
    """

    def __init__(
        self,
        num_items: int,
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        num_processes: int = 1,
        weights: Tensor | None = None,
    ) -> None:
        """Start before the first batch of epoch 0.

        Args:
            num_items: of the data set.
            batch_size: items of a global batch; the last one may be smaller.
            seed: of the permutations.
            rank: of this process.
            num_processes: that share the batches.
            weights: (items,), how likely each one is drawn; None: an epoch has each once.

        Raises:
            InputError: a count is not positive.
        """
        for name, count in (("num_items", num_items), ("batch_size", batch_size)):
            if count < 1:
                raise InputError(f"{name} must be at least 1, got {count}")
        if not 0 <= rank < num_processes:
            raise ValueError(f"rank must be in [0, {num_processes}), got {rank}")
        self.num_items, self.batch_size, self.seed = num_items, batch_size, seed
        self.rank, self.num_processes, self.weights = rank, num_processes, weights
        self.per_epoch = -(-num_items // batch_size)
        """Batches of an epoch."""
        self.set_epoch(0)

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Choose the epoch, and the batches of it that are left out because they are done.

        Args:
            epoch: chooses the permutation.
            first_batch: the first one given, counted from 0.

        Raises:
            ValueError: the epoch has fewer batches.
        """
        if not 0 <= first_batch <= self.per_epoch:
            raise ValueError(f"first_batch must be in [0, {self.per_epoch}], got {first_batch}")
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        """Return the number of batches that remain, the same in every process."""
        return self.per_epoch - self.first_batch

    def __iter__(self) -> Iterator[list[int | Redraw]]:
        """Yield the items of this process in each remaining batch."""
        entropy = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(entropy[0]) >> 1)
        if self.weights is None:
            order = torch.randperm(self.num_items, generator=generator)
        else:
            order = torch.multinomial(self.weights, self.num_items, True, generator=generator)
        numbers = _earlier(order)
        for start in range(0, self.num_items, self.batch_size)[self.first_batch :]:
            of_batch = torch.arange(start, min(start + self.batch_size, self.num_items))
            own = of_batch.tensor_split(self.num_processes)[self.rank]
            items = zip(order[own].tolist(), numbers[own].tolist(), strict=True)
            yield [Redraw(item, number) if number else item for item, number in items]


def class_balanced_weights(targets: Tensor) -> Tensor:
    """Return weights (N,) float64 by which all classes are drawn equally often.

    Args:
        targets: (N,) int64; or (N, classes) float32 of 0 and 1, where an item is as likely as one
            of its rarest class, and those without a label together as a class.

    Raises:
        InputError: the targets are of several positions.
    """
    if targets.ndim == 1:
        return 1 / targets.bincount()[targets].double()
    if not targets.is_floating_point():
        raise InputError(
            "train.sampling: expected shuffled, as items here have a class at each of "
            f"{targets.shape[1]} positions"
        )
    labels = torch.cat([targets, (targets.sum(1, keepdim=True) == 0).float()], dim=1).double()
    return (labels / labels.sum(0).clamp(min=1)).amax(1)


def _earlier(order: Tensor) -> Tensor:
    """Return how often each item of an order (N,) is there before, (N,)."""
    by_item = order.argsort(stable=True)
    _, counts = order[by_item].unique_consecutive(return_counts=True)
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    return torch.empty_like(order).scatter_(0, by_item, torch.arange(len(order)) - starts)
