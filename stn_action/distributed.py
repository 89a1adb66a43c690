"""Processes, devices and precisions: the one place that configures accelerate."""

from typing import TYPE_CHECKING, TypeVar, cast, get_args

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.precision import Precision

if TYPE_CHECKING:
    from accelerate import Accelerator

PRECISIONS = get_args(Precision)
Item = TypeVar("Item")


def build_accelerator(
    precision: str = "auto", *, accumulation_steps: int = 1, seed: int = 0, cpu: bool = False
) -> "Accelerator":
    """The device, the processes, the precision.

    Args:
        precision: "auto" (bf16 on a GPU that has it, else float32), "float32", "bf16", "fp16";
            on a CPU it is always float32.
        accumulation_steps: batches per optimizer step.
        seed: of the order in which a shuffling DataLoader gives the data, the same in every
            process; `loader.set_epoch(epoch)` before each epoch makes a resumed run see the same.
        cpu: leave a GPU alone.

    Raises:
        InputError: an unknown precision, bf16 on a GPU without it, or accelerate is missing.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import DataLoaderConfiguration
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
    return Accelerator(
        mixed_precision=precision if gpu and precision != "float32" else "no",
        gradient_accumulation_steps=accumulation_steps,
        cpu=cpu,
        step_scheduler_with_optimizer=False,
        dataloader_config=DataLoaderConfiguration(
            even_batches=False, use_seedable_sampler=True, data_seed=seed
        ),
    )


def summed(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, on its device; to be called on every process."""
    from accelerate.utils import reduce

    return cast(Tensor, reduce(tensor, "sum"))


def gathered(items: list[Item]) -> list[Item]:
    """The items of all processes, one process after the other; to be called on every process."""
    from accelerate.utils import gather_object

    return gather_object(items)
