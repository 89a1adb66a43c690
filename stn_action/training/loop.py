"""One epoch of training."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from stn_action.batch import Batch
from stn_action.distributed import gathered, summed
from stn_action.errors import InputError
from stn_action.models.prediction import Prediction
from stn_action.training.monitor import HeadMonitor
from stn_action.training.optim import Clipping, clip_gradients

if TYPE_CHECKING:
    from accelerate import Accelerator


class TrainingError(InputError):
    """Training cannot go on: the loss or the gradients are no numbers any more."""


class StepProgress(Protocol):
    """Is told how far an epoch is; `log.EpochProgress` draws it."""

    def step(self, loss: float, accuracy: float, data_wait_share: float) -> None:
        """A batch is done; the numbers are means over the epoch so far, of this process."""
        ...


@dataclass(frozen=True)
class TrainStats:
    """What an epoch of training gave, over all processes."""

    loss: float
    """Mean over clips."""
    accuracy: float
    """Share of the training clips whose class was most probable when they were seen."""
    steps: int
    """Optimizer steps."""
    data_wait_share: float
    """Share of this process's time that went into waiting for a batch."""
    seconds: float
    localization_grad_norm: float
    """Mean over steps, before clipping, in effective units."""
    failures: list[tuple[int, str]]
    """The videos that could not be read, and why."""


def train_one_epoch(
    network: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[Prediction, Tensor], Tensor],
    optimizer: Any,
    schedule: Any,
    accelerator: "Accelerator",
    *,
    clipping: Clipping | None = None,
    monitor: HeadMonitor | None = None,
    progress: StepProgress | None = None,
) -> TrainStats:
    """Train on every batch once.

    Args:
        network: prepared by the accelerator; `network(clip)` gives a `Prediction`.
        batches: a DataLoader prepared by the accelerator. Any iterable does as long as the
            accelerator does not accumulate (it could not know which batch is the last).
        loss: (prediction, target) to a mean loss ().
        optimizer: prepared by the accelerator.
        schedule: built on the bare optimizer, *not* prepared: it steps once per optimizer step.
        accelerator: of `build_accelerator`.
        clipping: the largest gradient norms.
        monitor: is reset, then sees every batch; ask it afterwards.
        progress: is told after every batch.

    Raises:
        TrainingError: a loss or gradient is not finite, or a batch is empty.
    """
    network.train()
    bare = accelerator.unwrap_model(network)
    clipping = clipping or Clipping()
    if monitor is not None:
        monitor.reset()
    wait, means = _WaitClock(), _Means()
    grad_norms: list[float] = []
    failures: list[tuple[int, str]] = []
    for number, batch in enumerate(wait.timed(batches), start=1):
        failures += batch.failures
        clip = batch.clip.to(accelerator.device, non_blocking=True)
        target = batch.target.to(accelerator.device, non_blocking=True)
        _check_not_empty(clip, number)
        with accelerator.accumulate(network):
            prediction = network(clip)
            value = loss(prediction, target)
            means.add(value, prediction.logits, target)
            _check_finite("loss", means.last_loss, number)
            accelerator.backward(value)
            grad_norm = None
            if accelerator.sync_gradients:
                grad_norm = _step(bare, optimizer, schedule, accelerator, clipping, number)
        if grad_norm is not None:
            grad_norms.append(grad_norm)
        if monitor is not None:
            monitor.update(prediction.focus, localization_grad_norm=grad_norm)
        if progress is not None:
            progress.step(means.loss, means.accuracy, wait.share)
    means.reduce(accelerator.device)
    return TrainStats(
        loss=means.loss,
        accuracy=means.accuracy,
        steps=len(grad_norms),
        data_wait_share=wait.share,
        seconds=wait.seconds,
        localization_grad_norm=sum(grad_norms) / max(len(grad_norms), 1),
        failures=gathered(failures),
    )


def _step(
    network: Any,
    optimizer: Any,
    schedule: Any,
    accelerator: "Accelerator",
    clipping: Clipping,
    number: int,
) -> float | None:
    """Clip and step; the localization gradient norm, or None where a scaler skipped the step."""
    accelerator.unscale_gradients(optimizer)
    norms = clip_gradients(network, **vars(clipping))
    if accelerator.scaler is None:  # a scaler skips such a step and then scales less
        _check_finite("gradient norm", sum(norms), number)
    optimizer.step()
    optimizer.zero_grad()
    if accelerator.optimizer_step_was_skipped:
        return None
    schedule.step()
    return norms[1]


class _Means:
    """Loss and accuracy over clips, so far."""

    def __init__(self) -> None:
        self._sums = torch.zeros(3, dtype=torch.float64)  # clips, loss, right ones
        self.last_loss = math.nan

    def add(self, loss: Tensor, logits: Tensor, label: Tensor) -> None:
        right = (logits.argmax(1) == label).sum()
        # One transfer: on a GPU each waits for the whole step.
        self.last_loss, num_right = torch.stack([loss.detach(), right]).tolist()
        B = len(label)
        self._sums += torch.tensor([B, B * self.last_loss, num_right])

    def reduce(self, device: torch.device) -> None:
        self._sums = summed(self._sums.to(device)).cpu()

    @property
    def loss(self) -> float:
        return float(self._sums[1] / self._sums[0])

    @property
    def accuracy(self) -> float:
        return float(self._sums[2] / self._sums[0])


class _WaitClock:
    """How long an epoch takes, and how much of that is waiting for batches."""

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


def _check_not_empty(clip: Tensor, number: int) -> None:
    if len(clip) == 0:
        raise TrainingError(
            f"batch {number} of the epoch holds no clip: too many videos cannot be read. See the "
            "failures it lists"
        )


def _check_finite(what: str, value: float, number: int) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} is {value} at batch {number} of the epoch: training diverged. Use a "
            "smaller lr, a longer warm-up or gradient clipping; with fp16, try bf16 or float32"
        )
