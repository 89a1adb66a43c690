"""The optimizer step: gradients, clipping, schedule; and the record of a batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.models.prediction import Prediction
from stn_action.training.gradient_guard import GradientGuard
from stn_action.training.optim import (
    LOCALIZATION_GROUP,
    Clipping,
    GradientNorms,
    clip_gradients,
)


class TrainingError(InputError):
    """The end of a training whose loss or gradients are not finite."""


class StepRecord(NamedTuple):
    """The record of a training batch, for the `after_step` objects of `train_one_epoch`."""

    batch: int
    """Number of the batch in the epoch, from 1."""
    prediction: Prediction
    """Of this process's share of the batch."""
    num_clips: int
    """Clips of the batch that this process has; 0: the prediction is of one that stands in."""
    loss: float
    """Mean over the clips of the epoch so far."""
    accuracy: float
    """Share of correct clips of the epoch so far."""
    data_wait_share: float
    """Share of the epoch's time so far that this process waited for batches."""
    localization_grad_norm: float | None
    """Before clipping, in effective units; None: the batch did not end an optimizer step."""
    ends_step: bool = True
    """Whether no gradient waits for more batches; also if the scaler of fp16 skipped the step."""


@dataclass(frozen=True)
class OptimizerStep:
    """All steps after the loss of a batch: backward pass, clipping, optimizer and schedule."""

    optimizer: Any
    """Prepared by the strategy; over groups of `parameter_groups`."""
    schedule: Any
    """Of the bare optimizer: it steps once per optimizer step, whatever the processes."""
    strategy: Strategy
    clipping: Clipping = field(default_factory=Clipping)

    accumulation_steps: int = 1
    """Batches per optimizer step."""

    guard: GradientGuard | None = None
    """Takes note of the gradients of each step."""

    clip: Callable[..., GradientNorms] = clip_gradients
    """With arguments and result as of `clip_gradients`."""

    def __call__(self, loss: Tensor, batch: int, *, last: bool = False) -> GradientNorms | None:
        """Add the gradients of a batch; where they are complete, clip them and step. Collective.

        Args:
            loss: () this process's part of the mean loss of the batch.
            batch: its number in the epoch, from 1.
            last: whether it is the last one of the epoch, which completes a step.

        Returns:
            The norms before clipping. None: more batches are needed for a step, or the gradient
            scaler of fp16 skipped it.

        Raises:
            TrainingError: the gradients are not finite.
        """
        self.strategy.backward(loss / self.accumulation_steps)
        return self.complete(batch) if self.completes(batch, last=last) else None

    def complete(self, batch: int) -> GradientNorms | None:
        """Clip complete gradients and step; arguments, result and errors as of the call."""
        groups = self.optimizer.param_groups
        self.strategy.sum_gradients(p for group in groups for p in group["params"])
        self.strategy.unscale_gradients(self.optimizer)
        if self.guard is not None:
            heads = (group for group in groups if group.get("name") == LOCALIZATION_GROUP)
            self.guard.note(resting=all(group["lr"] == 0 for group in heads))
        norms = self.clip(
            groups,
            clip_grad_norm=self.clipping.clip_grad_norm,
            clip_localization_norm=self.clipping.clip_localization_norm,
        )
        if self.strategy.scaler is None:  # a scaler skips such a step and then scales less
            check_finite("gradient norm", sum(norms), batch)
        self.strategy.step(self.optimizer)
        for group in groups:  # what accelerate wraps around `zero_grad` takes longer than that
            for parameter in group["params"]:
                parameter.grad = None
        if self.strategy.step_was_skipped:
            return None
        self.schedule.step()
        return norms

    @property
    def learning_rate(self) -> float:
        """The largest learning rate of the last step; before the first one, of that."""
        step, schedule = max(self.schedule.last_epoch - 1, 0), self.schedule
        rates = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
        return max(base * factor(step) for base, factor in rates)

    def completes(self, batch: int, *, last: bool) -> bool:
        """Return whether a batch completes the gradients of a step: arguments as of the call."""
        return last or batch % self.accumulation_steps == 0


def check_finite(what: str, value: float, batch: int) -> None:
    """Check that a number is finite; training ends where it is not.

    Raises:
        TrainingError: with the number of the batch and what to try.
    """
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} is {value} at batch {batch} of the epoch: training diverged. Use a "
            "smaller lr, a longer warm-up or gradient clipping; with fp16, try bf16 or float32"
        )
