"""Layers that compute with places instead of values, to trace a map's cells to pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from stn_action.models.module_exchange import FirstArgument, exchange_modules


@dataclass(frozen=True)
class _Window:
    """The inputs of one output of a layer, along one axis."""

    size: int
    stride: int
    padding: int
    dilation: int
    same: bool

    def means(self, x: Tensor, axis: int) -> Tensor:
        """Return the means over all windows along `axis`; beyond its ends the line is linear."""
        span = (self.size - 1) * self.dilation + 1
        left = right = self.padding
        if self.same:  # TensorFlow's: as much as needed, the odd one at the end
            length = x.shape[axis]
            total = max((-(-length // self.stride) - 1) * self.stride + span - length, 0)
            left, right = total // 2, total - total // 2
        line = x.movedim(axis, -1)
        slope = line[..., 1:2] - line[..., :1] if line.shape[-1] > 1 else torch.zeros_like(line)
        before = line[..., :1] - slope * torch.arange(left, 0, -1).to(line)
        after = line[..., -1:] + slope * torch.arange(1, right + 1).to(line)
        line = torch.cat([before, line, after], dim=-1)
        if self.size == 1:  # a 1x1 layer: there is no mean to take
            return line[..., :: self.stride].movedim(-1, axis)
        return line.unfold(-1, span, self.stride)[..., :: self.dilation].mean(-1).movedim(-1, axis)


class CoordinateLayer(nn.Module):
    """A convolution or pooling layer as the mean over its window and over its channels."""

    def __init__(self, layer: nn.Module, num_axes: int, out_channels: int | None) -> None:
        super().__init__()
        self.out_channels = out_channels
        settings = [
            _per_axis(getattr(layer, name), num_axes)
            for name in ("kernel_size", "stride", "padding")
        ]
        dilation = _per_axis(getattr(layer, "dilation", 1), num_axes)
        same = "Same" in type(layer).__name__ or getattr(layer, "padding", None) == "same"
        self.windows = [
            _Window(*numbers, same=same) for numbers in zip(*settings, dilation, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (N, C, ...) to (N, out_channels, ...), with the layer's output size."""
        if self.out_channels is not None:
            x = x.mean(1, keepdim=True)
        for axis, window in enumerate(self.windows, start=2):
            x = window.means(x, axis)
        return x if self.out_channels is None else x.repeat_interleave(self.out_channels, 1)


_POOLING_LAYERS: dict[Callable[..., Tensor], type[nn.Module]] = {
    F.avg_pool2d: nn.AvgPool2d,
    F.max_pool2d: nn.MaxPool2d,
    F.avg_pool3d: nn.AvgPool3d,
    F.max_pool3d: nn.MaxPool3d,
}


class FunctionalPooling(TorchFunctionMode):
    """Pooling that a forward pass calls as a function, as in Inception: traced like a layer's."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Call `func`, or the mean over its window if it pools."""
        layer = _POOLING_LAYERS.get(func)
        if layer is None or not args:
            return func(*args, **(kwargs or {}))
        x, *settings = args
        return CoordinateLayer(layer(*settings, **(kwargs or {})), x.ndim - 2, None)(x)


class _PooledQueries(nn.Module):
    """Attention of tokens that changes their grid: that of its queries' pooling, and no values.

    Args:
        attention: of MViT; called with the tokens and their grid, it returns both.
        num_leading: tokens before those of the grid.
    """

    def __init__(self, attention: nn.Module, num_leading: int) -> None:
        super().__init__()
        pool = getattr(attention, "pool_q", None)
        parts = pool.modules() if isinstance(pool, nn.Module) else ()
        pools = [
            part for part in parts if isinstance(part, nn.Conv3d | nn.MaxPool3d | nn.AvgPool3d)
        ]
        self.pool = CoordinateLayer(pools[0], 3, None) if pools else nn.Identity()
        self.num_leading = num_leading

    def forward(self, tokens: Tensor, thw: Sequence[int]) -> tuple[Tensor, Sequence[int]]:
        """Return tokens (N, L', C), and their grid, of (N, L, C)."""
        leading = tokens[:, : self.num_leading]
        maps = tokens[:, self.num_leading :].transpose(1, 2).unflatten(2, tuple(thw))
        maps = self.pool(maps)
        grid = list(maps.shape[2:])
        tokens = torch.cat([leading, maps.flatten(2).transpose(1, 2)], dim=1)
        return tokens, grid if isinstance(thw, list) else tuple(grid)


def coordinate_trunk(trunk: nn.Module, num_leading: int) -> nn.Module:
    """Return a copy of a trunk whose layers keep or average places; see `trace_cells`.

    Args:
        trunk: of clips.
        num_leading: of a stage of tokens, those before the grid.
    """

    def exchange(path: str, module: nn.Module) -> nn.Module | None:
        return _coordinate_layer(module, num_leading)

    coordinates = exchange_modules(trunk, exchange).eval()
    for module in coordinates.modules():
        if any(_is_embedding(name) for name in module._parameters):
            module._parameters = {  # of the copy; double as the coordinates are
                name: nn.Parameter(torch.zeros_like(value).double())
                if _is_embedding(name)
                else value
                for name, value in module._parameters.items()
                if value is not None
            }
    return coordinates


def _zeros(parameter: nn.Parameter | None) -> nn.Parameter | None:
    """Return zeros in the precision of places."""
    return None if parameter is None else nn.Parameter(torch.zeros_like(parameter).double())


def _is_embedding(name: str) -> bool:
    """Return whether a parameter is a token or the embedding of a position: it adds values."""
    return "token" in name or name.startswith("pos") or name.endswith("_pos")


def _coordinate_layer(module: nn.Module, num_leading: int) -> nn.Module | None:
    match module:
        case nn.Conv2d() | nn.Conv3d():
            return CoordinateLayer(module, len(module.kernel_size), module.out_channels)
        case nn.MaxPool2d() | nn.AvgPool2d():
            return CoordinateLayer(module, 2, None)
        case nn.MaxPool3d() | nn.AvgPool3d():
            return CoordinateLayer(module, 3, None)
    if type(module).__name__.endswith(("SqueezeExcite", "SEModule", "SqueezeExcitation")):
        return nn.Identity()  # a gate: scales a map, moves nothing
    if type(module).__name__.endswith(("Attention", "Attention3d")):
        pools = hasattr(module, "pool_q")
        return _PooledQueries(module, num_leading) if pools else FirstArgument()
    if any(_is_embedding(name) for name in module._parameters):
        return None  # it is kept, with embeddings of zeros
    has_children = next(module.children(), None) is not None
    is_norm = hasattr(module, "running_mean") or isinstance(module, nn.LayerNorm | nn.GroupNorm)
    if is_norm or not has_children:
        return module if isinstance(module, nn.Flatten) else nn.Identity()
    return None


def _per_axis(setting: object, num_axes: int) -> tuple[int, ...]:
    if isinstance(setting, tuple | list):  # pytorchvideo gives lists
        return tuple(setting)
    return (0 if isinstance(setting, str) else int(setting),) * num_axes  # type: ignore[call-overload]
