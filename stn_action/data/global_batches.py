"""Batches of training items, the same whatever the number of processes that share them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler

from stn_action.errors import InputError


class GlobalBatches(Sampler[list[int]]):
    """A process's share of every batch of an epoch; a `batch_sampler` of a `DataLoader`.

    A global batch is a slice of the epoch's permutation of all items, drawn from (seed, epoch)
    alone. Every process takes its share of each, so that all have equally many batches. Shares may
    be uneven, and those of the last batch empty.
    """

    def __init__(
        self, num_items: int, batch_size: int, *, seed: int, rank: int = 0, num_processes: int = 1
    ) -> None:
        """Start before the first batch of epoch 0.

        Args:
            num_items: of the data set.
            batch_size: items of a global batch; the last one may be smaller.
            seed: of the permutations.
            rank: of this process.
            num_processes: that share the batches.

        Raises:
            InputError: a count is not positive.
        """
        for name, count in (("num_items", num_items), ("batch_size", batch_size)):
            if count < 1:
                raise InputError(f"{name} must be at least 1, got {count}")
        if not 0 <= rank < num_processes:
            raise ValueError(f"rank must be in [0, {num_processes}), got {rank}")
        self.num_items, self.batch_size, self.seed = num_items, batch_size, seed
        self.rank, self.num_processes = rank, num_processes
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

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the items of this process in each remaining batch."""
        entropy = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(entropy[0]) >> 1)
        order = torch.randperm(self.num_items, generator=generator)
        for batch in order.split(self.batch_size)[self.first_batch :]:
            yield batch.tensor_split(self.num_processes)[self.rank].tolist()
