"""What a probe needs of stored maps, as far as no trained parameter has a part in it.

Letters: R stored views, B of a batch, K descriptions, (C, T, H, W) a map, S places of a clip; P
what the temporal module computes without parameters, see `TemporalModule`.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple, cast

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork
from stn_action.models.readouts.readout import Reading, Readout
from stn_action.models.stages import evaluating
from stn_action.models.stored_means import MapSource
from stn_action.models.temporal import TemporalModule
from stn_action.models.zoom_network import ZoomNetwork

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
        return _in_parts(
            lambda numbers: prepared_features(network, source.maps(numbers)), num_views
        )


def prepared_features(network: FocusedNetwork, maps: Tensor) -> Tensor:
    """Return what the trunk computes of maps without a trained parameter, (N, *P) or (N, D).

    Of a network that looks twice, in the precision of the frozen stages before; both looks alike.

    Args:
        network: the part behind the stored stage.
        maps: (N, C, T, H, W) of that stage.

    Raises:
        InputError: as `trunk_inputs`.
    """
    before = network.stages_before if isinstance(network, ZoomNetwork) else None
    autocast = nullcontext() if before is None else before.autocast(maps.device.type)
    temporal = trained_temporal(network)
    if temporal is None:
        with autocast:
            return network.trunk_features(maps).to(maps.dtype)
    caught: list[Tensor] = []
    handle = temporal.register_forward_pre_hook(lambda module, inputs: caught.append(inputs[0]))
    try:
        with autocast:
            network.trunk_features(maps)
    finally:
        handle.remove()
    return temporal.prepared(caught[0].to(maps.dtype))


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
        return fixed_inputs(
            readout, source, trunk, extents,
            lambda numbers, reading: (
                prepared_sequences(network, reading.descriptions.transpose(2, 3)), reading.places
            ),
        )  # fmt: skip


def fixed_inputs(
    readout: Readout, source: MapSource, trunk: Tensor, extents: Tensor,
    describe: Callable[[Tensor, Reading], tuple[Tensor, Tensor]],
) -> ProbeInputs:  # fmt: skip
    """Return what a probe needs of all stored views if its read-out learns nothing.

    Args:
        readout: of the network.
        source: of the stored views.
        trunk: of `trunk_inputs`.
        extents: (R, T, 2, 4).
        describe: (numbers of B views, their reading) to descriptions (B, K, *P) and places.
    """
    found = [
        describe(numbers, readout(source.maps(numbers), extents[numbers]))
        for numbers in torch.arange(len(trunk)).split(VIEWS_AT_ONCE)
    ]
    descriptions, places = (torch.cat(parts) for parts in zip(*found, strict=True))
    return ProbeInputs(source, trunk, None, descriptions, places)


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


def prepared_sequences(network: FocusedNetwork, sequences: Tensor) -> Tensor:
    """Return (B, K, *P) of sequences (B, K, T, C)."""
    describe = network.placement and network.placement.describe
    assert isinstance(describe, TemporalModule)
    return describe.prepared(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])


def _evidence(readout: Readout, source: MapSource, num_views: int) -> Tensor | None:
    """Return the evidence of all views; None if it is one per step, as large as the maps."""
    example = readout.evidence(source.maps(torch.arange(1)))
    if example is None or example.shape[1] > 1:
        return None
    return _in_parts(
        lambda numbers: cast(Tensor, readout.evidence(source.maps(numbers))).movedim(2, -1),
        num_views,
    ).contiguous()


def trained_temporal(network: FocusedNetwork) -> TemporalModule | None:
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


def _in_parts(compute: Callable[[Tensor], Tensor], num_views: int) -> Tensor:
    """Return what is computed of the numbers of R views, some at a time, float32."""
    return torch.cat(
        [compute(part).float() for part in torch.arange(num_views).split(VIEWS_AT_ONCE)]
    )
