"""Hooks of one forward pass, as functions that the compiler can follow.

`torch.compile` cannot follow the registration of a hook inside a forward pass. So a network that
is compiled has a hook that stays registered, which calls the hook of the pass that runs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

Hook = Callable[[nn.Module, Any, Any], Any]
"""A forward hook: of a module, its inputs and its output."""
NAME = "standing_hook"
"""The attribute of a module that has one."""


class StandingHook:
    """A registered forward hook that calls others, one after the other."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        """Return what the hooks make of the module's output; None keeps it."""
        replacement = None
        for hook in self.hooks:
            found = hook(module, inputs, output if replacement is None else replacement)
            replacement = replacement if found is None else found
        return replacement


def add_standing_hook(module: nn.Module) -> None:
    """Register a standing hook at a module that has none."""
    if getattr(module, NAME, None) is None:
        hook = StandingHook()
        setattr(module, NAME, hook)
        module.register_forward_hook(hook)


@contextmanager
def hooked(pairs: Sequence[tuple[nn.Module, Hook]]) -> Iterator[None]:
    """Call hooks after each call of their modules, inside the block.

    Args:
        pairs: modules and hooks; those of one module are called in this order.
    """
    handles: list[RemovableHandle] = []
    standing: list[tuple[StandingHook, Hook]] = []
    for module, hook in pairs:
        own = getattr(module, NAME, None)
        if own is None:
            handles.append(module.register_forward_hook(hook))
        else:
            own.hooks.append(hook)
            standing.append((own, hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for own, hook in standing:
            own.hooks.remove(hook)
