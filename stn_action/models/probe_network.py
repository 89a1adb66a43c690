"""What is trained on the stored maps of a frozen trunk, with everything else computed once.

Letters: R stored views, B of a batch, K descriptions, (C, T, H, W) a map, S places of a clip.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Prediction
from stn_action.models.readouts.readout import Readout
from stn_action.models.stages import evaluating

Maps = Callable[[Tensor], Tensor]
"""Numbers of views (B,) to their maps (B, C, T, H, W) float32."""
VIEWS_AT_ONCE = 32
"""When what does not depend on parameters is computed."""


class ProbeInputs(NamedTuple):
    """What a probe needs of R stored views, as far as no trained parameter has a part in it."""

    maps: Maps
    trunk: Tensor
    """(R, T, C), what the trunk's temporal module takes; or (R, D), the trunk's features."""
    evidence: Tensor | None = None
    """(R, S, C', H, W), what the read-out computes its places from."""
    descriptions: Tensor | None = None
    """(R, K, T, C), if the read-out learns nothing: nothing else is needed of the maps."""
    places: Tensor | None = None
    """(R, K, S, ...), theta or weights of these."""


class ProbeNetwork(nn.Module):
    """The trained part of a network, as a network of stored views.

    It shares all parameters with the network, and its predictions are equal. In place of a clip
    it takes the number of a stored view.

    Args:
        network: the part behind the stored stage, `FocusedNetwork.behind`, without random windows.
        inputs: of `probe_inputs`.
    """

    def __init__(self, network: FocusedNetwork, inputs: ProbeInputs) -> None:
        super().__init__()
        self.network = network
        self.inputs = inputs
        self.temporal = _trained_temporal(network)

    @property
    def gain(self) -> float:
        """Return the gain of the localization network; see `FocusedNetwork`."""
        return self.network.gain

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move the windows."""
        return self.network.localization_parameters()

    def forward(
        self,
        clip: Tensor,
        theta: Sequence[Tensor] | None = None,
        *,
        extents: Tensor | None = None,
    ) -> Prediction:
        """Classify stored views.

        Args:
            clip: (B,) int64, their numbers.
            theta: as of `FocusedNetwork.forward`.
            extents: (B, T, 2, 4), theirs.
        """
        network, inputs = self.network, self.inputs
        trunk = inputs.trunk[clip]
        if network.readout is None:
            return network.classify([self._global(trunk)], ())
        given = network.readout.checked(theta, len(clip))
        if inputs.descriptions is not None and inputs.places is not None and given is None:
            sequences, places = inputs.descriptions[clip], inputs.places[clip]
        else:
            if given is None and inputs.evidence is not None:
                given = network.readout.places_of(inputs.evidence[clip], extents)
            reading = network.readout(inputs.maps(clip), extents, given)
            sequences, places = reading.descriptions.transpose(2, 3), reading.places
        has_theta = network.readout.kind is not None
        cells = network.stage_cells.stored
        assert cells is not None
        focus = network.readout.focus(
            places if has_theta else None, None if has_theta else places, network.at, cells,
            extents,
        )  # fmt: skip
        return network.classify(self._branches(trunk, sequences), (focus,))

    def _global(self, trunk: Tensor) -> Tensor:
        return trunk if self.temporal is None else self.temporal(trunk)

    def _branches(self, trunk: Tensor, sequences: Tensor) -> list[Tensor]:
        """Return (B, D) of each branch, of sequences (B, K, T, C)."""
        describe = self.network.describe
        assert describe is not None
        if self.temporal is None or not _same(describe, self.temporal):
            described = describe(sequences.flatten(0, 1)).unflatten(0, (len(trunk), -1))
            return [self._global(trunk), *described.unbind(1)]
        sequences = torch.cat([trunk.unsqueeze(1), sequences], dim=1)  # one pass for all branches
        return list(describe(sequences.flatten(0, 1)).unflatten(0, (len(trunk), -1)).unbind(1))


@torch.no_grad()
def trunk_inputs(network: FocusedNetwork, maps: Maps, num_views: int) -> Tensor:
    """Return `ProbeInputs.trunk` of all stored views.

    Args:
        network: the part behind the stored stage.
        maps: of the stored views.
        num_views: R.

    Raises:
        InputError: more of the trunk is trained than a temporal module at its end.
    """
    temporal = _trained_temporal(network)
    caught: list[Tensor] = []
    with evaluating(network):
        if temporal is None:
            return _in_parts(lambda numbers: network.trunk_features(maps(numbers)), num_views)
        handle = temporal.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))

        def before_temporal(numbers: Tensor) -> Tensor:
            caught.clear()
            network.trunk_features(maps(numbers))
            return caught[0]

        try:
            return _in_parts(before_temporal, num_views)
        finally:
            handle.remove()


@torch.no_grad()
def probe_inputs(
    network: FocusedNetwork, maps: Maps, trunk: Tensor, extents: Tensor, *, learns: bool
) -> ProbeInputs:
    """Return what a probe of the network needs of all stored views.

    Args:
        network: the part behind the stored stage.
        maps: of the stored views.
        trunk: of `trunk_inputs`.
        extents: (R, T, 2, 4).
        learns: whether the read-out's parameters are trained.
    """
    readout = network.readout
    if readout is None:
        return ProbeInputs(maps, trunk)
    with evaluating(network):
        if learns:
            return ProbeInputs(maps, trunk, _evidence(readout, maps, len(trunk)))
        descriptions, places = [], []
        for numbers in torch.arange(len(trunk)).split(VIEWS_AT_ONCE):
            reading = readout(maps(numbers), extents[numbers])
            descriptions.append(reading.descriptions.transpose(2, 3).contiguous())
            places.append(reading.places)
        return ProbeInputs(maps, trunk, None, torch.cat(descriptions), torch.cat(places))


def _evidence(readout: Readout, maps: Maps, num_views: int) -> Tensor | None:
    """Return the evidence of all views; None if it is one per step, as large as the maps."""
    example = readout.evidence(maps(torch.arange(1)))
    if example is None or example.shape[1] > 1:
        return None
    return _in_parts(lambda numbers: cast(Tensor, readout.evidence(maps(numbers))), num_views)


def _trained_temporal(network: FocusedNetwork) -> nn.Module | None:
    """Return the trunk's temporal module if it is trained; None: nothing of the trunk is.

    Raises:
        InputError: more of it is.
    """
    names = [
        name for name, parameter in network.trunk.named_parameters() if parameter.requires_grad
    ]
    others = [name for name in names if not name.startswith("temporal.")]
    if others:
        raise InputError(
            f"a probe needs a frozen trunk, but {len(others)} of its parameters behind the stored "
            f"stage are trained ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}): set "
            "model.freeze_until to the trunk's last stage"
        )
    return network.trunk.get_submodule("temporal") if names else None


def _same(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two modules have the same parameters."""
    return [id(parameter) for parameter in one.parameters()] == [
        id(parameter) for parameter in other.parameters()
    ]


def _in_parts(compute: Callable[[Tensor], Tensor], num_views: int) -> Tensor:
    return torch.cat(
        [compute(part).float() for part in torch.arange(num_views).split(VIEWS_AT_ONCE)]
    )
