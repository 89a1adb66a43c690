"""Selection of the frames of a clip.

Letters: T frames of a clip; C clips of one test video.
"""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from stn_action.data.data_choices import FrameSampling
from stn_action.video.indices import random_dense_indices, segment_indices, uniform_dense_views


@dataclass(frozen=True)
class ClipSampling:
    """A choice of a clip's frames; a video with too few frames repeats its last one."""

    num_frames: int = 16
    """T."""
    stride: int = 4
    """Dense: source frames from one clip frame to the next."""
    sampling: FrameSampling = "dense"
    """`dense`: a run of frames; `segment`: one frame from each of T equal parts of the video."""

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.stride < 1:
            raise ValueError(f"num_frames and stride must be at least 1, got {self}")
        if self.sampling not in get_args(FrameSampling):
            raise ValueError(f"sampling must be 'dense' or 'segment', got {self.sampling!r}")

    def draw(self, video_length: int, generator: torch.Generator) -> Tensor:
        """Draw the frames of a training clip: (T,) int64."""
        if self.sampling == "segment":
            return segment_indices(video_length, num_frames=self.num_frames, generator=generator)
        return random_dense_indices(
            video_length, num_frames=self.num_frames, stride=self.stride, generator=generator
        )

    def evenly(self, video_length: int, num_clips: int) -> Tensor:
        """Return the frames of `num_clips` test clips: (C, T) int64.

        In segment mode every clip spans the video: clip c takes the frame at (c + 1/2) / C of each
        segment, which is the middle one for a single clip.
        """
        if self.sampling == "segment":
            if video_length < self.num_frames:
                frames = segment_indices(video_length, num_frames=self.num_frames)
                return frames.repeat(num_clips, 1)
            parts = self.num_frames * num_clips
            centers = (2 * torch.arange(parts) + 1) * video_length // (2 * parts)
            return centers.reshape(self.num_frames, num_clips).T
        return uniform_dense_views(
            video_length, num_frames=self.num_frames, stride=self.stride, num_clips=num_clips
        )
