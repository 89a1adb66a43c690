"""Named stages of a network: their feature maps, and the part of the network behind one."""

import difflib
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.map_layout import (
    LayoutEvidence,
    ToChannelsLast,
    to_channels_first,
    to_channels_last,
)
from stn_action.models.module_exchange import exchange_modules


def stage(trunk: nn.Module, path: str) -> nn.Module:
    """Return the module at `path`.

    Raises:
        InputError: there is no such module; the message lists the stages.
    """
    modules = dict(trunk.named_modules())
    if path in modules and path:
        return modules[path]
    choices = stage_names(trunk)
    near = difflib.get_close_matches(path, [name for name in modules if name], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise InputError(
        f"the backbone has no stage {path!r}{hint} Stages: {', '.join(choices)}; "
        "any module path inside them is accepted"
    )


def stage_names(trunk: nn.Module, path: str = "") -> list[str]:
    """Return the paths of the modules that hold parameters.

    A module that holds sequences is replaced by its children, and so are the containers of
    PyTorch that are never called themselves.
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


def features_at(
    trunk: nn.Module, path: str, clip: Tensor, *, channels_last: bool | None = None
) -> Tensor:
    """Return the map (B, C, T, H, W) of a stage; the rest of the trunk is not run.

    Args:
        trunk: of clips (B, 3, T, H, W).
        path: module path of the stage.
        clip: (B, 3, T, H, W).
        channels_last: whether the stage's channels are last; None: found out (see `stage_map`).
    """
    return stage_map(trunk, path, clip, channels_last=channels_last)[0]


def stage_map(
    trunk: nn.Module, path: str, clip: Tensor, *, channels_last: bool | None = None
) -> tuple[Tensor, bool]:
    """Return the map (B, C, T, H, W) of a stage, and whether the stage's own channels are last.

    Args:
        trunk: of clips (B, 3, T, H, W).
        path: module path of the stage.
        clip: (B, 3, T, H, W).
        channels_last: whether they are; None: found out from the layers that make the map, and
            where these do not tell, from the map of a clip of another size.

    Raises:
        InputError: there is no such stage, its output is no map of the clip, or its layout cannot
            be found out.
    """
    evidence = LayoutEvidence(clip)
    if channels_last is not None:
        return with_time(stage_output(trunk, path, clip), len(clip), channels_last), channels_last
    with evidence.watching(trunk):
        output = _check_map(stage_output(trunk, path, clip))
    _check_batch(trunk, path, clip, output)
    found = evidence.channels_last(output)
    if found is None:
        found = _last_axis_is_fixed(trunk, path, clip, output)
    features = with_time(output, len(clip), found)
    T, H, W = features.shape[2:]
    if clip.shape[2] + 1 < T or (found and not evidence.is_on_clip((H, W))):
        raise InputError(
            f"stage {path!r} returns {tuple(output.shape)} for clips {tuple(clip.shape)}: that is "
            "no map of the clip. Heads need rows and columns of it: choose another stage"
        )
    return features, found


def stage_output(trunk: nn.Module, path: str, clip: Tensor) -> object:
    """Return a stage's output as it is; the rest of the trunk is not run.

    Raises:
        InputError: there is no such stage, or it does not run.
    """

    def leave(module: nn.Module, inputs: object, output: object) -> None:
        raise _StageReached(output)

    handle = stage(trunk, path).register_forward_hook(leave)
    try:
        trunk(clip)
    except _StageReached as reached:
        return reached.output  # not of another thread that runs the same trunk
    finally:
        handle.remove()
    raise InputError(f"stage {path!r} does not take part in the backbone's forward pass")


def with_time(features: object, batch_size: int, channels_last: bool = False) -> Tensor:
    """Return a stage's output as (B, C, T, H, W); frames folded into the batch are unfolded.

    Raises:
        InputError: it is not a map, or not of so many clips.
    """
    maps = _check_map(features)
    if channels_last:
        maps = to_channels_first(maps)
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


SQUEEZED = (
    "A trunk whose forward pass calls .squeeze() loses the axis of a batch of one clip: name the "
    "axes to be squeezed, or use .flatten(1)"
)
"""The usual cause of a shape that is wrong for one clip."""


def trunk_behind(trunk: nn.Module, path: str, example: Tensor) -> nn.Module:
    """Return the part of the trunk behind a stage, as a network that takes the stage's map.

    Every module that runs before the stage is exchanged for the identity; parameters are shared.

    Args:
        trunk: clips to features, its modules called one after the other.
        path: the last stage that is left out.
        example: (1, 3, T, H, W), to check the result on.

    Returns:
        A network of maps (B, C, T, H, W) at that stage.

    Raises:
        InputError: the trunk is no chain there, so that it cannot be split.
    """
    before = modules_before(trunk, path, example)
    # the forward pass itself may move the channels, or a module that is exchanged
    for bridge in (nn.Identity(), ToChannelsLast()):

        def exchanged(name: str, _: nn.Module, bridge: nn.Module = bridge) -> nn.Module | None:
            return bridge if name == path else nn.Identity() if name in before else None

        rest = exchange_modules(trunk, exchanged)
        with evaluating(trunk), evaluating(rest):
            if _equal(trunk, rest, path, example):
                return rest
    raise InputError(
        f"the backbone cannot be split behind {path!r}: its forward pass is no chain there. "
        "Choose another stage for freeze_until, or set train.cache_features=false"
    )


def modules_before(trunk: nn.Module, path: str, example: Tensor) -> set[str]:
    """Return the paths of all modules that have finished when the stage has, itself included."""
    finished: set[str] = set()

    def note(name: str):
        return lambda module, inputs, output: finished.add(name)

    stage(trunk, path)  # a wrong name raises before anything runs
    handles = [
        module.register_forward_hook(note(name)) for name, module in trunk.named_modules() if name
    ]
    try:
        with evaluating(trunk):
            stage_output(trunk, path, example)
    finally:
        for handle in handles:
            handle.remove()
    return finished | {path}


@contextmanager
def evaluating(module: nn.Module):
    """Switch off gradients, dropout and batch statistics; restore every module's mode after."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def _check_map(output: object) -> Tensor:
    if isinstance(output, Tensor) and output.dim() in (4, 5):
        return output
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    tokens = isinstance(output, Tensor) and output.dim() == 3
    remedy = (
        "those are tokens without rows and columns: choose the stage before they are made, or a "
        "trunk that keeps a map (convolutional, Swin)"
        if tokens
        else "choose an earlier stage"
    )
    raise InputError(
        f"the stage returns {shape}, not a map (N, C, H, W) or (N, C, T, H, W): {remedy}"
    )


def _check_batch(trunk: nn.Module, path: str, clip: Tensor, output: Tensor) -> None:
    """Check that what looks like frames of one clip is no map that has lost its batch."""
    if len(clip) > 1 or output.dim() == 5:
        return
    with evaluating(trunk):
        of_two = _check_map(stage_output(trunk, path, torch.cat([clip, clip])))
    if of_two.dim() != output.dim():
        raise InputError(
            f"stage {path!r} returns {tuple(output.shape)} for one clip, but "
            f"{tuple(of_two.shape)} for two. {SQUEEZED}"
        )


def _last_axis_is_fixed(trunk: nn.Module, path: str, clip: Tensor, output: Tensor) -> bool:
    """Return whether a map's last axis is as long on a clip of twice the height and width."""
    B, C, T, H, W = clip.shape
    try:
        with evaluating(trunk):
            larger = stage_output(trunk, path, clip.new_zeros(B, C, T, 2 * H, 2 * W))
    except (RuntimeError, ValueError, AssertionError):
        raise InputError(
            f"stage {path!r} returns {tuple(output.shape)}: whether its channels are the second "
            "axis or the last cannot be found out. Tell by channels_last, or give an example clip "
            "of other height and width"
        ) from None
    return _check_map(larger).shape[-1] == output.shape[-1]


class _StageReached(Exception):  # noqa: N818  (control flow, no error)
    """The exception by which a hook leaves a network's forward pass early."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output


def _equal(trunk: nn.Module, rest: nn.Module, path: str, example: Tensor) -> bool:
    """Return whether `rest` computes from the stage's maps what `trunk` computes from clips."""
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
