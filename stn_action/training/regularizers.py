"""Terms of the loss that keep heads apart and on their map.

Both use the boxes around the windows, so they serve every family of transforms.

Letters: B clips, K heads, S thetas of a clip.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.geometry.boxes import box_centers, box_sizes
from stn_action.geometry.theta import enclosing_boxes
from stn_action.models.prediction import Focus

_TINY = 1e-6
_NUDGE = 1e-5
"""Share of the starts by which centers are moved apart, so that equal ones have a direction."""


@dataclass(frozen=True)
class DiversityLoss:
    """A penalty on heads whose windows overlap.

    The mean over pairs of heads of o^2, with o the product over x and y of
    max(0, 1 - distance of the centers / sum of the half-widths): 1 for concentric windows, 0 for
    windows that share nothing, which then have no gradient.

    For windows of one size o is their Bhattacharyya coefficient, shared area / sqrt(area * area),
    and the loss the Hellinger regularizer of "Diversity regularized spatiotemporal attention" (Li
    et al. 2018, arXiv 1803.09882) on windows in place of attention maps. It departs from that
    where sizes differ: there a window inside another one has no gradient to leave it, and copies
    of one window become "diverse" by growing and shrinking. Where two centers coincide, heads are
    pushed apart in the direction of their starts.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        _check_weight(self.weight)

    def __call__(self, focus: Focus) -> Tensor:
        """Return the weighted loss () of theta (B, K, S, *kind); 0 for a single head.

        Raises:
            ValueError: the read-out has no windows that learn.
        """
        if focus.base is None:
            raise ValueError(
                "the diversity loss is for windows that learn: this read-out has none. Leave it "
                "out, or use readout='windows'"
            )
        boxes = enclosing_boxes(focus.windows).transpose(1, 2)  # (B, S, K, 4)
        K = boxes.shape[2]
        if K == 1:
            return boxes.sum() * 0
        centers, sizes = box_centers(boxes), box_sizes(boxes)
        if focus.base is not None:
            starts = box_centers(enclosing_boxes(focus.base.to(boxes)))
            centers = centers + _NUDGE * starts.unsqueeze(-3)  # (K, 2) or (B, K, 2) to every step
        one, other = torch.triu_indices(K, K, offset=1, device=boxes.device)
        distances = (centers[:, :, one] - centers[:, :, other]).abs()  # (B, S, pairs, 2)
        reach = (sizes[:, :, one] + sizes[:, :, other]).clamp_min(_TINY) / 2
        overlap = (1 - distances / reach).clamp_min(0).prod(-1)
        return self.weight * overlap.square().mean()


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
        beyond = (enclosing_boxes(focus.windows).abs() - 1).clamp_min(0)
        return self.weight * beyond.square().mean()


def _check_weight(weight: float) -> None:
    if not weight >= 0:
        raise InputError(f"the weight of a loss must be at least 0, got {weight}")
