"""Totals over the batches of an epoch: its means, and what a checkpoint inside it holds."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from stn_action.batch import Batch, Failure
from stn_action.distributed import Strategy


class EpochTotals:
    """Totals over the batches of an epoch that are done.

    The same in every process, except for the failures and the times.
    """

    def __init__(self) -> None:
        """Start at the first batch."""
        self.batches = 0
        """Batches that are done, as many in every process."""
        self.steps = 0
        """Optimizer steps; those that the scaler of fp16 skipped are left out."""
        self.failures: list[Failure] = []
        """The videos that this process could not read, and why."""
        self._sums = torch.zeros(3, dtype=torch.float64)  # clips, loss, correct clips
        self._grad_norms = 0.0
        self._seconds_before = self._waited = 0.0
        self._start = time.perf_counter()

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches and start the clock; the time until each comes is time of waiting."""
        start = self._start = time.perf_counter()
        for batch in batches:
            self._waited += time.perf_counter() - start
            yield batch
            start = time.perf_counter()

    def add_batch(self, num_clips: int, loss: float, num_correct: float) -> None:
        """Add a batch that is done, of all processes together.

        Args:
            num_clips: of the batch.
            loss: mean over its clips.
            num_correct: clips whose most probable class is the target.
        """
        self.batches += 1
        self._sums += torch.tensor([num_clips, num_clips * loss, num_correct])

    def add_step(self, localization_grad_norm: float) -> None:
        """Add an optimizer step; the norm is before clipping, in effective units."""
        self.steps += 1
        self._grad_norms += localization_grad_norm

    @property
    def loss(self) -> float:
        """Mean over the clips."""
        return float(self._sums[1] / self._sums[0])

    @property
    def accuracy(self) -> float:
        """Share of correct clips."""
        return float(self._sums[2] / self._sums[0])

    @property
    def localization_grad_norm(self) -> float:
        """Mean over the steps."""
        return self._grad_norms / max(self.steps, 1)

    @property
    def seconds(self) -> float:
        """Time of the epoch so far, without that between a save and the resumption."""
        return self._seconds_before + time.perf_counter() - self._start

    @property
    def data_wait_share(self) -> float:
        """Share of it that this process waited for batches."""
        return self._waited / max(self.seconds, 1e-9)

    def state_dict(self, strategy: Strategy) -> dict[str, Any]:
        """Return plain types for a checkpoint. Collective: the failures go to rank 0."""
        failures = strategy.gather(self.failures)
        self.failures = failures if strategy.is_main else []
        return {
            "batches": self.batches,
            "steps": self.steps,
            "failures": [list(failure) for failure in failures],
            "sums": self._sums.clone(),
            "grad_norms": self._grad_norms,
            "seconds": self.seconds,
            "waited": self._waited,
        }

    def load_state_dict(self, state: dict[str, Any], strategy: Strategy) -> None:
        """Restore the result of `state_dict`, on any number of processes."""
        self.batches, self.steps = state["batches"], state["steps"]
        failures = [(index, message) for index, message in state["failures"]]
        self.failures = failures if strategy.is_main else []
        self._sums = state["sums"].clone()
        self._grad_norms = state["grad_norms"]
        self._seconds_before, self._waited = state["seconds"], state["waited"]
