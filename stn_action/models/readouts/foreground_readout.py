"""The foreground as a read-out: the mean over the cells inside the image and the person's box."""

from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.extents import cell_shares
from stn_action.models.readouts.readout import Reading, Readout, read_weighted, uniform_weights

_NO_SHARE = 1e-6
"""Cells in sum; below, nothing of a box is in the clip."""


class ForegroundReadout(Readout):
    """The mean over the cells, weighted by their share inside the image and the person's box.

    One description, without parameters, from the boxes that the crop knows exactly. In a time step
    in which the box is outside of the clip, the cells of the image count; where there is no image
    either, all cells.
    """

    num_descriptions = 1
    takes_extents = True

    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps; see `Readout`.

        Raises:
            InputError: there are no extents.
        """
        if given is not None:
            return read_weighted(features, given)
        if extents is None:
            raise InputError(
                "read-out 'foreground' needs the extents of image and person: call "
                "network(clip, extents=batch.extents), (B, T, 2, 4), see geometry.extents"
            )
        T, H, W = features.shape[2:]
        image, person = cell_shares(extents.to(features.device), (T, H, W)).float().unbind(1)
        weights = uniform_weights(features)[:, 0]  # (B, S, H, W)
        for shares in (image, person):
            total = shares.sum((-2, -1), keepdim=True)
            weights = (shares / total.clamp_min(_NO_SHARE)).where(total > _NO_SHARE, weights)
        return read_weighted(features, weights.unsqueeze(1))

    def cell_weights(self, places: Tensor, map_hw: tuple[int, int]) -> Tensor:
        """Return the weights themselves; see `Readout`."""
        return places
