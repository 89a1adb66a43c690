"""One epoch of training."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.batch import Batch
from stn_action.distributed import Strategy
from stn_action.training.objective import Objective
from stn_action.training.shares import BatchShare, share_of
from stn_action.training.step import OptimizerStep, StepRecord, TrainingError, check_finite

BatchTransform = Callable[[Batch], Batch]
"""A batch to another one, on the device; mixup is one."""
BeforeBatch = Callable[[int], None]
"""Takes the number of a batch in the epoch, from 1; the seeding of its random draws is one."""
AfterStep = Callable[[StepRecord], None]
"""The monitor of the heads, the progress display or an average of the weights are such."""


@dataclass(frozen=True)
class TrainStats:
    """The result of an epoch of training, over all processes."""

    loss: float
    """Mean over clips."""
    accuracy: float
    """Share of the training clips whose class was the most probable in their forward pass."""
    steps: int
    """Optimizer steps."""
    data_wait_share: float
    """Share of this process's time that it waited for a batch."""
    seconds: float
    localization_grad_norm: float
    """Mean over steps, before clipping, in effective units."""
    failures: list[tuple[int, str]]
    """The videos that could not be read, and why."""


def train_one_epoch(
    network: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    step: OptimizerStep,
    *,
    before_batch: Sequence[BeforeBatch] = (),
    transforms: Sequence[BatchTransform] = (),
    after_step: Sequence[AfterStep] = (),
) -> TrainStats:
    """Train on every batch once. Collective.

    The clips of a batch count alike whatever process has them: several processes give what one
    gives on the same global batches, except for what they draw at random.

    Args:
        network: prepared by the strategy; `network(clip)` returns a `Prediction`.
        batches: this process's shares of the epoch's batches: equally many in every process;
            some may be empty.
        objective: (prediction, target) to a mean loss ().
        step: optimizer, schedule, clipping and strategy.
        before_batch: called before each batch, in order.
        transforms: applied to each batch, in order.
        after_step: called after each batch, in order.

    Raises:
        TrainingError: a loss or gradient is not finite, or a batch is empty.
    """
    network.train()
    clock, means = _WaitClock(), _Means(step.strategy)
    grad_norms: list[float] = []
    failures: list[tuple[int, str]] = []
    strategy = step.strategy
    for number, (batch, last) in enumerate(_with_last(clock.timed(batches)), start=1):
        failures += batch.failures
        share = share_of(batch, strategy)
        _check_not_empty(share, number)
        strategy.stands_in = share.num_clips == 0
        batch = _on_device(share.batch, strategy)
        for call in before_batch:
            call(number)
        for transform in transforms:
            batch = transform(batch)
        prediction = network(batch.clip)
        loss = objective(prediction, batch.target) * share.weight
        means.add(share, loss, prediction.logits, batch.target)
        check_finite("loss", means.last_loss, number)
        norms = step(loss, number, last=last)
        if norms is not None:
            grad_norms.append(norms.localization)
        record = StepRecord(
            number, prediction, share.num_clips, means.loss, means.accuracy, clock.share,
            None if norms is None else norms.localization,
        )  # fmt: skip
        for call in after_step:
            call(record)
    strategy.stands_in = False
    return TrainStats(
        loss=means.loss,
        accuracy=means.accuracy,
        steps=len(grad_norms),
        data_wait_share=clock.share,
        seconds=clock.seconds,
        localization_grad_norm=sum(grad_norms) / max(len(grad_norms), 1),
        failures=strategy.gather(failures),
    )


def _on_device(batch: Batch, strategy: Strategy) -> Batch:
    clip = batch.clip.to(strategy.device, non_blocking=True)
    return batch._replace(clip=clip, target=batch.target.to(strategy.device, non_blocking=True))


def _check_not_empty(share: BatchShare, number: int) -> None:
    if share.total == 0:
        raise TrainingError(
            f"batch {number} of the epoch holds no clip: too many videos cannot be read. See the "
            "failures it lists"
        )


def _with_last(batches: Iterable[Batch]) -> Iterator[tuple[Batch, bool]]:
    """Yield each batch, and whether it is the last."""
    ahead = iter(batches)
    for batch in ahead:
        for following in ahead:
            yield batch, False
            batch = following
        yield batch, True


class _Means:
    """Loss and accuracy over the clips so far, of all processes."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._sums = torch.zeros(3, dtype=torch.float64)  # clips, loss, correct clips
        self.last_loss = torch.nan

    def add(self, share: BatchShare, loss: Tensor, logits: Tensor, target: Tensor) -> None:
        correct = _num_correct(logits, target) * (share.num_clips > 0)
        # One transfer: on a GPU each waits for all that was queued.
        values = self._strategy.sum(torch.stack([loss.detach(), correct]))
        self.last_loss, num_correct = values.tolist()
        self._sums += torch.tensor([share.total, share.total * self.last_loss, num_correct])

    @property
    def loss(self) -> float:
        return float(self._sums[1] / self._sums[0])

    @property
    def accuracy(self) -> float:
        return float(self._sums[2] / self._sums[0])


def _num_correct(logits: Tensor, target: Tensor) -> Tensor:
    """Count () the clips whose most probable class is the target, or one of its largest."""
    predicted = logits.argmax(1)
    if target.ndim == 1:
        return (predicted == target).sum()
    return (target.gather(1, predicted[:, None])[:, 0] == target.amax(1)).sum()


class _WaitClock:
    """A clock of the time of an epoch, and of the share that this process waits for batches."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._waited = 0.0

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        start = time.perf_counter()
        for batch in batches:
            self._waited += time.perf_counter() - start
            yield batch
            start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    @property
    def share(self) -> float:
        return self._waited / max(self.seconds, 1e-9)
