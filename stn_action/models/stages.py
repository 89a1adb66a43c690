"""Named stages of a network: their shapes, where their cells lie, and cutting there."""

import difflib
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.module_exchange import Stopped, exchanged


def stage(trunk: nn.Module, path: str) -> nn.Module:
    """The module at `path`.

    Raises:
        InputError: there is none; lists the stages that there are.
    """
    modules = dict(trunk.named_modules())
    if path in modules and path:
        return modules[path]
    choices = stage_names(trunk)
    near = difflib.get_close_matches(path, [name for name in modules if name], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise InputError(
        f"the backbone has no stage {path!r}{hint} Stages: {', '.join(choices)}; "
        "any module path inside them will do"
    )


def stage_names(trunk: nn.Module, path: str = "") -> list[str]:
    """Paths of the modules that hold parameters; one that holds sequences is opened.

    So are the containers of PyTorch that are not called themselves.
    """
    names = []
    for name, child in trunk.named_children():
        full = f"{path}.{name}" if path else name
        opened = isinstance(child, nn.ModuleList | nn.ModuleDict)
        if opened or any(isinstance(grandchild, nn.Sequential) for grandchild in child.children()):
            names += stage_names(child, full)
        elif any(True for _ in child.parameters()):
            names.append(full)
    return names


def features_at(trunk: nn.Module, path: str, clip: Tensor) -> Tensor:
    """The map (B, C, T, H, W) behind the stage; the rest of the trunk is not run."""
    caught: list[Tensor] = []

    def catch(module: nn.Module, inputs: object, output: Tensor) -> None:
        caught.append(with_time(output, len(clip)))
        raise Stopped

    handle = stage(trunk, path).register_forward_hook(catch)
    try:
        trunk(clip)
    except Stopped:
        return caught[0]
    finally:
        handle.remove()
    raise InputError(f"stage {path!r} does not take part in the backbone's forward pass")


def with_time(features: object, batch_size: int) -> Tensor:
    """A stage's output as (B, C, T, H, W); frames folded into the batch are unfolded.

    Raises:
        InputError: it is not a map.
    """
    if not isinstance(features, Tensor) or features.dim() not in (4, 5):
        shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise InputError(
            f"the stage puts out {shape}, not a map (N, C, H, W) or (N, C, T, H, W): "
            "choose an earlier stage"
        )
    if features.dim() == 5:
        return features
    return features.unflatten(0, (batch_size, -1)).transpose(1, 2)


def without_time(features: Tensor, like: Tensor) -> Tensor:
    """Undo `with_time` for a stage that puts out maps `like` this one."""
    return features if like.dim() == 5 else features.transpose(1, 2).flatten(0, 1)


def cut(trunk: nn.Module, path: str, example: Tensor) -> nn.Module:
    """The part of the trunk behind a stage, as a network that takes the stage's map.

    Every module that runs before the stage is exchanged for the identity; parameters are shared.

    Args:
        trunk: clips to features, its modules called one after the other.
        path: the last stage that is left out.
        example: (1, 3, T, H, W), to check the result on.

    Returns:
        A network of maps (B, C, T, H, W) at that stage.

    Raises:
        InputError: the trunk is no chain there, so that it cannot be cut.
    """
    before = modules_before(trunk, path, example)
    rest = exchanged(trunk, lambda name, _: nn.Identity() if name in before else None)
    with evaluating(trunk), evaluating(rest):
        equal = _equal(trunk, rest, path, example)
    if not equal:
        raise InputError(
            f"the backbone cannot be cut behind {path!r}: its forward pass is no chain there. "
            "Choose another stage for freeze_until, or set train.cache_features=false"
        )
    return rest


@contextmanager
def evaluating(module: nn.Module):
    """No gradients, and dropout and batch norm at rest, for a run that only looks."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def trace_cells(
    trunk: nn.Module, path: str, clip_thw: tuple[int, int, int], size_thw: tuple[int, int, int]
) -> Cells:
    """Where the cells of a stage's map, of `size_thw`, lie in a clip of `clip_thw`.

    The trunk is run on four clips that hold, in every pixel, its frame number, its row, its column
    and one, with every layer exchanged for the mean over the window that it looks at (windows
    that overhang the border go on linearly). What comes out is where each cell is centred.
    Residual sums and concatenations come out right because all is divided by what became of the
    ones. Where that does not give a regular lattice of the map's size (attention layers, say), a
    warning tells so and the cells are taken to share out the clip evenly. A single cell along an
    axis is taken to be as long as the clip.
    """
    places = _places(trunk, path, clip_thw)
    if places is None or tuple(places.shape[1:]) != size_thw or not _is_lattice(places):
        warnings.warn(
            f"where the cells of stage {path!r} lie could not be traced; regions will be drawn as "
            "if they shared out the clip evenly",
            stacklevel=2,
        )
        return Cells.centred(size_thw, clip_thw)
    first, last = places[:, 0, 0, 0].tolist(), places[:, -1, -1, -1].tolist()
    step = [
        (last[axis] - first[axis]) / (size - 1) if size > 1 else float(clip_thw[axis])
        for axis, size in enumerate(size_thw)
    ]
    return Cells(size_thw, clip_thw, (first[0], first[1], first[2]), (step[0], step[1], step[2]))


def _places(trunk: nn.Module, path: str, clip_thw: tuple[int, int, int]) -> Tensor | None:
    """Frame, row and column (3, T, H, W) of each cell; None if the trunk cannot be traced."""
    coordinates = exchanged(trunk, _coordinate_layer).eval()
    axes = [torch.arange(size, dtype=torch.float64) + _FAR for size in clip_thw]
    ramps = torch.stack([*torch.meshgrid(*axes, indexing="ij"), torch.ones(*clip_thw).double()])
    clips = ramps.unsqueeze(1).expand(-1, 3, -1, -1, -1).contiguous()  # (4, 3, T, H, W)
    try:
        with torch.no_grad():
            maps = features_at(coordinates, path, clips).mean(1)  # (4, T, H, W)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return None  # a forward pass that looks into the layers that were exchanged
    return maps[:3] / maps[3] - _FAR


def _is_lattice(places: Tensor) -> bool:
    first, last = places[:, 0, 0, 0], places[:, -1, -1, -1]
    lines = [
        torch.linspace(float(first[axis]), float(last[axis]), size, dtype=places.dtype)
        for axis, size in enumerate(places.shape[1:])
    ]
    lattice = torch.stack(torch.meshgrid(*lines, indexing="ij"))
    return torch.allclose(lattice, places, rtol=0, atol=1e-2)


_FAR = 4096.0  # keeps every coordinate positive, so that a ReLU lets it through


@dataclass(frozen=True)
class _Window:
    """The pixels under one output of a layer along one axis."""

    size: int
    stride: int
    padding: int
    dilation: int
    same: bool

    def means(self, x: Tensor, axis: int) -> Tensor:
        """Means over the windows along `axis`; the line goes on linearly beyond its ends."""
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
        if self.size == 1:  # of 1x1 layers; windows of all the rest are views of the padded line
            return line[..., :: self.stride].movedim(-1, axis)
        return line.unfold(-1, span, self.stride)[..., :: self.dilation].mean(-1).movedim(-1, axis)


class _CoordinateLayer(nn.Module):
    """A convolution or pooling as the mean over its window, of all channels alike."""

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
        """(N, C, ...) to (N, out_channels, ...), shrunk as the layer would."""
        if self.out_channels is not None:
            x = x.mean(1, keepdim=True)
        for axis, window in enumerate(self.windows, start=2):
            x = window.means(x, axis)
        return x if self.out_channels is None else x.repeat_interleave(self.out_channels, 1)


def _coordinate_layer(path: str, module: nn.Module) -> nn.Module | None:
    match module:
        case nn.Conv2d() | nn.Conv3d():
            return _CoordinateLayer(module, len(module.kernel_size), module.out_channels)
        case nn.MaxPool2d() | nn.AvgPool2d():
            return _CoordinateLayer(module, 2, None)
        case nn.MaxPool3d() | nn.AvgPool3d():
            return _CoordinateLayer(module, 3, None)
    if type(module).__name__ in ("SqueezeExcite", "SEModule", "SqueezeExcitation"):
        return nn.Identity()  # a gate: scales a map, moves nothing
    has_children = next(module.children(), None) is not None
    is_norm = hasattr(module, "running_mean") or isinstance(module, nn.LayerNorm | nn.GroupNorm)
    if is_norm or not has_children:
        return module if isinstance(module, nn.Flatten) else nn.Identity()
    return None


def _per_axis(setting: object, num_axes: int) -> tuple[int, ...]:
    if isinstance(setting, tuple):
        return setting
    return (0 if isinstance(setting, str) else int(setting),) * num_axes  # type: ignore[call-overload]


def modules_before(trunk: nn.Module, path: str, example: Tensor) -> set[str]:
    """Paths of all modules that have finished when the stage has, itself included."""
    finished: set[str] = set()

    def note(name: str):
        return lambda module, inputs, output: finished.add(name)

    stage(trunk, path)  # a wrong name is told before anything runs
    handles = [
        module.register_forward_hook(note(name)) for name, module in trunk.named_modules() if name
    ]
    try:
        with evaluating(trunk):
            features_at(trunk, path, example)
    finally:
        for handle in handles:
            handle.remove()
    return finished | {path}


def _equal(trunk: nn.Module, rest: nn.Module, path: str, example: Tensor) -> bool:
    """Whether `rest` says of the stage's maps what `trunk` says of the clips."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(2, *example.shape[1:], generator=generator).to(example)
    try:
        wanted, got = trunk(noise), rest(features_at(trunk, path, noise))
        error = (got - wanted).abs().max()
    except (RuntimeError, IndexError, InputError):  # shapes that do not fit: no chain
        return False
    # an untrained trunk hardly depends on its input: measured by how much it does
    tolerance = 1e-2 * (wanted[0] - wanted[1]).abs().max() + 1e-6 * wanted.abs().max()
    return got.shape == wanted.shape and bool(error <= tolerance)
