import torch
from torch import nn

from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.temporal import TemporalMean


def test_frames_are_described_one_by_one_and_joined_over_time():
    image = nn.Conv2d(3, 4, 3)
    clip = torch.rand(2, 3, 5, 8, 6)
    frames = [image(clip[:, :, t]).mean((2, 3)) for t in range(5)]
    trunk = FrameWise(image, TemporalMean(4))
    torch.testing.assert_close(trunk(clip), torch.stack(frames, 1).mean(1))
