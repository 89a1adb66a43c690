"""Named stages of a network: their feature maps, and the part of the network behind one."""

import difflib
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
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


def features_at(trunk: nn.Module, path: str, clip: Tensor) -> Tensor:
    """Return the map (B, C, T, H, W) of a stage; the rest of the trunk is not run."""
    caught: list[Tensor] = []

    def catch(module: nn.Module, inputs: object, output: Tensor) -> None:
        caught.append(with_time(output, len(clip)))
        raise _StageReached

    handle = stage(trunk, path).register_forward_hook(catch)
    try:
        trunk(clip)
    except _StageReached:
        return caught[0]
    finally:
        handle.remove()
    raise InputError(f"stage {path!r} does not take part in the backbone's forward pass")


def with_time(features: object, batch_size: int) -> Tensor:
    """Return a stage's output as (B, C, T, H, W); frames folded into the batch are unfolded.

    Raises:
        InputError: it is not a map.
    """
    if not isinstance(features, Tensor) or features.dim() not in (4, 5):
        shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise InputError(
            f"the stage returns {shape}, not a map (N, C, H, W) or (N, C, T, H, W): "
            "choose an earlier stage"
        )
    if features.dim() == 5:
        return features
    return features.unflatten(0, (batch_size, -1)).transpose(1, 2)


def without_time(features: Tensor, like: Tensor) -> Tensor:
    """Undo `with_time` for a stage that returns maps `like` this one."""
    return features if like.dim() == 5 else features.transpose(1, 2).flatten(0, 1)


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
    rest = exchange_modules(trunk, lambda name, _: nn.Identity() if name in before else None)
    with evaluating(trunk), evaluating(rest):
        equal = _equal(trunk, rest, path, example)
    if not equal:
        raise InputError(
            f"the backbone cannot be split behind {path!r}: its forward pass is no chain there. "
            "Choose another stage for freeze_until, or set train.cache_features=false"
        )
    return rest


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
            features_at(trunk, path, example)
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


class _StageReached(Exception):  # noqa: N818  (control flow, no error)
    """The exception by which a hook leaves a network's forward pass early."""


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
