"""Heads at a stage under activation checkpointing, whose forward pass runs a second time.

A checkpointed region keeps no tensors; the backward pass runs its modules again to get them back.
By then the hook of the heads is gone, and another one would draw and move other windows. So heads
stay out of the region: what they save is kept, and where they replace the stage's output, the
replacement is kept, too, and stands in for that output when the region runs again.

That works for `torch.utils.checkpoint.checkpoint(..., use_reentrant=False)`. A reentrant checkpoint
runs the region without gradients: nothing that leaves it aside from its result has any.
"""

import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from stn_action.errors import InputError

_NUM_SAMPLES = 256
"""Values of a map by which it is recognized."""


def is_checkpointed() -> bool:
    """Return whether the calling code runs in a region of `torch.utils.checkpoint`."""
    return any(frame.f_code.co_filename == checkpoint.__file__ for frame in _frames())


def refuse_reentrant(what: str) -> None:
    """Check that a run with gradients has them here, too.

    Raises:
        InputError: it runs in a reentrant checkpoint.
    """
    if not torch.is_grad_enabled() and in_autograd_function():
        raise InputError(
            f"{what} runs under reentrant activation checkpointing, in which it has no gradients: "
            "checkpoint with use_reentrant=False (timm: timm.layers.set_reentrant_ckpt(False)), "
            "leave the stage out of the checkpointed part, or choose another stage; evaluate under "
            "torch.no_grad()"
        )


def in_autograd_function() -> bool:
    """Return whether the calling code runs in the forward pass of an autograd function.

    Reentrant checkpoints are such functions: PyTorch's, fairscale's and DeepSpeed's.
    """
    return any(
        isinstance(frame.f_locals.get("ctx"), torch.autograd.function.FunctionCtx)
        for frame in _frames()
        if frame.f_code.co_name == "forward"
    )


@contextmanager
def outside_checkpoint() -> Iterator[None]:
    """Keep what is saved for the backward pass, and leave the random generators as they were."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    keep = torch.autograd.graph.saved_tensors_hooks(Tensor.detach, lambda kept: kept)
    with torch.random.fork_rng(devices=devices), keep:
        yield


def replace_again(stage: nn.Module, output: Tensor, replacement: Tensor) -> Tensor:
    """Return the replacement of a stage's output, which will replace it in the second pass, too.

    Args:
        stage: the module, in a checkpointed region.
        output: what it returned.
        replacement: what the rest of the region sees instead. It is kept until the backward pass
            has used it, or the graph is gone.
    """
    kept = _Replacement(output, replacement)
    _replacer(stage).add(kept)
    # the packed object lives as long as the graph needs its saved tensors
    anchor = torch.zeros((), device=replacement.device, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda _: kept, lambda kept: kept.tensor):
        return _Anchored.apply(replacement, anchor)


class _Anchored(torch.autograd.Function):
    """A copy that saves a tensor."""

    @staticmethod
    def forward(ctx, x: Tensor, anchor: Tensor) -> Tensor:
        ctx.save_for_backward(anchor)
        return x.clone()  # the next layer may work in place

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return gradient, None


class _Replacement:
    """A replacement, and how its stage's output is recognized."""

    def __init__(self, output: Tensor, replacement: Tensor) -> None:
        self.shape = output.shape
        self.samples = _samples(output)
        self.tensor = replacement.detach()

    def distance(self, output: Tensor) -> float:
        """Return by how much an output differs."""
        return float((_samples(output) - self.samples).abs().sum())


class _Replacer:
    """A forward hook that acts in the second pass; it is removed with its last replacement."""

    def __init__(self, stage: nn.Module) -> None:
        self.alive: list[weakref.ref[_Replacement]] = []
        self.handle = stage.register_forward_hook(self)

    def add(self, kept: _Replacement) -> None:
        self.alive.append(weakref.ref(kept, self._drop))

    def _drop(self, reference: "weakref.ref[_Replacement]") -> None:
        self.alive.remove(reference)
        if not self.alive:
            self.handle.remove()

    def __call__(self, stage: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
        if torch._C._current_graph_task_id() == -1:  # no backward pass: another forward pass
            return None
        kept = [one for one in (reference() for reference in self.alive) if one is not None]
        kept = [one for one in kept if one.shape == output.shape]
        if len(kept) > 1:  # several forward passes before this backward pass
            distances = [one.distance(output) for one in kept]
            kept = [
                one
                for one, far in zip(kept, distances, strict=True)
                if far == min(distances)
            ]  # fmt: skip
        if not kept or not all(torch.equal(one.tensor, kept[0].tensor) for one in kept[1:]):
            raise InputError(
                "activation checkpointing: the map of the heads' stage cannot be recognized in the "
                "backward pass. Call backward() before the next forward pass, or leave the stage "
                "out of the checkpointed part"
            )
        return kept[0].tensor.detach().requires_grad_().clone()

    def __reduce__(self) -> str:
        return "_keep_output"  # a copy of the network has no graph


def _keep_output(stage: nn.Module, inputs: object, output: object) -> None: ...


def _replacer(stage: nn.Module) -> _Replacer:
    """Return the replacer of a stage; the first call adds it."""
    present = [hook for hook in stage._forward_hooks.values() if isinstance(hook, _Replacer)]
    return present[0] if present else _Replacer(stage)


def _samples(output: Tensor) -> Tensor:
    flat = output.detach().flatten()
    return flat[:: max(1, len(flat) // _NUM_SAMPLES)].double()


def _frames():
    frame = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
