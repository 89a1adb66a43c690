"""The localization network: a feature map to the raw numbers that theta is built from."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.geometry.kernels import resize_area
from stn_action.geometry.theta import at_least_float32


class LocalizationNetwork(nn.Module):
    """A 1x1 reduction, large kernels, a fixed grid, a linear layer; shared by all heads.

    Every layer is equalized (weights stored divided by `gain`), so that a relative learning rate of
    1e-3 to 1e-5 still moves it, and every hidden layer is followed by a normalization, so that its
    weights are scale-invariant: a rate that is too large makes them grow, which makes the next
    step relatively smaller, instead of destroying them (Arora et al. 2018, arXiv 1812.03981). The
    map is resampled to a fixed grid and flattened, never pooled: pooling would destroy position.

    The last layer starts at zero, so that raw = 0 and theta starts at its base.
    """

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        *,
        gain: float = 1.0,
        hidden_channels: int = 32,
        kernel_sizes: Sequence[int] = (7, 5),
        grid_size: int = 7,
        limit: float = 4.0,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.grid_size = grid_size
        self.reduction = EqualizedConv2d(in_channels, hidden_channels, 1, gain)
        self.convolutions = nn.ModuleList(
            EqualizedConv2d(hidden_channels, hidden_channels, size, gain) for size in kernel_sizes
        )
        self.output = BoundedLinear(
            hidden_channels * grid_size**2, num_outputs, gain=gain, limit=limit
        )

    def forward(self, features: Tensor) -> Tensor:
        """Compute raw numbers (N, num_outputs), float32 or wider, of features (N, C, H, W)."""
        with torch.autocast(features.device.type, enabled=False):
            hidden = _normalized(self.reduction(at_least_float32(features)))
            for convolution in self.convolutions:
                hidden = _normalized(convolution(F.relu(hidden)))
            hidden = resize_area(F.relu(hidden), (self.grid_size, self.grid_size))
            return self.output(hidden.flatten(1))


class EqualizedConv2d(nn.Module):
    """A convolution whose weight is stored divided by `gain` and multiplied by it when used.

    As the mapping network of StyleGAN (Karras et al. 2019, arXiv 1812.04948, section C): with a
    gain g, a learning rate r moves the weights as r * g^2 would under SGD, r * g under Adam.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, gain: float) -> None:
        super().__init__()
        self.gain = gain
        weight = torch.empty(out_channels, in_channels, kernel_size, kernel_size)
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
        self.weight = nn.Parameter(weight / gain)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, in_channels, H, W), zero padded to the same size."""
        return F.conv2d(x, self.weight * self.gain, padding="same")


class BoundedLinear(nn.Module):
    """An equalized linear layer that starts at zero and cannot saturate what follows.

    raw = limit * (h . w) / sqrt(1 + |w|^2), with h the normalized input (a constant appended) of
    unit length: linear in w near zero, limit * cos(h, w) far from it. However far a step throws
    the weights, raw stays within +-limit and keeps depending on the input.
    """

    def __init__(self, in_features: int, out_features: int, *, gain: float, limit: float) -> None:
        super().__init__()
        self.gain = gain
        self.limit = limit
        self.weight = nn.Parameter(torch.zeros(out_features, in_features + 1))

    def forward(self, x: Tensor) -> Tensor:
        """Compute raw numbers (N, out_features) of (N, in_features)."""
        x = F.layer_norm(x, x.shape[1:]) * x.shape[1] ** -0.5
        x = F.normalize(F.pad(x, (0, 1), value=1.0), dim=1)
        weight = self.weight * self.gain
        length = torch.sqrt(1 + weight.square().sum(1, keepdim=True))
        return F.linear(x, weight / length) * self.limit


def _normalized(x: Tensor) -> Tensor:
    return F.group_norm(x, 1)
