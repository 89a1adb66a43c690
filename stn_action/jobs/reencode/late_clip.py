"""A clip near the end of a video: what it costs to reach tells how well a file can be read."""

from pathlib import Path

import torch
from torch import Tensor

from stn_action.person.crop import crop_frames
from stn_action.video.backend_table import open_video

END = 0.9
"""Where in the video the clip ends, as a share of it."""


def late_clip(
    path: str | Path,
    region: tuple[int, int, int, int] | None = None,
    *,
    num_frames: int = 16,
    stride: int = 1,
    size_hw: tuple[int, int] = (224, 224),
) -> Tensor:
    """Open a video, read a clip that ends at nine tenths of it, cut and resize, close.

    Args:
        path: the file.
        region: x0, y0, x1, y1 of what is cut out, source pixels; None: the whole picture.
        num_frames: T; a video that is too short repeats its first frame.
        stride: source frames from one frame of the clip to the next.
        size_hw: height and width of the clip, pixels.

    Returns:
        (T, 3, *size_hw) uint8.

    Raises:
        VideoError: the video cannot be read.
    """
    with open_video(path) as reader:
        last = int(END * (len(reader) - 1))
        steps = range(num_frames - 1, -1, -1)
        frames = reader.read([max(0, last - stride * step) for step in steps]).data
    height, width = frames.shape[2:]
    box = torch.tensor([region or (0, 0, width, height)]).float()
    return crop_frames(frames, box, size_hw)
