"""Networks compiled by `torch.compile`, trunk and heads as one graph.

The network stays the same module, with the same parameters, names and checkpoints; only its calls
are compiled. Copies of it are not compiled.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Prediction
from stn_action.models.stages import evaluating, stage
from stn_action.models.standing_hook import add_standing_hook
from stn_action.weights import short_reason

BACKEND = "inductor"
"""What makes code of a graph; see `torch.compiler.list_backends`."""


def compile_network(network: FocusedNetwork, setting: str = "compile") -> None:
    """Compile all later calls of a network, in place, for batches of any size.

    The first call with clips of a size, in each mode, takes long: it compiles.

    Args:
        network: on its device.
        setting: name of what asks for it, for messages.

    Raises:
        InputError: this machine cannot compile.
    """
    _check_compiler(next(network.parameters()).device, setting)
    for placement in network.placements:
        add_standing_hook(stage(network.trunk, placement.at))
    if network.features_from is not None:
        add_standing_hook(stage(network.trunk, network.features_from))
    network.compile(backend=BACKEND)
    network._compiled_call_impl = _CompiledCall(network, network._compiled_call_impl, setting)


class _CompiledCall:
    """Calls of a compiled network.

    Args:
        network: it.
        call: its compiled call.
        setting: see `compile_network`.
    """

    def __init__(self, network: nn.Module, call: Any, setting: str) -> None:
        self.network = network
        self.call: Callable[..., Prediction] = call
        self.setting = setting
        self.sizes: set[torch.Size] = set()  # of clips

    def __call__(self, clip: Tensor, *args: Any, **kwargs: Any) -> Prediction:
        """Return the network's prediction.

        Raises:
            InputError: the network does not take the clips, or cannot be compiled.
        """
        from torch._dynamo import maybe_mark_dynamic
        from torch._dynamo.exc import TorchDynamoException

        if kwargs.get("sources") is not None:  # each of its own size
            return self.network.forward(clip, *args, **kwargs)
        self._run_once(clip, kwargs.get("extents"))
        for tensor in (clip, kwargs.get("extents")):
            if tensor is not None:
                maybe_mark_dynamic(tensor, 0)
        try:
            with warnings.catch_warnings():  # of the compiler, about itself
                warnings.simplefilter("ignore")
                return self.call(clip, *args, **kwargs)
        except TorchDynamoException as error:
            raise InputError(
                f"{self.setting}: the network cannot be compiled ({short_reason(error)}); set "
                f"{self.setting}=false"
            ) from error

    def _run_once(self, clip: Tensor, extents: Tensor | None) -> None:
        """Run one clip of a new size as it is.

        It finds the positions of the map's cells, which are no part of the graph, and what is
        wrong with the clip.
        """
        if clip.shape[1:] in self.sizes or not len(clip):
            return
        with evaluating(self.network):
            self.network.forward(clip[:1], extents=None if extents is None else extents[:1])
        self.sizes.add(clip.shape[1:])


def _check_compiler(device: torch.device, setting: str) -> None:
    """Check that a function of two numbers can be compiled.

    Raises:
        InputError: it cannot.
    """
    from torch._dynamo.exc import TorchDynamoException

    def double(numbers: Tensor) -> Tensor:
        return numbers + numbers

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.compile(double, backend=BACKEND)(torch.ones(2, device=device))
    except (TorchDynamoException, RuntimeError, OSError) as error:
        raise InputError(
            f"{setting}: this machine cannot compile ({short_reason(error)}): install a C++ "
            f"compiler (such as g++) and Python's header files, or set {setting}=false"
        ) from error
