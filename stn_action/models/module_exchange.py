"""Copies of a network with some of its modules exchanged, sharing all parameters."""

import copy
from collections.abc import Callable

from torch import Tensor, nn


def exchange_modules(
    module: nn.Module, exchange: Callable[[str, nn.Module], nn.Module | None], path: str = ""
) -> nn.Module:
    """Return a copy of `module` with some of its modules replaced; the original is untouched.

    Args:
        module: the network; its parameters and buffers are shared with the copy.
        exchange: called with the path and the module, from the outside in; returns the
            replacement, or None to descend into the module.
        path: module path of `module`.
    """
    replacement = exchange(path, module)
    if replacement is not None:
        return replacement
    result = copy.copy(module)
    result._modules = {
        name: child and exchange_modules(child, exchange, f"{path}.{name}" if path else name)
        for name, child in module._modules.items()
    }
    return result


class FirstArgument(nn.Module):
    """The identity of what may be called with more, such as a mask."""

    def forward(self, x: Tensor, *others: object, **settings: object) -> Tensor:
        """Return the first argument."""
        return x
