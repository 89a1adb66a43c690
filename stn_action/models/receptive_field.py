"""The receptive fields of a stage: positions of its cells in the clip."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from stn_action.geometry.cells import Cells
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout
from stn_action.models.module_exchange import exchange_modules
from stn_action.models.stage_maps import features_at
from stn_action.models.stages import evaluating

_FAR = 4096.0
"""Added to every coordinate, which keeps it positive, so that a ReLU does not change it."""


@dataclass(frozen=True)
class StageCells:
    """The positions of a stage's cells in clips, traced once for each size of clip."""

    path: str
    """Module path of the stage."""

    layout: StageLayout = CHANNELS_FIRST
    """How the stage returns its map."""

    stored: Cells | None = None
    """Of the clips that stored features are of; None: clips are given."""

    _traced: dict[tuple[int, int, int], Cells] = field(default_factory=dict)

    def of(self, trunk: nn.Module, clip: Tensor, size_thw: tuple[int, int, int]) -> Cells:
        """Return the positions of a map's cells.

        Args:
            trunk: of clips (B, 3, T, H, W).
            clip: one of them, or stored features.
            size_thw: time steps, height and width of the stage's map.

        Raises:
            ValueError: the features are of clips of another size than the stored ones.
        """
        if self.stored is not None:
            if self.stored.size_thw != size_thw:
                raise ValueError(
                    f"the map at {self.path!r} must be of size {self.stored.size_thw} (time, "
                    f"height, width), as of clips of {self.stored.clip_thw}; got {size_thw}"
                )
            return self.stored
        clip_thw = (clip.shape[2], clip.shape[3], clip.shape[4])
        if clip_thw not in self._traced:
            self._traced[clip_thw] = trace_cells(
                trunk, self.path, clip_thw, size_thw, layout=self.layout
            )
        return self._traced[clip_thw]

    def behind(
        self, trunk: nn.Module, example: Tensor, clip_thw: tuple[int, int, int] | None
    ) -> "StageCells":
        """Return those of stored features, of clips of that size, or of the example's."""
        clip = example if clip_thw is None else example.new_zeros(1, 3, *clip_thw)
        with evaluating(trunk):
            features = features_at(trunk, self.path, clip, self.layout)
        T, H, W = features.shape[2:]
        return replace(self, stored=self.of(trunk, clip, (T, H, W)))


def trace_cells(
    trunk: nn.Module,
    path: str,
    clip_thw: tuple[int, int, int],
    size_thw: tuple[int, int, int],
    *,
    layout: StageLayout = CHANNELS_FIRST,
) -> Cells:
    """Compute the positions of a stage's cells in a clip.

    The trunk is run on four clips whose pixels hold their frame number, their row, their column
    and one. Every layer is exchanged for the mean over its receptive field (beyond the border the
    values continue linearly), so that the result is the center of each cell. Attention leaves every
    cell at its place. Division by the fourth clip's result corrects residual sums and
    concatenations. If the result is no regular lattice of the map's size (because cells are moved
    about, for example), a warning is raised and the cells divide the clip evenly. A single cell
    along an axis is as long as the clip.

    Args:
        trunk: of clips (B, 3, T, H, W).
        path: module path of the stage.
        clip_thw: frames, height and width of the clip.
        size_thw: time steps, height and width of the stage's map.
        layout: how the stage returns its map.
    """
    places = _places(trunk, path, clip_thw, layout)
    if places is None or tuple(places.shape[1:]) != size_thw or not _is_lattice(places):
        warnings.warn(
            f"the cells of stage {path!r} could not be traced to pixels; windows are drawn as if "
            "the cells divided the clip evenly",
            stacklevel=2,
        )
        return Cells.centered(size_thw, clip_thw)
    first, last = places[:, 0, 0, 0].tolist(), places[:, -1, -1, -1].tolist()
    step = [
        (last[axis] - first[axis]) / (size - 1) if size > 1 else float(clip_thw[axis])
        for axis, size in enumerate(size_thw)
    ]
    return Cells(size_thw, clip_thw, (first[0], first[1], first[2]), (step[0], step[1], step[2]))


def _places(
    trunk: nn.Module, path: str, clip_thw: tuple[int, int, int], layout: StageLayout
) -> Tensor | None:
    """Return frame, row and column (3, T, H, W) of each cell, or None if it cannot be traced."""
    axes = [torch.arange(size, dtype=torch.float64) + _FAR for size in clip_thw]
    ramps = torch.stack([*torch.meshgrid(*axes, indexing="ij"), torch.ones(*clip_thw).double()])
    clips = ramps.unsqueeze(1).expand(-1, 3, -1, -1, -1).contiguous()  # (4, 3, T, H, W)
    try:
        coordinates = exchange_modules(trunk, _coordinate_layer).eval()
        with torch.no_grad(), _FunctionalPooling():
            maps = features_at(coordinates, path, clips, layout)
            maps = maps.mean(1)  # (4, T, H, W)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return None  # a layer of unknown settings, or a forward pass that reads exchanged layers
    return maps[:3] / maps[3] - _FAR


def _is_lattice(places: Tensor) -> bool:
    first, last = places[:, 0, 0, 0], places[:, -1, -1, -1]
    lines = [
        torch.linspace(float(first[axis]), float(last[axis]), size, dtype=places.dtype)
        for axis, size in enumerate(places.shape[1:])
    ]
    lattice = torch.stack(torch.meshgrid(*lines, indexing="ij"))
    return torch.allclose(lattice, places, rtol=0, atol=1e-2)


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


class _CoordinateLayer(nn.Module):
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


class _FunctionalPooling(TorchFunctionMode):
    """Pooling that a forward pass calls as a function, as in Inception: traced like a layer's."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Call `func`, or the mean over its window if it pools."""
        layer = _POOLING_LAYERS.get(func)
        if layer is None or not args:
            return func(*args, **(kwargs or {}))
        x, *settings = args
        return _CoordinateLayer(layer(*settings, **(kwargs or {})), x.ndim - 2, None)(x)


class _FirstArgument(nn.Module):
    """The identity of what may be called with more, such as a mask."""

    def forward(self, x: Tensor, *others: object, **settings: object) -> Tensor:
        """Return the first argument."""
        return x


def _coordinate_layer(path: str, module: nn.Module) -> nn.Module | None:
    match module:
        case nn.Conv2d() | nn.Conv3d():
            return _CoordinateLayer(module, len(module.kernel_size), module.out_channels)
        case nn.MaxPool2d() | nn.AvgPool2d():
            return _CoordinateLayer(module, 2, None)
        case nn.MaxPool3d() | nn.AvgPool3d():
            return _CoordinateLayer(module, 3, None)
    if type(module).__name__.endswith(("SqueezeExcite", "SEModule", "SqueezeExcitation")):
        return nn.Identity()  # a gate: scales a map, moves nothing
    if type(module).__name__.endswith(("Attention", "Attention3d")):
        return _FirstArgument()
    has_children = next(module.children(), None) is not None
    is_norm = hasattr(module, "running_mean") or isinstance(module, nn.LayerNorm | nn.GroupNorm)
    if is_norm or not has_children:
        return module if isinstance(module, nn.Flatten) else nn.Identity()
    return None


def _per_axis(setting: object, num_axes: int) -> tuple[int, ...]:
    if isinstance(setting, tuple | list):  # pytorchvideo gives lists
        return tuple(setting)
    return (0 if isinstance(setting, str) else int(setting),) * num_axes  # type: ignore[call-overload]
