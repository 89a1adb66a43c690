"""What is trained on the stored maps of a frozen trunk, with everything else computed once.

Letters: R stored views, B of a batch, K descriptions, (C, T, H, W) a map, S places of a clip; P
what the temporal module computes without parameters, see `TemporalModule`.
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
from stn_action.models.stored_means import MapSource, stored_means
from stn_action.models.temporal import TemporalModule

VIEWS_AT_ONCE = 32
"""When what does not depend on parameters is computed."""


class ProbeInputs(NamedTuple):
    """What a probe needs of R stored views, as far as no trained parameter has a part in it."""

    source: MapSource
    trunk: Tensor
    """(R, *P) for the trunk's temporal module; or (R, D), the trunk's features."""
    evidence: Tensor | None = None
    """(R, S, H, W, C'), what the read-out computes its places from."""
    descriptions: Tensor | None = None
    """(R, K, *P), if the read-out learns nothing: nothing else is needed of the maps."""
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
        self._one_pass = _same(network.describe, self.temporal)

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
        places = None
        if self.network.readout is not None:
            places = self.network.readout.checked(theta, len(clip))
            if places is None and self.inputs.descriptions is None:
                places = self.places(self.evidence(clip), extents)
        descriptions, places = self.read(clip, places, extents)
        return self.classified(self.inputs.trunk[clip], descriptions, places, extents)

    def evidence(self, clip: Tensor) -> Tensor:
        """Return what places are learned from, (B, S, C', H, W), of stored views (B,)."""
        if self.inputs.evidence is not None:
            return self.inputs.evidence[clip].movedim(-1, 2)
        assert self.network.readout is not None
        return cast(Tensor, self.network.readout.evidence(self.inputs.source.maps(clip)))

    def places(self, evidence: Tensor, extents: Tensor | None) -> Tensor:
        """Compute theta or weights (B, K, S, ...); see `Readout.places_of`."""
        assert self.network.readout is not None
        return self.network.readout.places_of(evidence, extents)

    def read(
        self, clip: Tensor, places: Tensor | None, extents: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return descriptions (B, K, *P) of stored views, and their places; no parameter is used.

        Args:
            clip: (B,) int64, numbers of views.
            places: of the read-out; None: it learns none.
            extents: (B, T, 2, 4).
        """
        network, inputs = self.network, self.inputs
        if network.readout is None:
            return None, None
        if places is None and inputs.descriptions is not None and inputs.places is not None:
            return inputs.descriptions[clip], inputs.places[clip]
        assert places is not None
        sequences = sequences_at(network, inputs.source, clip, places, extents)
        return _prepared(network, sequences), places

    def classified(
        self,
        trunk: Tensor,
        descriptions: Tensor | None,
        places: Tensor | None,
        extents: Tensor | None,
    ) -> Prediction:
        """Classify what was read.

        Args:
            trunk: (B, *P) or (B, D), as of `ProbeInputs`.
            descriptions: (B, K, *P); None: there is no read-out.
            places: theirs.
            extents: (B, T, 2, 4).
        """
        network = self.network
        if network.readout is None or descriptions is None:
            return network.classify([self._global(trunk)], ())
        has_theta = network.readout.kind is not None
        cells = network.stage_cells.stored
        assert cells is not None
        focus = network.readout.focus(
            places if has_theta else None, None if has_theta else places, network.at, cells,
            extents,
        )  # fmt: skip
        return network.classify(self._branches(trunk, descriptions), (focus,))

    def _global(self, trunk: Tensor) -> Tensor:
        return trunk if self.temporal is None else self.temporal.reduced(trunk)

    def _branches(self, trunk: Tensor, descriptions: Tensor) -> list[Tensor]:
        """Return (B, D) of each branch."""
        describe = self.network.describe
        assert isinstance(describe, TemporalModule)
        num_clips, num_read = descriptions.shape[:2]
        descriptions = descriptions.flatten(0, 1)
        if self._one_pass:
            of_trunk, described = describe.reduced(trunk, descriptions).split(
                [num_clips, num_clips * num_read]
            )
        else:
            of_trunk, described = self._global(trunk), describe.reduced(descriptions)
        return [of_trunk, *described.unflatten(0, (num_clips, num_read)).unbind(1)]


@torch.no_grad()
def trunk_inputs(network: FocusedNetwork, source: MapSource, num_views: int) -> Tensor:
    """Return `ProbeInputs.trunk` of all stored views.

    Args:
        network: the part behind the stored stage.
        source: of the stored views.
        num_views: R.

    Raises:
        InputError: more of the trunk is trained than a temporal module at its end.
    """
    with evaluating(network):
        return in_parts(lambda numbers: prepared_features(network, source.maps(numbers)), num_views)


def prepared_features(network: FocusedNetwork, maps: Tensor) -> Tensor:
    """Return what the trunk computes of maps without a trained parameter, (N, *P) or (N, D).

    Args:
        network: the part behind the stored stage.
        maps: (N, C, T, H, W) of that stage.

    Raises:
        InputError: as `trunk_inputs`.
    """
    temporal = _trained_temporal(network)
    if temporal is None:
        return network.trunk_features(maps)
    caught: list[Tensor] = []
    handle = temporal.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    try:
        network.trunk_features(maps)
    finally:
        handle.remove()
    return temporal.prepared(caught[0])


@torch.no_grad()
def probe_inputs(
    network: FocusedNetwork, source: MapSource, trunk: Tensor, extents: Tensor, *, learns: bool
) -> ProbeInputs:
    """Return what a probe of the network needs of all stored views.

    Args:
        network: the part behind the stored stage.
        source: of the stored views.
        trunk: of `trunk_inputs`.
        extents: (R, T, 2, 4).
        learns: whether the read-out's parameters are trained.
    """
    readout = network.readout
    if readout is None:
        return ProbeInputs(source, trunk)
    with evaluating(network):
        if learns:
            return ProbeInputs(source, trunk, _evidence(readout, source, len(trunk)))
        descriptions, places = [], []
        for numbers in torch.arange(len(trunk)).split(VIEWS_AT_ONCE):
            reading = readout(source.maps(numbers), extents[numbers])
            descriptions.append(_prepared(network, reading.descriptions.transpose(2, 3)))
            places.append(reading.places)
        return ProbeInputs(source, trunk, None, torch.cat(descriptions), torch.cat(places))


@torch.no_grad()
def reads_as(network: FocusedNetwork, inputs: ProbeInputs, extents: Tensor) -> bool:
    """Return whether a network that learns no places looks where another one did.

    It then has the same inputs: beside places, reading depends on nothing that seeds change.

    Args:
        network: the part behind the stored stage.
        inputs: of the other one, with descriptions.
        extents: (R, T, 2, 4).
    """
    if network.readout is None or inputs.places is None:
        return network.readout is None
    numbers = torch.arange(len(extents))[:VIEWS_AT_ONCE]
    with evaluating(network):
        places = network.readout(inputs.source.maps(numbers), extents[numbers]).places
    return torch.equal(places, inputs.places[numbers])


def sequences_at(
    network: FocusedNetwork, source: MapSource, clip: Tensor, places: Tensor,
    extents: Tensor | None,
) -> Tensor:  # fmt: skip
    """Return what stored views (B,) show at places of their maps, (B, K, T, C)."""
    assert network.readout is not None
    cells = network.stage_cells.stored
    assert cells is not None
    weights = network.readout.cell_weights(places, cells.size_thw[1:])
    if weights is not None:
        return stored_means(source, clip, weights)
    return network.readout(source.maps(clip), extents, places).descriptions.transpose(2, 3)


def _prepared(network: FocusedNetwork, sequences: Tensor) -> Tensor:
    """Return (B, K, *P) of sequences (B, K, T, C)."""
    assert isinstance(network.describe, TemporalModule)
    return network.describe.prepared(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])


def _evidence(readout: Readout, source: MapSource, num_views: int) -> Tensor | None:
    """Return the evidence of all views; None if it is one per step, as large as the maps."""
    example = readout.evidence(source.maps(torch.arange(1)))
    if example is None or example.shape[1] > 1:
        return None
    return in_parts(
        lambda numbers: cast(Tensor, readout.evidence(source.maps(numbers))).movedim(2, -1),
        num_views,
    ).contiguous()


def _trained_temporal(network: FocusedNetwork) -> TemporalModule | None:
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
    if not names:
        return None
    temporal = network.trunk.get_submodule("temporal")
    assert isinstance(temporal, TemporalModule)
    return temporal


def _same(one: nn.Module | None, other: nn.Module | None) -> bool:
    """Return whether two modules have the same parameters."""
    if one is None or other is None:
        return False
    return [id(parameter) for parameter in one.parameters()] == [
        id(parameter) for parameter in other.parameters()
    ]


def in_parts(compute: Callable[[Tensor], Tensor], num_views: int) -> Tensor:
    """Return what is computed of the numbers of R views, some at a time, float32."""
    return torch.cat(
        [compute(part).float() for part in torch.arange(num_views).split(VIEWS_AT_ONCE)]
    )
