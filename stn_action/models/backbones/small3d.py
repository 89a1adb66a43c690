"""A small trunk of our own, for demonstrations and tests."""

import torch
from torch import Tensor, nn

from stn_action.models.backbones.trunk_weights import load_weights
from stn_action.models.model_choices import Temporal


def build_small3d(weights: str | None, temporal: Temporal) -> nn.Module:
    """Build `Small3d`, with weights from a file; `temporal` has no effect."""
    trunk = Small3d()
    if weights is not None:
        load_weights(trunk, weights)
    return trunk


class Small3d(nn.Module):
    """A small 3-D convolutional trunk: 0.2 M parameters.

    Its input is the difference of neighboring frames: from a few hundred clips a network learns
    motion, but not appearance. Stages: stem, stage1 (stride 2 in space), stage2 (stride 2 in time
    and space), stage3.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 64, 64)) -> None:
        super().__init__()
        self.motion = FrameDifference()
        self.stem = _convolution(3, widths[0], (1, 5, 5), (1, 2, 2))
        self.stage1 = _convolution(widths[0], widths[1], (3, 3, 3), (1, 2, 2))
        self.stage2 = _convolution(widths[1], widths[2], (3, 3, 3), (2, 2, 2))
        self.stage3 = _convolution(widths[2], widths[3], (3, 3, 3), (1, 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        """Compute features (B, widths[-1]) of clips (B, 3, T, H, W)."""
        x = self.stem(self.motion(clip))
        x = self.stage3(self.stage2(self.stage1(x)))
        return x.mean((2, 3, 4))


class FrameDifference(nn.Module):
    """The change from each frame to the next; the last frame repeats that of the one before."""

    def forward(self, clip: Tensor) -> Tensor:
        """Compute the change of (B, C, T, H, W), of the same shape; zeros for a single frame."""
        if clip.shape[2] == 1:
            return torch.zeros_like(clip)
        change = clip.diff(dim=2)
        return 2 * torch.cat([change, change[:, :, -1:]], dim=2)


def _convolution(
    in_channels: int, out_channels: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, kernel, stride, padding, bias=False),
        nn.BatchNorm3d(out_channels),
        nn.ReLU(inplace=True),
    )
