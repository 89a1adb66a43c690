"""Copies of a network with some of its modules exchanged, sharing all parameters."""

import copy
from collections.abc import Callable

from torch import nn


def exchanged(
    module: nn.Module, exchange: Callable[[str, nn.Module], nn.Module | None], path: str = ""
) -> nn.Module:
    """A copy of `module` in which `exchange` has replaced modules; the original is untouched.

    Args:
        module: the network; its parameters and buffers are shared with the copy.
        exchange: called with the path and the module, from the outside in; returns what to put in
            its place, or None to look inside it.
        path: where `module` stands.

    Returns:
        The copy.
    """
    replacement = exchange(path, module)
    if replacement is not None:
        return replacement
    result = copy.copy(module)
    result._modules = {
        name: child and exchanged(child, exchange, f"{path}.{name}" if path else name)
        for name, child in module._modules.items()
    }
    return result


class Stopped(Exception):  # noqa: N818
    """Raised by a hook to leave a network's forward pass early."""
