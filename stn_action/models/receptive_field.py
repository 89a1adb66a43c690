"""The receptive fields of a stage: positions of its cells in the clip."""

import warnings
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from stn_action.geometry.cells import Cells
from stn_action.models.coordinate_layers import FunctionalPooling, coordinate_trunk
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout, told_layout
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
    along an axis is as long as the clip. Tokens whose trunk tells their grid (`TokenGrid`) divide
    it evenly and are not traced.

    Args:
        trunk: of clips (B, 3, T, H, W).
        path: module path of the stage.
        clip_thw: frames, height and width of the clip.
        size_thw: time steps, height and width of the stage's map.
        layout: how the stage returns its map.
    """
    told = told_layout(trunk, clip_thw)
    if told is not None and told.grid == layout.grid == size_thw:
        return Cells.centered(size_thw, clip_thw)
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
        coordinates = coordinate_trunk(trunk, layout.num_leading)
        with torch.no_grad(), FunctionalPooling():
            maps = features_at(coordinates, path, clips, layout)
            maps = maps.mean(1)  # (4, T, H, W)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return None  # a layer of unknown settings, or a forward pass that reads exchanged layers
    return maps[:3] / maps[3] - _FAR


def _is_lattice(places: Tensor) -> bool:
    """Return whether places (3, T, H, W) are those of a lattice, to less than a frame in time."""
    first, last = places[:, 0, 0, 0], places[:, -1, -1, -1]
    lines = [
        torch.linspace(float(first[axis]), float(last[axis]), size, dtype=places.dtype)
        for axis, size in enumerate(places.shape[1:])
    ]
    lattice = torch.stack(torch.meshgrid(*lines, indexing="ij"))
    distance = (lattice - places).abs().amax((1, 2, 3))
    return bool(distance[0] < 1 and distance[1:].amax() <= 1e-2)  # never, if not finite
