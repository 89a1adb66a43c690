"""Forward and backward of the samplers, relative to affine_grid + grid_sample.

Numbers are ratios of medians of interleaved repeats in one run: 2.00 is twice as fast as
affine_grid + grid_sample on the same map (for bf16 on a bf16 grid, as autograd then asks for). The
windows cover half of the map, so that nothing is shrunk; for "area" and "supersampling" they
cover nearly all of it.
"""

import argparse
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.timing import keep_freed_memory, medians
from stn_action.geometry.clip_sampling import spatial_transformer
from stn_action.geometry.sampling import pooled
from stn_action.geometry.theta import window_theta

SHAPES = (
    ((128, 512, 14, 14), (7, 7)),
    ((32, 256, 28, 28), (14, 14)),
    ((16, 64, 56, 56), (28, 28)),
)
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
HEADS = 4
COLUMNS = (
    "map", "layout", "dtype", "grid_sample ms", "auto", "auto, affine", "separable", "area",
    "grid", "pooled", "pooled, 4 heads", "area / separable", "area / supersampling",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--threads", type=int, help="default: PyTorch's own")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, CPU")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for shape, size in SHAPES:
        for layout in LAYOUTS:
            for dtype in DTYPES:
                row = _row(shape, size, layout, dtype, options.repeats)
                print("| " + " | ".join(row) + " |", flush=True)


def _row(
    shape: tuple[int, int, int, int], size: tuple[int, int], layout: str, dtype: str, repeats: int
) -> list[str]:
    torch.manual_seed(0)
    memory_format = LAYOUTS[layout]
    maps = torch.randn(shape).to(DTYPES[dtype]).contiguous(memory_format=memory_format)
    maps.requires_grad_()
    narrow, wide = _windows(shape[0], 0.3, 0.5), _windows(shape[0], 0.9, 1.0)
    several = [_windows(shape[0], 0.3, 0.5) for _ in range(HEADS)]

    def ours(theta: Tensor, **options) -> Callable[[], None]:
        return lambda: _step(lambda: spatial_transformer(maps, theta, size, **options), maps, theta)

    def means(*theta: Tensor) -> Callable[[], None]:
        return lambda: _step(
            lambda: pooled(maps, torch.stack(theta, 1), size, axis_aligned=True), maps, *theta
        )

    seconds = medians(
        {
            "baseline": lambda: _step(lambda: _grid_sample(maps, narrow, size), maps, narrow),
            "auto": ours(narrow, axis_aligned=True),
            "affine": ours(narrow),
            "separable": ours(narrow, sampler="separable"),
            "area": ours(narrow, sampler="area"),
            "grid": ours(narrow, sampler="grid"),
            "pooled": means(narrow),
            "baseline, mean": lambda: _step(
                lambda: _grid_sample(maps, narrow, size).mean((-2, -1)), maps, narrow
            ),
            "pooled, 4": means(*several),
            "baseline, 4": lambda: _step(lambda: _means(maps, several, size), maps, *several),
            "separable, shrunk": ours(wide, sampler="separable"),
            "area, shrunk": ours(wide, sampler="area"),
            "supersampling": lambda: _step(lambda: _supersampled(maps, wide, size), maps, wide),
        },
        repeats=repeats,
    )
    ratios = [
        seconds["baseline"] / seconds[name]
        for name in ("auto", "affine", "separable", "area", "grid")
    ]
    ratios += [
        seconds["baseline, mean"] / seconds["pooled"],
        seconds["baseline, 4"] / seconds["pooled, 4"],
        seconds["area, shrunk"] / seconds["separable, shrunk"],
        seconds["area, shrunk"] / seconds["supersampling"],
    ]
    name = f"{'x'.join(map(str, shape))} -> {size[0]}x{size[1]}"
    milliseconds = f"{1e3 * seconds['baseline']:.1f}"
    return [name, layout, dtype, milliseconds, *(f"{ratio:.2f}" for ratio in ratios)]


def _windows(count: int, low: float, high: float) -> Tensor:
    """Theta (count, 2, 3) of windows inside the map."""
    scale = low + (high - low) * torch.rand(count, 1)
    center = (2 * torch.rand(count, 2) - 1) * (1 - scale)
    return window_theta(scale.expand_as(center), center).requires_grad_()


def _step(glimpse: Callable[[], Tensor], *leaves: Tensor) -> None:
    for leaf in leaves:
        leaf.grad = None
    result = glimpse()
    result.backward(_gradient(result.shape, leaves[0]))


_gradients: dict[tuple, Tensor] = {}


def _gradient(shape: torch.Size, maps: Tensor) -> Tensor:
    """A gradient made once, of the maps' layout: so it comes from the next layer of a network."""
    channels_last = len(shape) == 4 and maps.stride(1) == 1
    key = (shape, channels_last, maps.dtype)
    if key not in _gradients:
        gradient = torch.randn(shape).to(maps.dtype)
        if channels_last:
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        _gradients[key] = gradient
    return _gradients[key]


def _grid_sample(maps: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
    grid = F.affine_grid(theta, [len(maps), 1, *size], align_corners=False)
    return F.grid_sample(maps, grid.to(maps.dtype), align_corners=False)


def _means(maps: Tensor, theta: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Means of K glimpses (N, K, C)."""
    return torch.stack([_grid_sample(maps, one, size).mean((-2, -1)) for one in theta], dim=1)


def _supersampled(maps: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
    return F.avg_pool2d(_grid_sample(maps, theta, (2 * size[0], 2 * size[1])), 2)
