"""Batch norm of a training by several processes: synchronized, or with frozen statistics.

torch's `SyncBatchNorm` takes no tensor on a CPU, and would count a clip that stands in.
Letters: C channels; the statistics are over all other axes.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from stn_action.distributed import Strategy
from stn_action.errors import InputError

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
WITH_ACTIVATION = ("BatchNormAct2d", "SyncBatchNormAct")
"""Classes of timm: batch norm, then their modules `drop` and `act`."""


class SynchronizedBatchNorm(_BatchNorm):
    """Batch norm whose statistics are those of the clips of all processes.

    Made by `synchronize_batch_norm` of another batch norm; parameters and buffers stay the same.
    """

    strategy: Strategy

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (B, C, ...) by the statistics of all processes in training. Collective then.

        Raises:
            ValueError: there is one value per channel.
        """
        if not self.training:
            return super().forward(input)
        output, mean, var, count = cast(
            tuple[Tensor, Tensor, Tensor, Tensor],
            _Normalization.apply(input, self.weight, self.bias, self.eps, self.strategy),
        )
        if self.running_mean is not None and self.running_var is not None:
            factor = self._averaging_factor()
            unbiased = var * (count / (count - 1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)
        return output

    def _averaging_factor(self) -> float:
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if self.momentum is not None:
            return self.momentum
        return 1.0 / float(cast(Tensor, self.num_batches_tracked))

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of axes."""


class SynchronizedBatchNormAct(SynchronizedBatchNorm):
    """Synchronized batch norm, then the activation of timm's `BatchNormAct2d`."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Normalize and activate (B, C, ...). Collective in training."""
        return self.act(self.drop(super().forward(input)))


def synchronize_batch_norm(network: nn.Module, strategy: Strategy) -> None:
    """Make all batch norm of a network synchronized, in place: hooks and parameters stay.

    Args:
        network: to be trained by all processes.
        strategy: of the run.

    Raises:
        InputError: a batch norm of a class that is not known.
    """
    for name, module in network.named_modules():
        if not isinstance(module, _BatchNorm):
            continue
        if type(module) in PLAIN:
            module.__class__ = SynchronizedBatchNorm
        elif type(module).__name__ in WITH_ACTIVATION:
            module.__class__ = SynchronizedBatchNormAct
        elif not isinstance(module, SynchronizedBatchNorm):
            raise InputError(
                f"train.batch_norm=synchronized: {name} is a {type(module).__name__}, which cannot "
                "be synchronized; use train.batch_norm=per_process, or frozen"
            )
        cast(SynchronizedBatchNorm, module).strategy = strategy


class _Normalization(torch.autograd.Function):
    """Normalization by statistics over all processes, and its gradient.

    The mean and the squared distances from it are summed one after the other: one sum of squares
    would lose digits. A clip that stands in is normalized, but counts for nothing.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float,
        strategy: Strategy,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        counted = 0.0 if strategy.stands_in else 1.0
        axes = _other_axes(x)
        own_var, own_mean = torch.var_mean(_precise(x), axes, correction=0)  # (C,)
        number = own_mean.new_full((1,), counted * x.numel() / x.shape[1])
        sums = strategy.sum(torch.cat([own_mean * number, number]))
        mean, count = sums[:-1] / sums[-1:], sums[-1:]
        squares = strategy.sum((own_var + (own_mean - mean).square()) * number)
        if x.numel() == x.shape[1] and count <= 1:
            raise ValueError(
                "batch norm needs more than one value per channel to train, got a batch of shape "
                f"{tuple(x.shape)}: use larger batches, or train.batch_norm=frozen"
            )
        var = squares / count
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), count)
        ctx.counted, ctx.strategy = counted, strategy
        ctx.mark_non_differentiable(mean, var, count)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, mean, inverse, count = ctx.saved_tensors
        axes, shape = _other_axes(x), (1, -1, *[1] * (x.ndim - 2))
        of_output = _precise(gradients[0])
        normalized = (_precise(x) - mean.view(shape)) * inverse.view(shape)
        of_bias = of_output.sum(axes)
        of_weight = (of_output * normalized).sum(axes)
        sums = ctx.strategy.sum(torch.stack([of_bias, of_weight]) * ctx.counted) / count
        scale = inverse if weight is None else inverse * weight
        of_input = of_output - sums[0].view(shape) - normalized * sums[1].view(shape)
        of_input = (of_input * scale.view(shape) * ctx.counted).to(x.dtype)
        if weight is None:
            return of_input, None, None, None, None
        return of_input, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None, None


def _precise(x: Tensor) -> Tensor:
    """Return a tensor in float32 at least."""
    return x if x.dtype == torch.float64 else x.float()


def _other_axes(x: Tensor) -> list[int]:
    """Return all axes but that of the channels."""
    return [0, *range(2, x.ndim)]
