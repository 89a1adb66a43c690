"""What a trunk does with a clip, stage by stage: shapes, cost, and where its cells look.

Letters: (C, T, H, W) a stage's map.
"""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.map_layout import StageLayout
from stn_action.models.receptive_field import trace_cells
from stn_action.models.stage_maps import stage_map
from stn_action.models.stage_order import stage_of_parameters, trunk_stages
from stn_action.models.stages import evaluating, stage

NEIGHBORHOOD = 0.5
"""Side of a cell's neighborhood, as a share of the clip's: that of the windows at their start."""
LOCAL = 2 / 3
"""Smallest share of a cell's gradient in its neighborhood in a stage that is called local."""
FEWEST_CELLS = 4
"""Rows and columns of a map on which windows can differ."""
FLAT_SCALE = 1e-2
"""Scales below this are those of branches that start switched off."""


@dataclass(frozen=True)
class StageDescription:
    """One stage of a trunk, for one clip."""

    path: str
    parameters: int
    """Those up to the stage, without those of the stages before."""
    gmacs: float
    """Likewise, 1e9 multiplications and additions."""
    channels: int | None = None
    """C; None from here on: the stage's output is no map."""
    size_thw: tuple[int, int, int] | None = None
    step_thw: tuple[float, float, float] | None = None
    """Frames and pixels from one cell to the next."""
    shift_thw: tuple[float, float, float] | None = None
    """Frames and pixels from the clip's center to the map's."""
    field_thw: tuple[int, int, int] | None = None
    """Frames and pixels that a cell in the middle depends on, as far as the clip goes."""
    near: float | None = None
    """Share of the gradient of a cell in the middle that is in its neighborhood, the rows and
    columns around it over half of the clip's; if all pixels counted alike, it were a quarter."""

    @property
    def is_local(self) -> bool:
        """Whether the cells look near themselves."""
        return self.near is not None and self.near >= LOCAL

    @property
    def heads_pay(self) -> bool:
        """Whether windows on the map can differ, and show what is at their place in the clip."""
        return (
            self.is_local and self.size_thw is not None and min(self.size_thw[1:]) >= FEWEST_CELLS
        )


@dataclass(frozen=True)
class TrunkDescription:
    """A trunk for one clip."""

    clip_thw: tuple[int, int, int]
    stages: tuple[StageDescription, ...]
    parameters: int
    """Of all of the trunk, its classifier too."""
    gmacs: float
    """Likewise."""


def describe_trunk(trunk: nn.Module, clip: Tensor, stages: Sequence[str] = ()) -> TrunkDescription:
    """Measure a trunk's stages.

    Operations are counted by PyTorch's own counter, which counts convolutions and matrix products.
    Where cells look is measured by the gradient of one cell in the middle of the map with respect
    to a clip of noise (Luo et al. 2016, arXiv 1701.04128). In a trunk without trained weights the
    branches that start switched off (normalization and layer scales near zero) are switched on.

    Args:
        trunk: clips to features.
        clip: (1, 3, T, H, W), of which the shape counts.
        stages: of its `BackboneSpec`.

    Raises:
        InputError: a stage does not exist or does not run.
    """
    paths = trunk_stages(trunk, stages)
    stage_of = stage_of_parameters(trunk, paths)
    gmacs, total = _costs(trunk, clip, paths)
    maps = _layouts(trunk, clip, paths)
    gradients = _gradients(trunk, clip, {path: layout for path, (_, layout) in maps.items()})
    found = []
    for path in paths:
        own = [p.numel() for name, p in trunk.named_parameters() if stage_of[name] == path]
        plain = StageDescription(path, sum(own), gmacs[path])
        if path in maps:
            shape, layout = maps[path]
            plain = _with_cells(plain, trunk, shape, layout, gradients[path])
        found.append(plain)
    thw = (clip.shape[2], clip.shape[3], clip.shape[4])
    return TrunkDescription(thw, tuple(found), sum(p.numel() for p in trunk.parameters()), total)


def _with_cells(
    plain: StageDescription, trunk: nn.Module, shape: torch.Size, layout: StageLayout,
    gradient: Tensor,
) -> StageDescription:  # fmt: skip
    """Add what is known of a map (1, C, T, H, W) and of a cell's gradient (T, H, W)."""
    T, H, W = gradient.shape
    size = (shape[2], shape[3], shape[4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of cells that cannot be traced
        cells = trace_cells(trunk, plain.path, (T, H, W), size, layout=layout)
    middle = [
        first + step * (number - 1) / 2 - (length - 1) / 2
        for first, step, number, length in zip(
            cells.first_thw, cells.step_thw, size, (T, H, W), strict=True
        )
    ]
    return StageDescription(
        plain.path, plain.parameters, plain.gmacs, shape[1], size, cells.step_thw,
        (middle[0], middle[1], middle[2]), _extent(gradient), _near(gradient, cells),
    )  # fmt: skip


def _costs(trunk: nn.Module, clip: Tensor, paths: list[str]) -> tuple[dict[str, float], float]:
    """Return 1e9 multiply-accumulates of each stage, and of all of the trunk."""
    empty, empty_clip = _without_data(trunk, clip)
    ended: dict[str, int] = {}
    counter = FlopCounterMode(display=False)

    def note(path: str, output: object) -> None:
        ended[path] = counter.get_total_flops()

    with _noted(empty, paths, note), counter, evaluating(empty):
        empty(empty_clip)
    costs, before = {}, 0
    for path in paths:
        end = ended.get(path, before)
        costs[path] = (end - before) / 2e9
        before = end
    return costs, counter.get_total_flops() / 2e9


def _layouts(
    trunk: nn.Module, clip: Tensor, paths: list[str]
) -> dict[str, tuple[torch.Size, StageLayout]]:
    """Return the shape of each stage's map and how it is returned, of several maps the first."""
    empty, empty_clip = _without_data(trunk, clip)
    found = {}
    with evaluating(empty):
        for path in paths:
            for output in (None, 0):
                try:
                    features, layout = stage_map(empty, path, empty_clip, output=output)
                except InputError:
                    continue
                found[path] = features.shape, layout
                break
    return found


def _gradients(
    trunk: nn.Module, clip: Tensor, layouts: dict[str, StageLayout]
) -> dict[str, Tensor]:
    """Return the absolute gradient (T, H, W) of the middle cell of each map."""
    network = copy.deepcopy(trunk).requires_grad_(False).eval()
    _switch_on_branches(network)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(clip.shape, generator=generator).requires_grad_(True)
    outputs: dict[str, Tensor] = {}

    def note(path: str, output: object) -> None:
        # a copy: a layer behind may work in place
        outputs[path] = layouts[path].map_of(output, 1)[0].clone()  # (C, T, H, W)

    with torch.enable_grad(), _noted(network, layouts, note):
        network(noise)
    gradients = {}
    for path, features in outputs.items():
        T, H, W = features.shape[1:]
        signs = torch.randint(0, 2, features.shape[:1], generator=generator) * 2.0 - 1
        cell = (features[:, T // 2, H // 2, W // 2] * signs).sum()
        (gradient,) = torch.autograd.grad(cell, noise, retain_graph=True)
        gradients[path] = gradient[0].abs().sum(0)
    return gradients


@contextmanager
def _noted(
    network: nn.Module, paths: Iterable[str], note: Callable[[str, Any], None]
) -> Iterator[None]:
    """Call `note` with the path and the output of each stage that has run."""

    def hook(path: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, inputs, output: note(path, output)

    handles = [stage(network, path).register_forward_hook(hook(path)) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _near(gradient: Tensor, cells: Cells) -> float:
    """Return the share of a gradient (T, H, W) in the middle cell's neighborhood."""
    near = []
    for axis in (1, 2):
        center = cells.first_thw[axis] + cells.step_thw[axis] * (cells.size_thw[axis] // 2)
        pixels = torch.arange(gradient.shape[axis])
        near.append((pixels - center).abs() <= NEIGHBORHOOD / 2 * gradient.shape[axis])
    return float(gradient[:, near[0]][:, :, near[1]].sum() / gradient.sum())


def _extent(gradient: Tensor) -> tuple[int, int, int]:
    """Return the frames, rows and columns between the outermost numbers that are not zero."""
    places = gradient.nonzero()
    sides = (places.amax(0) - places.amin(0) + 1).tolist()
    return sides[0], sides[1], sides[2]


def _switch_on_branches(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        is_scale = name.rpartition(".")[2] in ("weight", "gamma", "scale", "layer_scale")
        is_vector = parameter.numel() == max(parameter.shape, default=0)
        if is_scale and is_vector and float(parameter.abs().max()) < FLAT_SCALE:
            parameter.fill_(1.0)


def _without_data(trunk: nn.Module, clip: Tensor) -> tuple[nn.Module, Tensor]:
    """Return a copy of the trunk and a clip that compute shapes alone, or both as they are."""
    empty, empty_clip = copy.deepcopy(trunk).to("meta"), clip.to("meta")
    try:
        with evaluating(empty):
            empty(empty_clip)
    except (RuntimeError, NotImplementedError):  # it reads numbers in its forward pass
        return copy.deepcopy(trunk), clip
    return empty, empty_clip
