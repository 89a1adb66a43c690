"""Whether glimpses for the rest of a trunk fit there, and reach its features."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork
from stn_action.models.placement import Placement
from stn_action.models.stages import evaluating, stage


def check_glimpses(network: FocusedNetwork, heads: int, example: Tensor) -> None:
    """Check that glimpses for the rest of the trunk fit there and reach its features.

    Args:
        network: whose trunk has lost its classifier.
        heads: K, 0 if there are none.
        example: a clip (1, 3, T, H, W), normalized.

    Raises:
        InputError: they do not.
    """
    of_rest = network.glimpse in ("tail", "in_line")
    for placement in network.placements if of_rest else ():
        if placement.layout.num_leading and not _reaches_features(network, placement, example):
            raise InputError(
                f"glimpse {network.glimpse!r} behind {placement.at!r} changes nothing: the "
                "features are those of the class token, which no longer looks at the map there. "
                "Choose an earlier stage, or glimpse='pooled'"
            )
    if network.glimpse != "in_line" or heads < 2:
        return
    try:
        with evaluating(network), torch.no_grad():
            network(example)
    except RuntimeError as error:
        raise InputError(
            f"glimpse 'in_line' with heads {heads}: the map behind {network.placements[0].at!r} "
            f"has {heads} times as many channels, which the rest of the trunk does not take "
            f"({error}); use heads 1, another glimpse, or a trunk that is made for it"
        ) from error


def _reaches_features(network: FocusedNetwork, placement: Placement, example: Tensor) -> bool:
    """Return whether a network's features depend on the map of a stage, but for the class token.

    Args:
        network: of the placement.
        placement: at a stage of tokens.
        example: a clip (1, 3, T, H, W), normalized.
    """
    layout = placement.layout

    def turn_around(module: nn.Module, inputs: object, output: object) -> object:
        features = layout.map_of(output, len(example))
        # a ramp over the channels, as layer norm does not see a constant
        ramp = torch.linspace(1, 2, features.shape[1]).to(features)[:, None, None, None]
        return layout.replaced(output, features.roll(1, dims=1) - ramp)  # of other channels

    with evaluating(network.trunk), torch.no_grad():
        expected = network.trunk_features(example)
        handle = stage(network.trunk, placement.at).register_forward_hook(turn_around)
        try:
            found = network.trunk_features(example)
        finally:
            handle.remove()
    return not torch.equal(found, expected)
