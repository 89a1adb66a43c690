"""The activations of a digit classifier as a descriptor of image crops."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.models.backbones.digit_trunks import DigitTrunk
from stn_action.models.network import FocusedNetwork


class DigitEmbedding(nn.Module):
    """Descriptors of crops: all activations of a trained convolutional classifier side by side.

    Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.2: both hidden layers, here behind their
    maximum over 2 x 2 pixels, and the scores before the softmax. Unlike there, descriptors have
    unit length: else a margin of 1 is small beside their distances, which are in the hundreds.

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
        ends = [0]
        if isinstance(layers, nn.Sequential):
            ends += [at for at, one in enumerate(layers, 1) if isinstance(one, nn.MaxPool2d)]
        if network.heads is not None or not isinstance(layers, nn.Sequential) or len(ends) == 1:
            raise InputError("expected the network digits/cnn_28 without heads")
        self.blocks = nn.ModuleList(layers[start:end] for start, end in pairwise(ends))
        self.classifier = network.classifier
        self.requires_grad_(False).eval()

    def forward(self, crops: Tensor) -> Tensor:
        """Compute descriptors (B, D) of unit length of crops (B, 1, 28, 28), values in [0, 1]."""
        activations, x = [], crops
        for block in self.blocks:
            x = block(x)
            activations.append(x.flatten(1))
        activations.append(self.classifier(x.flatten(1)))
        return F.normalize(torch.cat(activations, dim=1), dim=1)
