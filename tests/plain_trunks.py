"""Trunks that several tests of stages look into."""

import timm
from torch import Tensor, nn

from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.temporal import TemporalMean


class SkipNet(nn.Module):
    """A trunk that is no chain: what `first` gives is needed again behind `second`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 4, 3, padding=1)
        self.second = nn.Conv3d(4, 4, 3, padding=1)
        self.third = nn.Conv3d(4, 4, 3, padding=1)
        self.unused = nn.Conv3d(4, 4, 1)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.first(clip)
        return (self.third(self.second(x)) + x).mean((2, 3, 4))


def frame_wise_lite0() -> FrameWise:
    """The frame-wise trunk of the shipped configuration, without weights."""
    image = timm.create_model("tf_efficientnet_lite0", features_only=True)
    return FrameWise(image, TemporalMean(320)).eval()
