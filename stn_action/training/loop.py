"""One epoch of training."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.batch import Batch, by_position, num_positions
from stn_action.distributed import Strategy
from stn_action.training.epoch_totals import EpochTotals
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
    """Share of the training clips whose class, at all positions, was the most probable in their
    forward pass."""
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
    totals: EpochTotals | None = None,
    before_batch: Sequence[BeforeBatch] = (),
    transforms: Sequence[BatchTransform] = (),
    after_step: Sequence[AfterStep] = (),
) -> TrainStats:
    """Train on every batch once, or on the batches that an epoch lacks. Collective.

    The clips of a batch count alike whatever process has them: several processes give what one
    gives on the same global batches, except for what they draw at random.

    Args:
        network: prepared by the strategy; `network(**batch.inputs(device))` returns a `Prediction`.
        batches: this process's shares of the epoch's batches: equally many in every process;
            some may be empty. Of an epoch that is resumed, the remaining ones.
        objective: (prediction, target) to a mean loss ().
        step: optimizer, schedule, clipping and strategy.
        totals: of the batches of the epoch that are done; they go on. None: there are none.
        before_batch: called before each batch, in order.
        transforms: applied to each batch, in order.
        after_step: called after each batch, in order.

    Raises:
        TrainingError: a loss or gradient is not finite, or a batch is empty.
    """
    network.train()
    totals = EpochTotals() if totals is None else totals
    strategy = step.strategy
    for batch, last in _with_last(totals.timed(batches)):
        number = totals.batches + 1
        totals.failures += batch.failures
        share = share_of(batch, strategy)
        _check_not_empty(share, number)
        strategy.stands_in = share.num_clips == 0
        batch = _on_device(share.batch, strategy)
        for call in before_batch:
            call(number)
        for transform in transforms:
            batch = transform(batch)
        prediction = network(**batch.inputs(strategy.device))
        loss = objective(prediction, batch.target) * share.weight
        correct = _num_correct(prediction.logits, batch.target) * (share.num_clips > 0)
        # One transfer: on a GPU each waits for all that was queued.
        mean_loss, num_correct = strategy.sum(torch.stack([loss.detach(), correct])).tolist()
        check_finite("loss", mean_loss, number)
        norms = step(loss, number, last=last)
        totals.add_batch(share.total, mean_loss, num_correct)
        if norms is not None:
            totals.add_step(norms.localization)
        record = StepRecord(
            number, prediction, share.num_clips, totals.loss, totals.accuracy,
            totals.data_wait_share, None if norms is None else norms.localization,
            step.completes(number, last=last),
        )  # fmt: skip
        for call in after_step:
            call(record)
    strategy.stands_in = False
    return TrainStats(
        loss=totals.loss,
        accuracy=totals.accuracy,
        steps=totals.steps,
        data_wait_share=totals.data_wait_share,
        seconds=totals.seconds,
        localization_grad_norm=totals.localization_grad_norm,
        failures=strategy.gather(totals.failures),
    )


def _on_device(batch: Batch, strategy: Strategy) -> Batch:
    clip, target, extents = (
        column.to(strategy.device, non_blocking=True)
        for column in (batch.clip, batch.target, batch.extents)
    )
    return batch._replace(clip=clip, target=target, extents=extents)


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


def _num_correct(logits: Tensor, target: Tensor) -> Tensor:
    """Count () the clips whose most probable class is the target, or one of its largest.

    Of several positions all must be right. A clip without a label has no right class.
    """
    if not target.is_floating_point():
        predicted = by_position(logits, num_positions(target)).argmax(2)  # (B, P)
        return (predicted == target.view_as(predicted)).all(1).sum()
    predicted = logits.argmax(1)
    found, largest = target.gather(1, predicted[:, None])[:, 0], target.amax(1)
    return ((found == largest) & (largest > 0)).sum()
