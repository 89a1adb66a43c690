"""Processes, devices and precision: the one file that configures and calls accelerate."""

import atexit
import os
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.launch import has_failed, launched_processes
from stn_action.precision_choices import Precision

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISIONS = get_args(Precision)
LONGEST_WAIT = timedelta(hours=12)
"""How long a process waits for another, such as for the main process that fills a cache."""
Item = TypeVar("Item")
Network = TypeVar("Network", bound=nn.Module)


def build_strategy(precision: str = "auto", *, cpu: bool = False) -> "Strategy":
    """Return the strategy of this process: alone, or one of those that `torchrun` started.

    Args:
        precision: as of `precision_on`.
        cpu: do not use a GPU.

    Raises:
        InputError: an unknown precision, bf16 on a GPU without it, accelerate is missing, or there
            are fewer GPUs than processes.
    """
    with needs_extra("training and tests"):
        from accelerate import Accelerator
        from accelerate.utils import InitProcessGroupKwargs

    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    gpu = torch.cuda.is_available() and not cpu
    precision = precision_on("cuda" if gpu else "cpu", precision)
    if precision == "bf16" and not has_fast_bf16("cuda" if gpu else "cpu"):
        raise InputError("precision bf16: this GPU has no bfloat16. Use fp16 or float32")
    several = launched_processes() > 1
    if gpu and int(os.environ.get("LOCAL_RANK", "0")) >= torch.cuda.device_count():
        raise InputError(
            f"this machine has {torch.cuda.device_count()} GPUs, fewer than processes: start as "
            "many with torchrun --nproc-per-node gpu, or set CUDA_VISIBLE_DEVICES= to use the CPU"
        )
    accelerator = Accelerator(
        mixed_precision="no" if precision == "float32" else precision,
        # Without `cpu`, accelerate takes processes on a machine without a GPU for separate runs.
        cpu=cpu or (several and not gpu),
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST_WAIT)],
    )
    if several:
        atexit.register(_leave_process_group)
    return Strategy(accelerator)


def precision_on(device_type: str, precision: str) -> str:
    """Return the precision that a device computes in: "float32", "bf16" or "fp16".

    Args:
        device_type: "cuda" or "cpu".
        precision: "auto" (bf16 on a GPU that has it, else float32), "float32", "bf16", "fp16". A
            processor has no fp16, and bf16 only if it multiplies in it: float32 otherwise, so that
            what was trained on a GPU can be tested anywhere.
    """
    if device_type == "cuda":
        of_auto = "bf16" if has_fast_bf16("cuda") else "float32"
        return of_auto if precision == "auto" else precision
    return "bf16" if precision == "bf16" and has_fast_bf16("cpu") else "float32"


def has_fast_bf16(device_type: str) -> bool:
    """Return whether a device multiplies in bf16, "cuda" or "cpu"."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()


class Strategy:
    """How a run uses processes and devices: one process, or data parallel training in several.

    Everything that depends on it is a method here, so that the training loop, the evaluation and
    the checkpoint are written once. Methods marked "collective" must be called on every process.
    """

    def __init__(self, accelerator: "Accelerator") -> None:
        """Wrap an accelerator; `build_strategy` makes one."""
        self._accelerator = accelerator
        self.stands_in = False
        """Whether this process computes on a clip that stands in for an empty share of a batch."""

    @property
    def device(self) -> torch.device:
        """Device on which this process computes."""
        device = self._accelerator.device
        return torch.device("cpu") if device.type == "cpu" else device  # it may be numbered

    @property
    def precision(self) -> str:
        """One of "float32", "bf16", "fp16"."""
        return self._accelerator.mixed_precision.replace("no", "float32")

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return self._accelerator.process_index

    @property
    def num_processes(self) -> int:
        """Processes of the run."""
        return self._accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints: rank 0."""
        return self._accelerator.is_main_process

    def prepare(self, network: Network, optimizer: Any) -> tuple[Network, Any]:
        """Return network and optimizer, ready for training. Collective.

        Every process gets the weights and buffers of rank 0.
        """
        network = self.place(network)
        self._broadcast_tensors([*network.parameters(), *network.buffers()])
        return network, self._accelerator.prepare_optimizer(optimizer)

    def place(self, network: Network) -> Network:
        """Return a network on the device, in the precision; alone it is fit for evaluation."""
        return cast(Any, self._accelerator.prepare_model(network, evaluation_mode=True))

    def share_buffers(self, network: nn.Module) -> None:
        """Give all processes the buffers of rank 0, batch norm's statistics too. Collective."""
        self._broadcast_tensors(network.buffers())

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of this process's loss to those of the batches before."""
        # accelerate's `backward` looks for a library on the disk in every step
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def step(self, optimizer: Any) -> None:
        """Let a prepared optimizer step; the scaler of fp16 may skip it."""
        # accelerate's `step` looks for that library twice
        bare = getattr(optimizer, "optimizer", optimizer)
        (bare if self.scaler is None else optimizer).step()

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace all gradients by their sums over the processes. Collective.

        A parameter has a gradient afterwards if it had one in any process.
        """
        if self.num_processes == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        has_gradient = [parameter.grad is not None for parameter in trained]
        anywhere = self.sum(torch.tensor(has_gradient, dtype=torch.int64)).tolist()
        trained = [one for one, number in zip(trained, anywhere, strict=True) if number]
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        with _together():
            torch.distributed.all_reduce(together)
        sizes = [gradient.numel() for gradient in gradients]
        for parameter, part in zip(trained, together.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)

    @property
    def scaler(self) -> Any:
        """The gradient scaler of fp16, else None. It skips a step whose gradients overflow."""
        return self._accelerator.scaler

    @property
    def step_was_skipped(self) -> bool:
        """Whether the scaler skipped the last optimizer step."""
        return self._accelerator.optimizer_step_was_skipped

    def unscale_gradients(self, optimizer: Any) -> None:
        """Divide the gradients by the scale of fp16."""
        self._accelerator.unscale_gradients(optimizer)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, on its device. Collective."""
        if self.num_processes == 1:
            return tensor
        total = tensor.to(self.device, copy=True)
        with _together():
            torch.distributed.all_reduce(total)
        return total.to(tensor.device)

    def counts(self, number: int) -> list[int]:
        """Return a number of every process, by rank. Collective."""
        if self.num_processes == 1:
            return [number]
        mine = torch.zeros(self.num_processes, dtype=torch.int64)
        mine[self.rank] = number
        return self.sum(mine).tolist()

    def gather(self, items: list[Item]) -> list[Item]:
        """Return the items of all processes, those of rank 0 first. Collective."""
        if self.num_processes == 1:
            return items
        of_each: list[Any] = [None] * self.num_processes
        with _together():
            torch.distributed.all_gather_object(of_each, items)
        return [item for of_one in of_each for item in of_one]

    def broadcast(self, item: Item, source: int = 0) -> Item:
        """Return the item of rank `source` on every process. Collective."""
        if self.num_processes == 1:
            return item
        items = [item]
        with _together():
            torch.distributed.broadcast_object_list(items, src=source)
        return items[0]

    def wait(self) -> None:
        """Wait for all processes. Collective."""
        with _together():
            self._accelerator.wait_for_everyone()

    def _broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        if self.num_processes > 1:
            with _together():
                for tensor in tensors:
                    torch.distributed.broadcast(tensor.data, src=0)


class LostProcessError(InputError):
    """The end of this process because another one of the run ended."""


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def seed_batch(seed: int, *, epoch: int, batch: int, rank: int = 0) -> None:
    """Seed the global generators for one training batch with its `batch_seed`."""
    seed_everything(batch_seed(seed, epoch=epoch, batch=batch, rank=rank))


def batch_seed(seed: int, *, epoch: int, batch: int, rank: int = 0) -> int:
    """Return the seed of one training batch, so that its draws depend on no other.

    Dropout draws from it. What a batch draws is the same however many workers load the data, and
    whether or not the run was interrupted before: no state of a generator has to be saved.

    Args:
        seed: of the run.
        epoch: counted from 1.
        batch: its number in the epoch, counted from 1.
        rank: of the process; other ranks draw other numbers.
    """
    entropy = np.random.SeedSequence([seed, epoch, batch, rank])
    return int(entropy.generate_state(1, np.uint64)[0])


@contextmanager
def _together() -> Iterator[None]:
    """Turn the error of a collective into one message: nothing is wrong with this process."""
    try:
        yield
    except RuntimeError as error:
        raise LostProcessError(
            "another process of the run was lost: it was killed, or it ended with a message of its "
            f"own. Finished work is kept: continue with --resume ({_reason(error)})"
        ) from None


def _reason(error: Exception) -> str:
    """Return the first sentence, without the line of C++ that raised it."""
    line = str(error).strip().partition("\n")[0]
    return re.sub(r"^\[\S+:\d+\] ", "", line).partition(". ")[0][:200]


def _leave_process_group() -> None:
    # After an error this could wait for processes that wait for this one: the system closes all.
    if torch.distributed.is_initialized() and not has_failed():
        torch.distributed.destroy_process_group()
