"""The activations of a digit classifier as a descriptor of image crops."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.models.backbones.digit_trunks import DigitTrunk
from stn_action.models.network import FocusedNetwork


class DigitEmbedding(nn.Module):
    """Descriptors of crops: late activations of a trained convolutional classifier side by side.

    Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.2, has both hidden layers and the scores
    before the softmax. Here the first layer is left out, whose activations differ nearly as much
    between two digits of a class as between a digit and the background, and descriptors have unit
    length: else a margin of 1 is small beside their distances, which are in the hundreds.

    Nothing in it is trained.

    Args:
        network: trained `digits/cnn_28` without heads.

    Raises:
        InputError: another network.
    """

    def __init__(self, network: FocusedNetwork) -> None:
        super().__init__()
        trunk = network.trunk
        layers = trunk.layers if isinstance(trunk, DigitTrunk) else None
        is_convolutional = layers is not None and any(
            isinstance(layer, nn.Conv2d) for layer in layers.modules()
        )
        if network.heads is not None or layers is None or not is_convolutional:
            raise InputError("expected the network digits/cnn_28 without heads")
        self.layers = layers  # their classifier is the network's
        self.classifier = network.classifier
        self.requires_grad_(False).eval()

    def forward(self, crops: Tensor) -> Tensor:
        """Compute descriptors (B, D) of unit length of crops (B, 1, 28, 28), values in [0, 1]."""
        hidden = self.layers(crops).flatten(1)
        return F.normalize(torch.cat([hidden, self.classifier(hidden)], dim=1), dim=1)
