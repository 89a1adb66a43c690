"""An image network as a trunk of clips."""

from typing import Protocol

from torch import Tensor, nn


class FrameShift(Protocol):
    """What moves channels between the frames of a clip, inside the image network."""

    divisor: int
    """One of so many channels goes each way."""
    num_frames: int
    """Of a clip; set before the image network runs."""
    num_blocks: int
    """Residual blocks that shift."""


class FrameWise(nn.Module):
    """An image network on every frame, with the frames' features joined over time.

    Args:
        image: images (N, 3, H, W) to maps (N, channels, h, w), or to a list of maps of which the
            last is used.
        temporal: (N, T, channels) to (N, out_channels).
        channels_last: whether the maps are (N, h, w, channels) instead.
    """

    def __init__(
        self, image: nn.Module, temporal: nn.Module, *, channels_last: bool = False
    ) -> None:
        super().__init__()
        self.pooled_axes = (1, 2) if channels_last else (2, 3)
        self.image = image
        self.temporal = temporal
        self.shift: FrameShift | None = None  # see `add_temporal_shift`

    def forward(self, clip: Tensor) -> Tensor:
        """Compute features (B, out_channels).

        Args:
            clip: (B, 3, T, H, W); behind a stage, its features (B, C, T, H, W).
        """
        T = clip.shape[2]
        if self.shift is not None:
            self.shift.num_frames = T
        maps = self.image(clip.transpose(1, 2).flatten(0, 1))
        last = maps[-1] if isinstance(maps, list | tuple) else maps
        return self.temporal(last.mean(self.pooled_axes).unflatten(0, (-1, T)))
