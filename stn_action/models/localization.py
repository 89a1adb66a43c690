"""The localization network: a feature map to the raw numbers that theta is built from."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.geometry.kernels import is_channels_last, resize_area
from stn_action.geometry.theta import at_least_float32, without_autocast
from stn_action.models.model_choices import LOCALIZATION_PADDINGS, LocalizationPadding


class LocalizationLayers(nn.Module):
    """A 1x1 reduction and large kernels: what every localization network begins with.

    Every layer is equalized (weights stored divided by `gain`), so that a relative learning rate of
    1e-3 to 1e-5 still moves it, and every hidden layer is followed by a normalization, so that its
    weights are scale-invariant: a rate that is too large makes them grow, which makes the next
    step relatively smaller, instead of destroying them (Arora et al. 2018, arXiv 1812.03981).

    Args:
        in_channels: C.
        gain: see `EqualizedConv2d`.
        hidden_channels: of all layers.
        kernel_sizes: of the layers behind the reduction, which has no border to pad.
        padding: see `EqualizedConv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        gain: float = 1.0,
        hidden_channels: int = 32,
        kernel_sizes: Sequence[int] = (7, 5),
        padding: LocalizationPadding = "zeros",
    ) -> None:
        super().__init__()
        self.gain = gain
        self.reduction = EqualizedConv2d(in_channels, hidden_channels, 1, gain)
        self.convolutions = nn.ModuleList(
            EqualizedConv2d(hidden_channels, hidden_channels, size, gain, padding)
            for size in kernel_sizes
        )

    def hidden(self, features: Tensor) -> Tensor:
        """Compute (N, hidden_channels, H, W), float32 or wider, of features (N, C, H, W)."""
        hidden = _normalized(self.reduction(at_least_float32(features)))
        for convolution in self.convolutions:
            hidden = _normalized(convolution(F.relu(hidden)))
        return F.relu(hidden)


class LocalizationNetwork(LocalizationLayers):
    """`LocalizationLayers`, a fixed grid, a linear layer; shared by all heads.

    The map is resampled to a fixed grid and flattened, never pooled: pooling would destroy
    position. The last layer starts at zero, so that raw = 0 and theta starts at its base.

    Args:
        in_channels: C.
        num_outputs: raw numbers of all heads.
        gain: see `EqualizedConv2d`.
        hidden_channels: see `LocalizationLayers`.
        kernel_sizes: see `LocalizationLayers`.
        grid_size: height and width of the grid.
        limit: bound of the raw numbers; see `BoundedLinear`.
        padding: see `EqualizedConv2d`.
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
        padding: LocalizationPadding = "zeros",
    ) -> None:
        super().__init__(
            in_channels, gain=gain, hidden_channels=hidden_channels, kernel_sizes=kernel_sizes,
            padding=padding,
        )  # fmt: skip
        self.grid_size = grid_size
        self.output = BoundedLinear(
            hidden_channels * grid_size**2, num_outputs, gain=gain, limit=limit
        )

    def forward(self, features: Tensor) -> Tensor:
        """Compute raw numbers (N, num_outputs), float32 or wider, of features (N, C, H, W)."""
        with without_autocast(features):
            grid = resize_area(self.hidden(features), (self.grid_size, self.grid_size))
            return self.output(grid.flatten(1))


class EqualizedConv2d(nn.Module):
    """A convolution whose weight is stored divided by `gain` and multiplied by it when used.

    As the mapping network of StyleGAN (Karras et al. 2019, arXiv 1812.04948, section C): with a
    gain g, a learning rate r moves the weights as r * g^2 would under SGD, r * g under Adam.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: odd; height and width of the kernel.
        gain: g.
        padding: values beyond the map, "zeros", or with "replicate" those of the nearest pixel,
            as AdaSpot has it (arXiv 2602.22073): an edge of the map is then no edge of its content.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        gain: float,
        padding: LocalizationPadding = "zeros",
    ) -> None:
        super().__init__()
        if padding not in LOCALIZATION_PADDINGS:
            raise InputError(
                f"localization_padding must be one of {LOCALIZATION_PADDINGS}, got {padding!r}"
            )
        self.gain = gain
        self.padding = padding
        weight = torch.empty(out_channels, in_channels, kernel_size, kernel_size)
        nn.init.kaiming_normal_(weight, nonlinearity="relu")
        self.weight = nn.Parameter(weight / gain)

    def extra_repr(self) -> str:
        """Return channels, kernel and gain."""
        out_channels, in_channels, side, _ = self.weight.shape
        return f"{in_channels}, {out_channels}, kernel_size={side}, gain={self.gain:g}"

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, in_channels, H, W), padded to the same size."""
        weight = self.weight * self.gain
        if weight.shape[-1] == 1 and is_channels_last(x):
            return F.linear(x.movedim(1, -1), weight.flatten(1)).movedim(-1, 1).contiguous()
        if self.padding == "zeros":
            return F.conv2d(x, weight, padding="same")
        return F.conv2d(_with_border(x, weight.shape[-1] // 2), weight)


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

    def extra_repr(self) -> str:
        """Return features and gain."""
        out_features, width = self.weight.shape
        return f"{width - 1}, {out_features}, gain={self.gain:g}"

    def forward(self, x: Tensor) -> Tensor:
        """Compute raw numbers (N, out_features) of (N, in_features)."""
        x = F.layer_norm(x, x.shape[1:]) * x.shape[1] ** -0.5
        x = F.normalize(F.pad(x, (0, 1), value=1.0), dim=1)
        weight = self.weight * self.gain
        length = torch.sqrt(1 + weight.square().sum(1, keepdim=True))
        return F.linear(x, weight / length) * self.limit


def _with_border(x: Tensor, width: int) -> Tensor:
    """Repeat the outermost pixels `width` times; `F.pad` is not deterministic on CUDA."""
    if width == 0:
        return x
    left, right = x[..., :1].expand(*x.shape[:-1], width), x[..., -1:].expand(*x.shape[:-1], width)
    x = torch.cat([left, x, right], dim=-1)
    top = x[..., :1, :].expand(*x.shape[:-2], width, x.shape[-1])
    bottom = x[..., -1:, :].expand(*x.shape[:-2], width, x.shape[-1])
    return torch.cat([top, x, bottom], dim=-2)


def _normalized(x: Tensor) -> Tensor:
    return F.group_norm(x, 1)
