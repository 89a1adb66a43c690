"""A process's share of a training batch, and what it counts for."""

from typing import NamedTuple

from stn_action.batch import Batch
from stn_action.distributed import Strategy


class BatchShare(NamedTuple):
    """The clips that a process has of a batch."""

    batch: Batch
    """Of an empty share a clip of another process that stands in, since processes compute
    together."""
    num_clips: int
    """Clips of the share; 0: one stands in."""
    total: int
    """Clips of the batch, in all processes."""

    @property
    def weight(self) -> float:
        """Return the part of the batch's mean loss that is this process's mean loss."""
        return self.num_clips / max(self.total, 1)


def share_of(batch: Batch, strategy: Strategy) -> BatchShare:
    """Return the share that a process has of a batch. Collective.

    Args:
        batch: of this process; it may be empty.
        strategy: of the run.
    """
    counts = strategy.counts(len(batch.target))
    own, total = counts[strategy.rank], sum(counts)
    if total and not all(counts):
        first_clip = batch.rows(slice(1))._replace(failures=[])
        stand_in = strategy.broadcast(first_clip, source=counts.index(max(counts)))
        batch = batch if own else stand_in._replace(failures=batch.failures)
    return BatchShare(batch, own, total)
