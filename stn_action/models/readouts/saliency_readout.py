"""Saliency as a read-out: windows where the activation is, without any parameter.

Letters: K windows, S thetas of a clip.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import fold_time
from stn_action.geometry.mass_boxes import smallest_boxes
from stn_action.geometry.sampling import pooled, pooling_weights
from stn_action.geometry.theta import AFFINE, at_least_float32, theta_from_boxes
from stn_action.models.model_choices import ThetaPer
from stn_action.models.readouts.readout import Reading, Readout

SALIENCY_SHARE = (0.5, 0.9)
_SMOOTHED_CELLS = 3
"""Side of the square of cells over which the activation is averaged."""


class SaliencyReadout(Readout):
    """The means of K windows, each the smallest one that holds a share of the activation.

    AdaSpot's rule (arXiv 2602.22073), on the activation averaged over channels and smoothed. The
    absolute activation is taken here, so that maps without ReLU have a mass.

    Args:
        num_windows: K; their shares are evenly spaced, the share of a single one is in the middle.
        share: the smallest and the largest share of the activation in a window.
        per: one window per "clip", of the activation's mean over time, or per time "step".

    Raises:
        InputError: the shares are not in order.
    """

    kind = AFFINE

    def __init__(
        self, num_windows: int, *, share: Sequence[float] = SALIENCY_SHARE, per: ThetaPer = "clip"
    ) -> None:
        super().__init__()
        if len(share) != 2 or not 0 < share[0] <= share[1] <= 1:
            raise InputError(
                "saliency_share must be the smallest and the largest share of the activation in a "
                f"window, 0 < smallest <= largest <= 1, got {list(share)}"
            )
        self.num_descriptions = num_windows
        self.per = per
        steps = torch.linspace(share[0], share[1], num_windows, dtype=torch.float64)
        self.shares = steps.tolist() if num_windows > 1 else [sum(share) / 2]

    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps; see `Readout`."""
        theta = self.theta(features) if given is None else given
        maps, of_maps, unfold = fold_time(features, theta)
        # one sample of a window along its cells' edges is the exact mean of its cells
        return Reading(unfold(pooled(maps, of_maps, (1, 1), axis_aligned=True)), theta, None)

    def cell_weights(self, places: Tensor, map_hw: tuple[int, int]) -> Tensor:
        """Return the weights of the means of windows; see `Readout`."""
        theta = places.transpose(1, 2).flatten(0, 1)  # (B * S, K, 2, 3)
        weights = pooling_weights(theta, map_hw, (1, 1))
        return weights.unflatten(0, (len(places), -1)).transpose(1, 2)

    @torch.no_grad()
    def theta(self, features: Tensor) -> Tensor:
        """Compute theta (B, K, S, 2, 3), float32 or wider, of features (B, C, T, H, W)."""
        activation = at_least_float32(features.abs()).mean(1)  # (B, T, H, W)
        if self.per == "clip":
            activation = activation.mean(1, keepdim=True)
        maps = F.avg_pool2d(
            activation.flatten(0, 1).unsqueeze(1), _SMOOTHED_CELLS, 1, _SMOOTHED_CELLS // 2,
            count_include_pad=False,
        ).squeeze(1)  # fmt: skip
        boxes = torch.stack([smallest_boxes(maps, share) for share in self.shares], dim=1)
        boxes = boxes.to(activation).unflatten(0, activation.shape[:2])  # (B, S, K, 4)
        return theta_from_boxes(boxes).transpose(1, 2)
