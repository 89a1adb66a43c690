"""A localization network that draws one heat map per head, and takes each window from its heat.

Letters: N maps, K heads, P raw numbers of a window.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.geometry.family import Transform, diagonal
from stn_action.geometry.heat_windows import heat_window, log_heat, soft_clip, soft_unclip
from stn_action.geometry.theta import without_autocast
from stn_action.geometry.windows import AxisAligned
from stn_action.models.localization import LocalizationLayers
from stn_action.models.model_choices import LocalizationPadding

_LIMIT = 0.98
"""Share of the bounds that heat can reach, where tanh and sigmoid still have a gradient."""


class HeatmapLocalization(LocalizationLayers):
    """`LocalizationLayers`, one heat map per head; its mean and variance are the window.

    A head starts with Gaussian heat on its base, which fades as it learns (see `BoundedHeat`): it
    sees what is near before what is far, and no two heads begin alike. The window is the heat's
    (see `geometry.heat_windows`), smoothly brought within the bounds of the family; what the finite
    map distorts of the base itself is added back.

    Args:
        in_channels: C.
        transform: an axis-aligned family, for K windows.
        gain: see `EqualizedConv2d`.
        hidden_channels: see `LocalizationLayers`.
        kernel_sizes: see `LocalizationLayers`.
        limit: see `BoundedHeat`.
        padding: see `EqualizedConv2d`.

    Raises:
        InputError: the family is not axis-aligned.
    """

    def __init__(
        self,
        in_channels: int,
        transform: Transform,
        *,
        gain: float = 1.0,
        hidden_channels: int = 32,
        kernel_sizes: Sequence[int] = (7, 5),
        limit: float = 8.0,
        padding: LocalizationPadding = "zeros",
    ) -> None:
        super().__init__(
            in_channels, gain=gain, hidden_channels=hidden_channels, kernel_sizes=kernel_sizes,
            padding=padding,
        )  # fmt: skip
        if not isinstance(transform, AxisAligned):
            raise InputError(
                f"localization 'heatmap' is for axis-aligned families; {transform.name} is not "
                "one: use transform 'attention', 'anisotropic' or 'translation', or localization "
                "'grid'"
            )
        self.transform = transform
        self.output = BoundedHeat(hidden_channels, transform.num_heads, gain=gain, limit=limit)

    def forward(self, features: Tensor, base: Tensor) -> Tensor:
        """Compute raw numbers (N, K, P), float32 or wider.

        Args:
            features: (N, C, H, W).
            base: (K, 2, 3) or (N, K, 2, 3), the windows to start from.
        """
        with without_autocast(features):
            hidden = self.hidden(features)
            scale, center = diagonal(base.to(hidden)), base.to(hidden)[..., 2]
            start = log_heat(scale, center, (features.shape[-2], features.shape[-1]))
            moved_scale, moved_center = self._window(self.output(hidden, start))
            start_scale, start_center = self._window(start)
            if not self.transform.bounded:
                scale = scale + moved_scale - start_scale
                return self.transform.raw_of(scale, center + moved_center - start_center)
            reach = _LIMIT * (1 - scale)
            scale = self._bounded_scale(scale, moved_scale - start_scale)
            center = soft_unclip(center, reach) + moved_center - start_center
            return self.transform.raw_of(scale, soft_clip(center, _LIMIT * (1 - scale)))

    def _window(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        scale, center = heat_window(logits.flatten(-2).softmax(-1).view_as(logits))
        return self.transform.fitted_scale(scale), center

    def _bounded_scale(self, scale: Tensor, change: Tensor) -> Tensor:
        if not self.transform.has_scale:
            return scale.expand_as(change)
        low, high = self.transform.min_scale, self.transform.max_scale
        middle, limit = (low + high) / 2, _LIMIT * (high - low) / 2
        return middle + soft_clip(soft_unclip(scale - middle, limit) + change, limit)


class BoundedHeat(nn.Module):
    """An equalized 1x1 convolution that starts at zero and cannot saturate the softmax behind it.

    logits = (start + limit * h . w) / sqrt(1 + |w|^2), with h a pixel's input, of unit length in
    the root mean square over the map: as of `BoundedLinear`, with the start in place of its 1, so
    that however far a step throws the weights, the logits depend on the input.
    """

    def __init__(self, in_channels: int, num_maps: int, *, gain: float, limit: float) -> None:
        super().__init__()
        self.gain = gain
        self.limit = limit
        self.weight = nn.Parameter(torch.zeros(num_maps, in_channels))

    def forward(self, x: Tensor, start: Tensor) -> Tensor:
        """Compute logits (N, num_maps, H, W) of (N, in_channels, H, W) and a start that fits."""
        square = x.square().sum(1, keepdim=True).mean((2, 3), keepdim=True)
        x = x * (square + 1e-5).rsqrt()
        weight = self.weight * self.gain
        length = torch.sqrt(1 + weight.square().sum(1))[:, None, None]  # (num_maps, 1, 1)
        learned = F.conv2d(x, weight[:, :, None, None] * self.limit)
        return (start + learned) / length
