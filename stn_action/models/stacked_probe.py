"""Several probe networks that differ in their weights alone, computed and differentiated at once.

A step of a probe is so small that much of its time passes between operations; a stack has as many
operations as one network.

Letters: S networks, B clips in the batch of each, T frames.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from stn_action.models.prediction import Prediction
from stn_action.models.probe_network import ProbeNetwork


class StackedProbe:
    """S networks as one: each trained parameter is a tensor (S, ...).

    Args:
        network: one of them; the others are as it is, but for their trained parameters.
        starts: of each network its trained parameters, by their name in `network`.
    """

    def __init__(self, network: ProbeNetwork, starts: Sequence[Mapping[str, Tensor]]) -> None:
        self._dropout = _GivenDropout(network.network.dropout.p)
        self._part = _Part(_with_dropout(network, self._dropout))
        self.parameters = {
            name: nn.Parameter(torch.stack([start[name] for start in starts])) for name in starts[0]
        }
        """By name, (S, ...)."""
        self._paths = _paths(self._part, network, starts[0])

    def losses(
        self,
        clip: Tensor,
        extents: Tensor,
        target: Tensor,
        objective: Callable[[Prediction, Tensor], Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensor:
        """Return the loss (S,) of each network, as of its own call in training.

        The gradient of their sum is that of each network's own loss.

        Args:
            clip: (S, B) int64, numbers of views.
            extents: (S, B, T, 2, 4).
            target: (S, B) int64.
            objective: (prediction, target) to a mean loss ().
            generators: of each network's dropout.
        """
        probe, numbers = self._part.probe, clip.flatten()
        places = None
        if probe.network.readout is not None and probe.inputs.descriptions is None:
            evidence = probe.evidence(numbers).unflatten(0, clip.shape)
            places = self._each(ProbeNetwork.places, evidence, extents).flatten(0, 1)
        descriptions, places = probe.read(numbers, places, extents.flatten(0, 1))
        rows = [
            None if row is None else row.unflatten(0, clip.shape)
            for row in (probe.inputs.trunk[numbers], descriptions, places)
        ]

        def loss(probe: ProbeNetwork, noise: Any, target: Tensor, *rows: Any) -> Tensor:
            self._dropout.noise = iter(noise)
            return objective(probe.classified(*rows), target)

        noise = self._dropout.draw(probe, clip.shape[1], generators)
        return self._each(loss, noise, target, *rows, extents)

    @torch.no_grad()
    def copy_to(self, network: ProbeNetwork, s: int) -> None:
        """Copy the parameters of network `s` of the stack into another one."""
        for name, parameter in self.parameters.items():
            network.get_parameter(name).copy_(parameter[s])

    def _each(self, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
        """Return `function(network, *arguments)` (S, ...) of each network and its arguments."""

        def of_one(parameters: Mapping[str, Tensor], *own: Any) -> Tensor:
            values = {path: parameters[name] for path, name in self._paths.items()}
            return functional_call(self._part, values, (function, *own), tie_weights=False)

        in_dims = (0, *(None if argument is None else 0 for argument in arguments))
        return torch.vmap(of_one, in_dims)(self.parameters, *arguments)


def _paths(part: "_Part", network: ProbeNetwork, names: Iterable[str]) -> dict[str, str]:
    """Return where parameters are, path by path, and their names.

    Modules may share a parameter, and shallow copies of a module all parameters. Such a place has
    one path: `functional_call` would restore one given twice to what it was given.
    """
    name_of = {id(network.get_parameter(name)): name for name in names}
    places = {
        (id(module._parameters), own): (f"{path}.{own}", name_of[id(parameter)])
        for path, module in part.named_modules()
        for own, parameter in module.named_parameters(recurse=False)
        if id(parameter) in name_of
    }
    return dict(places.values())


class _Part(nn.Module):
    """A module whose call is any function of a probe network."""

    def __init__(self, probe: ProbeNetwork) -> None:
        super().__init__()
        self.probe = probe

    def forward(self, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
        return function(self.probe, *arguments)


class _GivenDropout(nn.Module):
    """Dropout whose noise is drawn before the call: the same as `nn.Dropout` would draw."""

    noise: Iterator[Tensor]

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def draw(
        self, probe: ProbeNetwork, batch_size: int, generators: Sequence[torch.Generator]
    ) -> list[Tensor]:
        """Return the noise (S, batch_size, D) of each call, in order."""
        if self.p == 0:
            return []
        network = probe.network
        layers = [network.classifier, *(network.branch_classifiers or ())]
        widths = [layer.in_features for layer in layers if isinstance(layer, nn.Linear)]
        drawn = [
            [torch.empty(batch_size, width).bernoulli_(1 - self.p, generator=generator)
             for width in widths]
            for generator in generators
        ]  # fmt: skip
        return [torch.stack(of_call) / (1 - self.p) for of_call in zip(*drawn, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        return x if self.p == 0 else x * next(self.noise)


def _with_dropout(network: ProbeNetwork, dropout: nn.Module) -> ProbeNetwork:
    """Return the network with another dropout; everything else is shared."""
    changed, inner = copy.copy(network), copy.copy(network.network)
    inner._modules = {**inner._modules, "dropout": dropout}
    changed._modules = {**changed._modules, "network": inner}
    return changed
