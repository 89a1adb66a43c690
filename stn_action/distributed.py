"""Processes, devices and precision: the one file that configures and calls accelerate."""

import atexit
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.precision_choices import Precision

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISIONS = get_args(Precision)
LONGEST_WAIT = timedelta(hours=12)
"""How long a process waits for another, such as for the main process that fills a cache."""
Item = TypeVar("Item")
Network = TypeVar("Network", bound=nn.Module)
Batches = TypeVar("Batches", bound=Iterable[Any])


def build_strategy(
    precision: str = "auto", *, accumulation_steps: int = 1, seed: int = 0, cpu: bool = False
) -> "Strategy":
    """Return the strategy of this process: alone, or one of those that `torchrun` started.

    Args:
        precision: "auto" (bf16 on a GPU that has it, else float32), "float32", "bf16", "fp16";
            on a CPU it is always float32.
        accumulation_steps: batches per optimizer step.
        seed: of the order in which a shuffling DataLoader gives the data, the same in every
            process; `Strategy.set_epoch` before each epoch makes a resumed run see the same.
        cpu: do not use a GPU.

    Raises:
        InputError: an unknown precision, bf16 on a GPU without it, or accelerate is missing.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import DataLoaderConfiguration, InitProcessGroupKwargs
    except ModuleNotFoundError as error:
        raise InputError(
            f"training needs {error.name}, which is not installed: pip install 'stn_action[train]'"
        ) from None

    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    gpu = torch.cuda.is_available() and not cpu
    bf16 = gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16" and gpu and not bf16:
        raise InputError("precision bf16: this GPU has no bfloat16. Use fp16 or float32")
    if precision == "auto":
        precision = "bf16" if bf16 else "float32"
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    accelerator = Accelerator(
        mixed_precision=precision if gpu and precision != "float32" else "no",
        gradient_accumulation_steps=accumulation_steps,
        # Without `cpu`, accelerate takes processes on a machine without a GPU for separate runs.
        cpu=cpu or (several and not gpu),
        step_scheduler_with_optimizer=False,
        dataloader_config=DataLoaderConfiguration(
            even_batches=False, use_seedable_sampler=True, data_seed=seed
        ),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=LONGEST_WAIT)],
    )
    if several:
        atexit.register(_leave_process_group)
    return Strategy(accelerator)


class Strategy:
    """How a run uses processes and devices: one process, or data parallel training in several.

    Everything that depends on it is a method here, so that the training loop, the evaluation and
    the checkpoint are written once. Methods marked "collective" must be called on every process.
    """

    def __init__(self, accelerator: "Accelerator") -> None:
        """Wrap an accelerator; `build_strategy` makes one."""
        self._accelerator = accelerator

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

    def prepare(
        self, network: nn.Module, optimizer: Any, batches: Batches
    ) -> tuple[Any, Any, Batches]:
        """Return network, optimizer and training batches, ready for training. Collective.

        Every process gets the weights of rank 0 and equally many batches of equal size: a few
        clips are given twice where they do not divide.
        """
        self._accelerator.even_batches = True
        try:
            return self._accelerator.prepare(network, optimizer, batches)
        finally:
            self._accelerator.even_batches = False

    def share(self, batches: Batches) -> Batches:
        """Return this process's share of evaluation batches: each exactly once, on one process."""
        return cast(Any, self._accelerator.prepare_data_loader(cast(Any, batches)))

    def place(self, network: Network) -> Network:
        """Return a network that is only evaluated, on the device, in the precision."""
        return cast(Any, self._accelerator.prepare_model(network, evaluation_mode=True))

    def evaluation_network(self, network: nn.Module) -> nn.Module:
        """Return the network to evaluate with, after `prepare` or `place`. Collective.

        Its forward pass waits for no other process, as these may have unequal numbers of batches.
        All processes evaluate the same network: the buffers, such as the statistics of batch
        norm, are those of rank 0.
        """
        bare = self._accelerator.unwrap_model(network)
        if self.num_processes > 1:
            for buffer in bare.buffers():
                torch.distributed.broadcast(buffer, src=0)
        return bare

    def set_epoch(self, batches: Iterable[Any], epoch: int) -> None:
        """Choose the order of shuffled batches: it depends on the seed and the epoch alone."""
        cast(Any, batches).set_epoch(epoch)

    def first(self, batches: Iterable[Item], number: int) -> Iterator[Item]:
        """Yield the first batches of a prepared loader, and tell accelerate that it has ended."""
        yield from islice(batches, number)
        cast(Any, batches).end()

    def accumulate(self, network: nn.Module) -> AbstractContextManager[None]:
        """Return the context of one batch's forward and backward pass."""
        return self._accelerator.accumulate(network)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, or add them to those of the batches before. Collective."""
        self._accelerator.backward(loss)

    @property
    def gradients_complete(self) -> bool:
        """Whether the batch in `accumulate` is the last one of an optimizer step."""
        return self._accelerator.sync_gradients

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
        from accelerate.utils import reduce

        return cast(Tensor, reduce(tensor.to(self.device), "sum")).to(tensor.device)

    def gather(self, items: list[Item]) -> list[Item]:
        """Return the items of all processes, those of rank 0 first. Collective."""
        from accelerate.utils import gather_object

        return gather_object(items)

    def broadcast(self, item: Item) -> Item:
        """Return rank 0's item on every process. Collective."""
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([item])[0]

    def wait(self) -> None:
        """Wait for all processes. Collective."""
        self._accelerator.wait_for_everyone()

    def network_state(self, network: nn.Module) -> dict[str, Any]:
        """Return the state dict of a network, its tensors complete. Collective."""
        return self._accelerator.get_state_dict(network)

    def load_network_state(self, network: nn.Module, state: dict[str, Any]) -> None:
        """Load the result of `network_state`. Collective."""
        self._accelerator.unwrap_model(network).load_state_dict(state)


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def seed_batch(seed: int, *, epoch: int, batch: int, rank: int = 0) -> None:
    """Seed the global generators for one training batch, so that its draws depend on no other.

    Dropout draws from them. What a batch draws is the same however many workers load the data, and
    whether or not the run was interrupted before: no state of a generator has to be saved.

    Args:
        seed: of the run.
        epoch: counted from 1.
        batch: its number in the epoch, counted from 1.
        rank: of the process; other ranks draw other numbers.
    """
    entropy = np.random.SeedSequence([seed, epoch, batch, rank])
    seed_everything(int(entropy.generate_state(1, np.uint64)[0]))


def _leave_process_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
