"""The layout of a stage: where the map is in what the stage returns.

Read-outs take maps (B, C, T, H, W). Networks return them with their channels first or
last, with the frames folded into the batch, as tokens (one after another, row by row, behind
those that have no place, such as the class token), alone or side by side with something else.

Letters: N clips, or all their frames; L tokens; k of them without a place on the map.
"""

import copy
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.errors import InputError

SQUEEZED = (
    "A trunk whose forward pass calls .squeeze() loses the axis of a batch of one clip: name the "
    "axes to be squeezed, or use .flatten(1)"
)
"""The usual cause of a shape that is wrong for one clip."""


OutputKey = int | str
"""Where something is in what a stage returns: an index, or the key of a dict."""


@dataclass(frozen=True)
class StageLayout:
    """How a stage returns its map.

    `map_of` takes the map out, `replaced` puts another one in its place.
    """

    channels_last: bool = False
    """Whether the map is (N, ..., C) instead of (N, C, ...)."""

    grid: tuple[int, ...] | None = None
    """Of tokens (N, L, C): (T, H, W), or (H, W) of one frame; None: no tokens. Where the stage
    returns the grid beside the tokens, that one is used."""

    num_leading: int = 0
    """k, the tokens before those of the grid. They are kept apart, and are unchanged."""

    time_last: bool = False
    """Whether tokens are in the order (H, W, T), all times of a cell side by side, as TimeSformer
    has them, instead of (T, H, W)."""

    output: OutputKey | None = None
    """Index of the map in a tuple or list, or its key in a dict; None: the stage returns the map
    alone."""

    def tensor_of(self, output: object) -> Tensor:
        """Return the tensor that holds the map.

        Raises:
            InputError: the stage returns something else.
        """
        if self.output is not None:
            parts = parts_of(output)
            if self.output not in parts:
                raise InputError(
                    f"the stage returns {described(output)}: there is no output {self.output}"
                )
            output = parts[self.output]
        if isinstance(output, Tensor) and output.dim() in ((4, 5) if self.grid is None else (3,)):
            return output
        wanted = "a map (N, C, H, W) or (N, C, T, H, W)"
        if self.grid is not None:
            wanted = f"tokens (N, {self.num_leading + prod(self.grid)}, C)"
        elif isinstance(output, Tensor) and output.dim() == 3:
            raise InputError(
                f"the stage returns {described(output)}, not {wanted}: those are tokens whose rows "
                "and columns are not known. Choose a stage whose output is made of a map, tell "
                "by grid=(T, H, W) in `plug`, or use a trunk that keeps a map (convolutional, Swin)"
            )
        raise InputError(
            f"the stage returns {described(output)}, not {wanted}: choose an earlier stage"
        )

    def map_of(self, output: object, batch_size: int) -> Tensor:
        """Return the map (B, C, T, H, W); frames folded into the batch are unfolded.

        Args:
            output: what the stage returned.
            batch_size: B.

        Raises:
            InputError: there is no map in it, or not one of so many clips.
        """
        tensor = self.tensor_of(output)
        if self.grid is not None:
            grid = self._grid_in(output, tensor)
            order = (*grid[1:], grid[0]) if self.time_last else grid
            tensor = tensor[:, self.num_leading :].transpose(1, 2).unflatten(2, order)
            if self.time_last:
                tensor = tensor.movedim(-1, 2)  # (N, C, T, H, W)
        return with_time(tensor, batch_size, self.channels_last)

    def replaced(self, output: object, features: Tensor, num_maps: int = 1) -> object:
        """Return the stage's output with another map in its place.

        Everything beside it (leading tokens, other tensors of the same batch) stays as it is. If
        there are more maps than before, those of the clips are repeated for them.

        Args:
            output: what the stage returned.
            features: (maps * B, C, T, H, W), at first all maps of the batch, then others.
            num_maps: how many the stage has returned for each clip, the clips' own first.
        """
        tensor = self.tensor_of(output)
        if self.grid is None:
            maps = without_time(features, tensor, self.channels_last)
            return self.with_tensor(output, maps, num_maps)
        folded = len(self.grid) == 2
        maps = features.transpose(1, 2).flatten(0, 1) if folded else features
        tokens = self.tokens_of(maps)
        leading = tensor[:, : self.num_leading]
        leading = _extended(leading, len(leading), len(tokens), num_maps)
        return self.with_tensor(output, torch.cat([leading, tokens], dim=1), num_maps)

    def tokens_of(self, maps: Tensor) -> Tensor:
        """Return maps (N, C, T, H, W) or (N, C, H, W) as tokens (N, L, C) in the stage's order."""
        maps = maps.movedim(2, -1) if self.time_last else maps
        return maps.flatten(2).transpose(1, 2)

    def with_tensor(self, output: object, tensor: Tensor, num_maps: int = 1) -> object:
        """Return the stage's output with another tensor that holds the map.

        Args:
            output: what the stage returned.
            tensor: like `tensor_of` returns it, or with more maps of each clip.
            num_maps: see `replaced`.
        """
        if self.output is None:
            return tensor
        before, after = self.tensor_of(output).shape[0], tensor.shape[0]
        parts = {
            key: _extended(item, before, after, num_maps) if isinstance(item, Tensor) else item
            for key, item in parts_of(output).items()
        }
        return _with_parts(output, {**parts, self.output: tensor})

    def _grid_in(self, output: object, tensor: Tensor) -> tuple[int, ...]:
        """Return the grid of these tokens, which the stage may tell.

        Raises:
            InputError: there are more or fewer of them.
        """
        assert self.grid is not None
        num_cells = tensor.shape[1] - self.num_leading
        grid = told_grid(output, tensor.shape[1]) or self.grid
        if prod(grid) != num_cells:
            raise InputError(
                f"the stage returns {described(tensor)}: {num_cells} tokens behind the first "
                f"{self.num_leading}, expected {prod(self.grid)} of a grid {self.grid}. The grid "
                "is known for clips of the example's size alone: give clips of that size"
            )
        return grid


@dataclass(frozen=True)
class TokenGrid:
    """The order of a transformer's tokens, which a trunk tells by its attribute `token_grid`.

    Where a trunk tells nothing, the grid is found out from its layers, and a clip's tokens are
    taken to be in the order (T, H, W).
    """

    cell_thw: tuple[int, int, int]
    """Frames, rows and columns of the clip in one token; tokens do not overlap."""

    num_leading: int = 0
    """As of `StageLayout`."""

    time_last: bool = False
    """As of `StageLayout`."""

    def layout(self, clip_thw: tuple[int, int, int]) -> StageLayout:
        """Return the layout of tokens (B, L, C) of clips of a size."""
        grid = tuple(size // cell for size, cell in zip(clip_thw, self.cell_thw, strict=True))
        return StageLayout(grid=grid, num_leading=self.num_leading, time_last=self.time_last)


def told_layout(trunk: nn.Module, clip_thw: tuple[int, int, int]) -> StageLayout | None:
    """Return the layout of the tokens of a trunk that tells it; None: it does not."""
    told = getattr(trunk, "token_grid", None)
    return told.layout(clip_thw) if isinstance(told, TokenGrid) else None


CHANNELS_FIRST = StageLayout()
"""Of a stage that returns a map (N, C, ...) alone."""


def told_grid(output: object, num_tokens: int) -> tuple[int, ...] | None:
    """Return the (T, H, W) that stands beside tokens in a stage's output, if one does.

    Args:
        output: a tuple or list with three numbers in it, which are the grid if there are as many
            tokens as cells, or one (the class token) more.
        num_tokens: L.
    """
    for item in parts_of(output).values():
        sizes = tuple(item) if isinstance(item, tuple | list | torch.Size) else ()
        are_numbers = len(sizes) == 3 and all(isinstance(size, int) for size in sizes)
        if are_numbers and num_tokens - prod(sizes) in (0, 1):
            return sizes
    return None


def described(output: object) -> str:
    """Return the shape of what a stage returned, for a message."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    items = [
        (f"{key}: " if isinstance(key, str) else "")
        + (str(tuple(item.shape)) if isinstance(item, Tensor) else str(item)[:40])
        for key, item in parts_of(output).items()
    ]
    return f"a {type(output).__name__} of {', '.join(items)}" if items else type(output).__name__


def parts_of(output: object) -> dict[OutputKey, Any]:
    """Return what a stage returns side by side: by index, or of a dict by key; empty: one thing."""
    if isinstance(output, Mapping):
        return dict(output)
    return dict(enumerate(output)) if isinstance(output, tuple | list) else {}


def _with_parts(output: object, parts: dict[OutputKey | None, Any]) -> object:
    """Return a stage's output with other parts, of the same type."""
    if isinstance(output, MutableMapping):
        changed = copy.copy(output)
        for key, item in parts.items():
            if item is not output[key]:
                changed[key] = item
        return changed
    if isinstance(output, list):
        return list(parts.values())
    make = getattr(type(output), "_make", tuple)  # of a named tuple
    return make(parts.values())


def with_time(features: Tensor, batch_size: int, channels_last: bool = False) -> Tensor:
    """Return a map as (B, C, T, H, W); frames folded into the batch are unfolded.

    Raises:
        InputError: it is not of so many clips.
    """
    maps = to_channels_first(features) if channels_last else features
    if maps.dim() == 5 and maps.shape[0] == batch_size:
        return maps
    if maps.dim() == 5 or maps.shape[0] % batch_size:
        raise InputError(
            f"the stage returns {tuple(maps.shape)} for a batch of {batch_size}: the first axis "
            "must be that of the clips, or of all their frames. " + SQUEEZED
        )
    return maps.unflatten(0, (batch_size, -1)).transpose(1, 2)


def without_time(features: Tensor, like: Tensor, channels_last: bool = False) -> Tensor:
    """Undo `with_time` for a stage that returns maps `like` this one."""
    maps = features if like.dim() == 5 else features.transpose(1, 2).flatten(0, 1)
    return to_channels_last(maps) if channels_last else maps


def _extended(tensor: Tensor, before: int, after: int, num_maps: int) -> Tensor:
    """Return a tensor of the batch with the rows of the clips repeated for new maps.

    Args:
        tensor: (num_maps * N, ...), the rows of the clips first; one that is not of the batch is
            returned as it is.
        before: rows of the batch so far, num_maps * N.
        after: rows of the result, a multiple of N.
        num_maps: of each clip so far.
    """
    if after == before or not tensor.dim() or tensor.shape[0] != before:
        return tensor
    N = before // num_maps
    new = tensor[:N].repeat((after - before) // N, *[1] * (tensor.dim() - 1))
    return torch.cat([tensor, new])


def to_channels_first(features: Tensor) -> Tensor:
    """Move the last axis behind the first."""
    return features.movedim(-1, 1)


def to_channels_last(features: Tensor) -> Tensor:
    """Move the second axis to the end."""
    return features.movedim(1, -1)


class ToChannelsLast(nn.Module):
    """A layer that moves the second axis to the end."""

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, ..., C) of (N, C, ...)."""
        return to_channels_last(features)


class ToTokens(nn.Module):
    """A layer that returns maps as the tokens of a stage."""

    def __init__(self, layout: StageLayout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, L, C) of (B, C, T, H, W)."""
        return self.layout.tokens_of(features)
