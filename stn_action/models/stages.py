"""Named stages of a network, and what they return."""

import difflib
from collections.abc import Sequence
from contextlib import contextmanager
from threading import get_ident

import torch
from torch import Tensor, nn

from stn_action.errors import InputError


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


def stage_outputs(trunk: nn.Module, paths: Sequence[str], clip: Tensor) -> list[object]:
    """Return the outputs of several stages from one pass, which ends with the last of them.

    Raises:
        InputError: there is no such stage, or one does not run before the last one.
    """
    thread, found = get_ident(), dict[str, object]()

    def note(path: str):
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if get_ident() == thread:  # others may run the same trunk
                found[path] = output
                if len(found) == len(set(paths)):
                    raise _StageReached(output)

        return hook

    handles = [
        stage(trunk, path).register_forward_hook(note(path)) for path in dict.fromkeys(paths)
    ]
    try:
        trunk(clip)
    except _StageReached:
        return [found[path] for path in paths]
    finally:
        for handle in handles:
            handle.remove()
    absent = next(path for path in paths if path not in found)
    raise InputError(f"stage {absent!r} does not take part in the backbone's forward pass")


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


class _StageReached(Exception):  # noqa: N818  (control flow, no error)
    """The exception by which a hook leaves a network's forward pass early."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output
