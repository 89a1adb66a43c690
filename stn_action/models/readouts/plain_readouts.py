"""The read-outs without a choice: the mean and the maximum over the map."""

import torch
from torch import Tensor
from torch.nn import functional as F

from stn_action.models.readouts.readout import Reading, Readout, read_weighted, uniform_weights


class MeanReadout(Readout):
    """The mean over all cells: one description that looks everywhere."""

    num_descriptions = 1

    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps; see `Readout`."""
        return read_weighted(features, uniform_weights(features) if given is None else given)

    def cell_weights(self, places: Tensor, map_hw: tuple[int, int]) -> Tensor:
        """Return the weights themselves; see `Readout`."""
        return places


class MaxReadout(Readout):
    """The maximum of each channel over all cells.

    Its weights are the shares of channels whose maximum is in a cell. As every channel looks
    elsewhere, the weights of another clip cannot replace its own.
    """

    num_descriptions = 1
    can_be_given = False

    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps; see `Readout`.

        Raises:
            ValueError: weights are given.
        """
        if given is not None:
            raise ValueError(
                "read-out 'max' takes no weights of another clip: each channel has its maximum "
                "elsewhere. Call it without them"
            )
        H, W = features.shape[3:]
        largest, cell = features.flatten(3).max(-1)  # (B, C, T)
        shares = F.one_hot(cell, H * W).to(torch.float32).mean(1)  # (B, T, H * W)
        return Reading(largest.unsqueeze(1), None, shares.unflatten(-1, (H, W)).unsqueeze(1))
