"""What is trained on the stored maps of a frozen trunk, with everything else computed once.

Letters: R stored views, B of a batch, K descriptions, (C, T, H, W) a map, S places of a clip; P
what the temporal module computes without parameters, see `TemporalModule`.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Prediction
from stn_action.models.probe_inputs import ProbeInputs, prepared_sequences, trained_temporal
from stn_action.models.stored_means import MapSource, stored_means
from stn_action.models.temporal import TemporalModule


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
        self.temporal = trained_temporal(network)
        self._one_pass = _same(network.placement and network.placement.describe, self.temporal)

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
        return prepared_sequences(network, sequences), places

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
        placement = network.placement
        if placement is None or descriptions is None:
            return network.classify([self._global(trunk)], ())
        has_theta = placement.readout.kind is not None
        focus = placement.readout.focus(
            places if has_theta else None, None if has_theta else places, placement.at,
            placement.stored_cells, extents,
        )  # fmt: skip
        return network.classify(self._branches(trunk, descriptions), (focus,))

    def _global(self, trunk: Tensor) -> Tensor:
        return trunk if self.temporal is None else self.temporal.reduced(trunk)

    def _branches(self, trunk: Tensor, descriptions: Tensor) -> list[Tensor]:
        """Return (B, D) of each branch."""
        placement = self.network.placement
        describe = placement and placement.describe
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


def sequences_at(
    network: FocusedNetwork, source: MapSource, clip: Tensor, places: Tensor,
    extents: Tensor | None,
) -> Tensor:  # fmt: skip
    """Return what stored views (B,) show at places of their maps, (B, K, T, C)."""
    placement = network.placement
    assert placement is not None
    weights = placement.readout.cell_weights(places, placement.stored_cells.size_thw[1:])
    if weights is not None:
        return stored_means(source, clip, weights)
    return placement.readout(source.maps(clip), extents, places).descriptions.transpose(2, 3)


def _same(one: nn.Module | None, other: nn.Module | None) -> bool:
    """Return whether two modules have the same parameters."""
    if one is None or other is None:
        return False
    return [id(parameter) for parameter in one.parameters()] == [
        id(parameter) for parameter in other.parameters()
    ]
