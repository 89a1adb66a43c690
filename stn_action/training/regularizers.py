"""Terms of the loss that keep heads apart and on their map.

Both use the boxes around the windows, so they serve every family of transforms.

Letters: B clips, K heads, S thetas of a clip.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.boxes import box_areas, shared_areas
from stn_action.geometry.theta import enclosing_boxes
from stn_action.models.prediction import Focus

_TINY = 1e-6


@dataclass(frozen=True)
class DiversityLoss:
    """A penalty on heads whose windows overlap.

    The mean over pairs of heads of BC^2, with BC the Bhattacharyya coefficient of two windows as
    uniform distributions: shared area / sqrt(area * area). This is the Hellinger regularizer of
    "Diversity regularized spatiotemporal attention" (Li et al. 2018, arXiv 1803.09882)
    on windows in place of attention maps. Windows that share nothing have no gradient.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        _check_weight(self.weight)

    def __call__(self, focus: Focus) -> Tensor:
        """Return the weighted loss () of theta (B, K, S, *kind); 0 for a single head."""
        boxes = enclosing_boxes(focus.theta).transpose(1, 2)  # (B, S, K, 4)
        K = boxes.shape[2]
        if K == 1:
            return boxes.sum() * 0
        one, other = torch.triu_indices(K, K, offset=1, device=boxes.device)
        areas = box_areas(boxes).clamp_min(_TINY)
        shared = shared_areas(boxes[:, :, one], boxes[:, :, other])
        overlap = shared.square() / (areas[:, :, one] * areas[:, :, other])
        return self.weight * overlap.mean()


@dataclass(frozen=True)
class InBoundsLoss:
    """A penalty on windows that leave the map, for unbounded families.

    The mean squared distance by which the sides of a window are beyond the map's, in normalized
    units, as the inside constraint on the spatial transformers of "Learning deep context-aware
    features over body and latent parts" (Li et al. 2017, arXiv 1710.06555). 0, without
    gradient, for bounded families.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        _check_weight(self.weight)

    def __call__(self, focus: Focus) -> Tensor:
        """Return the weighted loss () of theta (B, K, S, *kind)."""
        beyond = (enclosing_boxes(focus.theta).abs() - 1).clamp_min(0)
        return self.weight * beyond.square().mean()


def _check_weight(weight: float) -> None:
    if not weight >= 0:
        raise InputError(f"the weight of a loss must be at least 0, got {weight}")
