"""The maps of a network's stages, and how a stage returns its map.

Letters: N clips, or all their frames; L tokens.
"""

from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.layout_evidence import LayoutEvidence
from stn_action.models.map_layout import (
    SQUEEZED,
    OutputKey,
    StageLayout,
    described,
    parts_of,
    told_grid,
    told_layout,
)
from stn_action.models.stages import evaluating, stage_output


def features_at(
    trunk: nn.Module, path: str, clip: Tensor, layout: StageLayout | None = None
) -> Tensor:
    """Return the map (B, C, T, H, W) of a stage; the rest of the trunk is not run.

    Args:
        trunk: of clips (B, 3, T, H, W).
        path: module path of the stage.
        clip: (B, 3, T, H, W).
        layout: of the stage; None: found out (see `stage_map`).
    """
    if layout is None:
        return stage_map(trunk, path, clip)[0]
    return layout.map_of(stage_output(trunk, path, clip), len(clip))


def stage_map(
    trunk: nn.Module,
    path: str,
    clip: Tensor,
    *,
    channels_last: bool | None = None,
    output: OutputKey | None = None,
    grid: tuple[int, ...] | None = None,
) -> tuple[Tensor, StageLayout]:
    """Return the map (B, C, T, H, W) of a stage, and how the stage returns it.

    Args:
        trunk: of clips (B, 3, T, H, W).
        path: module path of the stage.
        clip: (B, 3, T, H, W).
        channels_last: whether the stage's channels are last; None: found out from the layers that
            make the map, and where these do not tell, from the map of a clip of another size.
        output: index of the map where the stage returns several tensors, or its key in a dict;
            None: there is one.
        grid: (T, H, W) of the stage's tokens, or (H, W) of each frame's; None: what the trunk tells
            (`TokenGrid`), or found out from what the stage returns beside them, or from the layers
            that make them.

    Raises:
        InputError: there is no such stage, its output is no map of the clip, or its layout cannot
            be found out.
    """
    evidence = LayoutEvidence(clip)
    with evidence.watching(trunk):
        returned = stage_output(trunk, path, clip)
    index = _index_of_map(path, returned, output)
    tensor = returned if index is None else parts_of(returned)[index]
    if isinstance(tensor, Tensor) and tensor.dim() == 3:
        told = told_layout(trunk, (clip.shape[2], clip.shape[3], clip.shape[4]))
        layout = _token_layout(returned, tensor, index, grid, evidence, told)
    else:
        layout = StageLayout(output=index)
    tensor = layout.tensor_of(returned)
    _check_batch(trunk, path, clip, tensor, layout)
    if layout.grid is None:
        last = evidence.channels_last(tensor) if channels_last is None else channels_last
        if last is None:
            last = _last_axis_is_fixed(trunk, path, clip, tensor, layout)
        layout = replace(layout, channels_last=last)
    features = layout.map_of(returned, len(clip))
    given = grid is not None or channels_last is not None
    if not given and not _is_of_clip(features, clip, layout, evidence):
        raise InputError(
            f"stage {path!r} returns {described(tensor)} for clips {tuple(clip.shape)}: that is "
            "no map of the clip. Heads need rows and columns of it: choose another stage"
        )
    return features, layout


def _index_of_map(path: str, returned: object, wanted: OutputKey | None) -> OutputKey | None:
    """Return which of the things that a stage returns is the map; None: it returns one tensor.

    Raises:
        InputError: there is none, or several.
    """
    parts = parts_of(returned)
    if not parts:
        if wanted is not None:
            raise InputError(
                f"stage {path!r} returns {described(returned)}: it has no outputs to choose from, "
                f"got output={wanted}; leave it out"
            )
        return None
    found = [
        index
        for index, item in parts.items()
        if isinstance(item, Tensor) and item.dim() in (3, 4, 5)
    ]
    wanted = str(wanted) if str(wanted) in parts else wanted  # a key may look like an index
    if wanted in found or (wanted is None and len(found) == 1):
        return found[0] if wanted is None else wanted
    remedy = "choose another stage"
    if found:
        choices = " or ".join(f"output={index!r}" for index in found)
        remedy = f"name the map by {choices} (model.focus.output in a configuration)"
    got = "" if wanted is None else f", got output={wanted}"
    raise InputError(f"stage {path!r} returns {described(returned)}{got}: {remedy}")


def _token_layout(
    returned: object, tokens: Tensor, index: OutputKey | None, grid: tuple[int, ...] | None,
    evidence: LayoutEvidence, told: StageLayout | None,
) -> StageLayout:  # fmt: skip
    """Return the layout of tokens (N, L, C), of those that the trunk tells if they are as many.

    Raises:
        InputError: their rows and columns cannot be found out, or are not those given.
    """
    num_tokens = tokens.shape[1]
    as_told = told is not None and num_tokens == told.num_leading + prod(told.grid or ())
    if grid is None and told is not None and as_told:
        return replace(told, output=index)
    if grid is None:
        grid = told_grid(returned, num_tokens) or evidence.grid_of(num_tokens)
    num_leading = 0 if grid is None else num_tokens - prod(grid)
    if num_leading < 0:
        raise InputError(
            f"the stage returns {described(tokens)}: {num_tokens} tokens, fewer than the "
            f"{prod(grid or ())} of the grid {grid}"
        )
    return StageLayout(output=index, grid=grid, num_leading=num_leading)


def _is_of_clip(
    features: Tensor, clip: Tensor, layout: StageLayout, evidence: LayoutEvidence
) -> bool:
    """Return whether what looks like a map (B, C, T, H, W) can be one of the clip."""
    T, H, W = features.shape[2:]
    doubtful = layout.channels_last or layout.grid is not None
    return clip.shape[2] + 1 >= T and (not doubtful or evidence.is_on_clip((H, W)))


def _check_batch(
    trunk: nn.Module, path: str, clip: Tensor, tensor: Tensor, layout: StageLayout
) -> None:
    """Check that what looks like frames of one clip is no map that has lost its batch."""
    if len(clip) > 1 or tensor.dim() == 5:
        return
    with evaluating(trunk):
        returned = stage_output(trunk, path, torch.cat([clip, clip]))
    of_two = returned if layout.output is None else parts_of(returned)[layout.output]
    if not isinstance(of_two, Tensor) or of_two.dim() != tensor.dim():
        raise InputError(
            f"stage {path!r} returns {described(tensor)} for one clip, but {described(of_two)} "
            f"for two. {SQUEEZED}"
        )


def _last_axis_is_fixed(
    trunk: nn.Module, path: str, clip: Tensor, tensor: Tensor, layout: StageLayout
) -> bool:
    """Return whether a map's last axis is as long on a clip of twice the height and width."""
    B, C, T, H, W = clip.shape
    try:
        with evaluating(trunk):
            larger = stage_output(trunk, path, clip.new_zeros(B, C, T, 2 * H, 2 * W))
    except (RuntimeError, ValueError, AssertionError):
        raise InputError(
            f"stage {path!r} returns {described(tensor)}: whether its channels are the second "
            "axis or the last cannot be found out. Tell by channels_last, or give an example clip "
            "of other height and width"
        ) from None
    return layout.tensor_of(larger).shape[-1] == tensor.shape[-1]
