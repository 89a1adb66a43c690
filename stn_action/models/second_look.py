"""The second look: glimpses of a clip's own pixels, cut where windows on a map of it are.

The complete spatial transformer of Jaderberg et al. 2015 (arXiv 1506.02025, section 4.3) for any
trunk: it sees the clip reduced, heads find windows on one of its maps, and what is in them is cut
out of the clip at its full size.

Letters: K windows, S thetas of a clip (1, or one for every step), (h, w) a glimpse.
"""

import torch
from torch import Tensor, nn

from stn_action.geometry.cells import Cells
from stn_action.geometry.clip_sampling import sample_clips
from stn_action.geometry.clip_theta import clip_theta
from stn_action.geometry.kernels import resize_clips
from stn_action.geometry.mass_boxes import smallest_boxes
from stn_action.geometry.theta import theta_from_boxes
from stn_action.geometry.transform_choices import Sampler

MASS_IN_WINDOW = 0.5
"""Share of a description's weights that its window holds, where it has weights."""


class SecondLook(nn.Module):
    """How a clip is reduced for the first look, and how its glimpses are cut.

    Args:
        look_size: height and width of the clip that the trunk sees first.
        glimpse_size: h, w.
        trunk: of glimpses; None: the same as of the first look.
        sampler: see `geometry.sampling`.
    """

    def __init__(
        self,
        look_size: tuple[int, int],
        glimpse_size: tuple[int, int],
        *,
        trunk: nn.Module | None = None,
        sampler: Sampler = "auto",
    ) -> None:
        super().__init__()
        self.look_size = look_size
        self.glimpse_size = glimpse_size
        self.trunk = trunk
        self.sampler: Sampler = sampler

    def reduced(self, clip: Tensor) -> Tensor:
        """Return clips (B, 3, T, H, W) at the size of the first look, averaged over areas, float.

        Raises:
            ValueError: they are smaller than that.
        """
        size_hw = tuple(clip.shape[-2:])
        if size_hw[0] < self.look_size[0] or size_hw[1] < self.look_size[1]:
            raise ValueError(
                f"clips of {size_hw[0]}x{size_hw[1]} are smaller than look_size "
                f"{self.look_size[0]}x{self.look_size[1]}: the first look must reduce them"
            )
        return resize_clips(clip if clip.is_floating_point() else clip.float(), self.look_size)

    def glimpses(
        self, clip: Tensor, theta: Tensor, cells: Cells, *, axis_aligned: bool = False
    ) -> Tensor:
        """Cut the windows out of clips: (B, K, 3, T, h, w), float.

        Args:
            clip: (B, 3, T, H, W).
            theta: (B, K, S, *kind), normalized on the map.
            cells: positions of the map's cells in clips of H, W.
            axis_aligned: the caller knows that the windows are.
        """
        clip = clip if clip.is_floating_point() else clip.float()
        return sample_clips(
            clip, clip_theta(theta, cells), self.glimpse_size, axis_aligned=axis_aligned,
            sampler=self.sampler, padding="border",
        )  # fmt: skip


@torch.no_grad()
def mass_windows(weights: Tensor) -> Tensor:
    """Return the smallest windows that hold half of the weights: theta (B, K, S, 2, 3).

    Args:
        weights: (B, K, S, H, W), at least 0.
    """
    boxes = smallest_boxes(weights.flatten(0, 2), MASS_IN_WINDOW).to(weights)
    return theta_from_boxes(boxes).unflatten(0, weights.shape[:3])
