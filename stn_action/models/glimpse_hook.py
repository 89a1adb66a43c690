"""The hook that puts heads into a trunk: what it catches of a stage, and what it puts there.

Letters: K heads, K' glimpses (K, and one more with random windows).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import fold_time, sample_clips
from stn_action.geometry.sampling import pooled
from stn_action.geometry.theta import window_theta
from stn_action.models.heads import FocusHeads
from stn_action.models.stages import with_time, without_time


@dataclass(frozen=True)
class RandomWindows:
    """Square windows of random size anywhere on the map, to train on beside the heads' own.

    The diversity augmentation of AdaFocusV2 (Wang et al. 2022, arXiv 2112.14238),
    whose random patches have one size.
    """

    min_scale: float = 0.3
    """Smallest side, as a share of the map's."""
    max_scale: float = 0.7
    """Largest side, as a share of the map's."""

    def __post_init__(self) -> None:
        if not 0 < self.min_scale <= self.max_scale <= 1:
            raise InputError(
                "random windows need 0 < min_scale <= max_scale <= 1, got "
                f"{self.min_scale}, {self.max_scale}"
            )

    def draw(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One theta (B, 1, 1, 2, 3) for each clip of `like` (B, ...), float32, on its device."""
        numbers = torch.rand(len(like), 1, 1, 3, generator=generator)
        scale = self.min_scale + (self.max_scale - self.min_scale) * numbers[..., :1]
        centre = (2 * numbers[..., 1:] - 1) * (1 - scale)
        return window_theta(scale.expand_as(centre), centre).to(like.device)


class Looking:
    """What a forward hook at the stage catches and puts in place while the trunk runs once."""

    theta: Tensor
    glimpses: Tensor
    """(B, K', C, T), where they are pooled."""
    size_thw: tuple[int, int, int]

    def __init__(
        self,
        heads: FocusHeads,
        batch_size: int,
        *,
        given_theta: Tensor | None,
        pool: bool,
        in_line: bool,
        random_windows: RandomWindows | None,
    ) -> None:
        self.heads = heads
        self.batch_size = batch_size
        self.given_theta = given_theta
        self.pool = pool
        self.in_line = in_line
        self.random_windows = random_windows

    @property
    def num_views(self) -> int:
        """How many maps there are of each clip behind the stage, in tail mode."""
        return 1 + self.heads.num_heads + (self.random_windows is not None)

    def hook(self, module: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
        """For `register_forward_hook`: the stage's output to what comes in its place."""
        features = with_time(output, self.batch_size)
        self.theta = self.heads(features) if self.given_theta is None else self.given_theta
        self.size_thw = (features.shape[2], features.shape[3], features.shape[4])
        size = (features.shape[3], features.shape[4])
        if self.pool:
            self.glimpses = self.heads.pooled_glimpses(features, self.theta, size)
            if self.random_windows is not None:
                at_random = self._pooled_at_random(features, size)
                self.glimpses = torch.cat([self.glimpses, at_random], dim=1)
            return None
        glimpses = self.heads.glimpses(features, self.theta, size)  # (B, K, C, T, H, W)
        if self.in_line:
            return without_time(glimpses.squeeze(1), like=output)
        views = [features.unsqueeze(1), glimpses]
        if self.random_windows is not None:
            theta = self.random_windows.draw(features)
            views.append(sample_clips(features, theta, size, axis_aligned=True))
        return without_time(torch.cat(views, dim=1).transpose(0, 1).flatten(0, 1), like=output)

    def _pooled_at_random(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, 1, C, T)."""
        assert self.random_windows is not None
        maps, theta, unfold = fold_time(features, self.random_windows.draw(features))
        return unfold(pooled(maps, theta, size, axis_aligned=True))
