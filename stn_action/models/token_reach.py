"""Whether what stands on a grid of tokens still matters behind a stage."""

import torch
from torch import Tensor, nn

from stn_action.models.network import FocusedNetwork
from stn_action.models.stages import evaluating, stage


def reaches_features(network: FocusedNetwork, example: Tensor) -> bool:
    """Return whether a network's features depend on the map of its stage, but for the class token.

    Args:
        network: with a stage of tokens.
        example: a clip (1, 3, T, H, W), normalized.
    """
    layout = network.layout

    def turn_around(module: nn.Module, inputs: object, output: object) -> object:
        features = layout.map_of(output, len(example))
        return layout.replaced(output, features.roll(1, dims=1) - 1)  # of other channels

    with evaluating(network.trunk), torch.no_grad():
        expected = network.trunk_features(example)
        handle = stage(network.trunk, network.at).register_forward_hook(turn_around)
        try:
            found = network.trunk_features(example)
        finally:
            handle.remove()
    return not torch.equal(found, expected)
