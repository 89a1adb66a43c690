"""Networks that look twice, trained on the stored maps of the first look and on stored pixels.

Letters: R stored views, B of a batch, K windows, S thetas of a clip; P what the temporal module
computes without parameters.
"""

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.models.prediction import Prediction
from stn_action.models.probe_inputs import (
    ProbeInputs,
    fixed_inputs,
    prepared_features,
    probe_inputs,
)
from stn_action.models.probe_network import ProbeNetwork, sequences_at
from stn_action.models.readouts.readout import Reading
from stn_action.models.stages import evaluating
from stn_action.models.stored_means import MapSource
from stn_action.models.zoom_network import ZoomNetwork


class PixelSource(MapSource, Protocol):
    """Stored maps with the pixels that they are of."""

    def clip(self, number: int) -> Tensor:
        """Return the clip (3, T, H, W) uint8 of a view."""
        ...


class ZoomProbe(ProbeNetwork):
    """The trained part of a `ZoomNetwork`: it runs the frozen trunk on glimpses alone.

    Args:
        network: the part behind the stored stage, without a trunk of glimpses' own.
        inputs: of `zoom_inputs`.
    """

    network: ZoomNetwork

    def forward(
        self,
        clip: Tensor,
        theta: Sequence[Tensor] | None = None,
        *,
        extents: Tensor | None = None,
    ) -> Prediction:
        """Classify stored views; see `ProbeNetwork`."""
        network, inputs = self.network, self.inputs
        placement = network.placement
        assert placement is not None
        windows = network.checked_windows(theta, len(clip))
        if windows is None and inputs.descriptions is not None and inputs.places is not None:
            windows, glimpsed = inputs.places[clip], inputs.descriptions[clip]
            places = windows
        else:
            places = windows
            if windows is None or not placement.readout.kind:
                places = self.places(self.evidence(clip), extents)
            assert places is not None
            if windows is None:
                windows = network.windows_of(places)
            glimpsed = _glimpsed(network, cast(PixelSource, inputs.source), clip, windows)
        assert places is not None
        described = windows.new_empty(len(clip), 0)
        if network.map_classifiers is not None:
            described = sequences_at(network, inputs.source, clip, places, extents).mean(2)
        focus = placement.readout.focus(
            windows, None, placement.at, placement.stored_cells, extents
        )
        features, seen = self._features(inputs.trunk[clip], glimpsed)
        return network.classify_looks(features, seen, described, focus)

    def _features(self, trunk: Tensor, glimpsed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features (B, D) of the first look and those (B, K, D) of glimpses."""
        if self.temporal is None:
            return trunk, glimpsed
        both = self.temporal.reduced(trunk, glimpsed.flatten(0, 1))
        return both[: len(trunk)], both[len(trunk) :].unflatten(0, glimpsed.shape[:2])


@torch.no_grad()
def zoom_inputs(
    network: ZoomNetwork, source: PixelSource, trunk: Tensor, extents: Tensor, *, learns: bool
) -> ProbeInputs:
    """Return what a probe of a network that looks twice needs of all stored views.

    Args:
        network: the part behind the stored stage.
        source: of the stored views.
        trunk: of `trunk_inputs`.
        extents: (R, T, 2, 4).
        learns: whether the read-out's parameters are trained; else `descriptions` are (R, K, *P) of
            glimpses, and `places` their windows.

    Raises:
        InputError: glimpses have a trunk of their own, which is trained.
    """
    if network.second_look.trunk is not None:
        raise InputError(
            "model.focus.glimpse_backbone: a probe needs a frozen trunk, but that of the glimpses "
            "is trained; set it to null"
        )
    if learns:
        return probe_inputs(network, source, trunk, extents, learns=True)
    assert network.readout is not None

    def describe(numbers: Tensor, reading: Reading) -> tuple[Tensor, Tensor]:
        windows = network.windows_of(reading.places)
        return _glimpsed(network, source, numbers, windows), windows

    with evaluating(network):
        return fixed_inputs(network.readout, source, trunk, extents, describe)


def _glimpsed(network: ZoomNetwork, source: PixelSource, clip: Tensor, windows: Tensor) -> Tensor:
    """Return (B, K, *P), or (B, K, D), of the glimpses of stored views (B,)."""
    assert network.placement is not None
    pixels = [source.clip(number) for number in clip.tolist()]
    cells = network.placement.stored_cells
    glimpses = network.glimpses(pixels, windows, cells)  # (B, K, 3, T, h, w)
    maps = network.glimpse_maps(glimpses.flatten(0, 1))
    return prepared_features(network, maps.float()).unflatten(0, glimpses.shape[:2])
