"""The boxes of one tracked person."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.geometry.boxes import smooth_boxes

MAX_FRAMES = 10**7
"""Four days at 30 frames per second; a larger frame index is an error in the file."""


@dataclass(frozen=True, eq=False)
class Tube:
    """The boxes of one person through one video; frames without a detection are omitted."""

    frame_indices: Tensor
    """(N,) int64, strictly increasing, the first frame of the video is 0."""
    boxes: Tensor
    """(N, 4) float32 xyxy, pixels of the source image."""
    scores: Tensor
    """(N,) float32, confidence of the detector."""

    def __post_init__(self) -> None:
        count = len(self.frame_indices)
        if count == 0:
            raise ValueError("a Tube needs at least one box, got none")
        if self.frame_indices.shape != (count,) or self.frame_indices.dtype != torch.int64:
            raise ValueError(
                f"frame_indices must be int64 (N,), got {self.frame_indices.dtype} "
                f"{tuple(self.frame_indices.shape)}"
            )
        if self.boxes.shape != (count, 4) or self.boxes.dtype != torch.float32:
            raise ValueError(
                f"boxes must be float32 ({count}, 4), got {self.boxes.dtype} "
                f"{tuple(self.boxes.shape)}"
            )
        if self.scores.shape != (count,):
            raise ValueError(f"scores must be ({count},), got {tuple(self.scores.shape)}")
        if (self.frame_indices.diff() <= 0).any():
            raise ValueError("frame_indices must strictly increase")

    def __len__(self) -> int:
        return len(self.frame_indices)

    @property
    def span(self) -> int:
        """Frames from the first box to the last, both counted."""
        return int(self.frame_indices[-1] - self.frame_indices[0]) + 1

    def boxes_at(self, indices: Tensor) -> Tensor:
        """Interpolate the boxes at any frames; the first and the last box are held beyond.

        Args:
            indices: (T,) int64 frame indices, in any order.

        Returns:
            (T, 4) float32 xyxy, source pixels.
        """
        indices = indices.contiguous()  # a row of clips may be a strided view
        later = torch.searchsorted(self.frame_indices, indices).clamp(max=len(self) - 1)
        earlier = (later - 1).clamp(min=0)
        start, end = self.frame_indices[earlier], self.frame_indices[later]
        share = (indices - start).double() / (end - start).clamp(min=1)
        share = share.clamp(0, 1).to(torch.float32)[:, None]
        return torch.lerp(self.boxes[earlier], self.boxes[later], share)

    def smoothed(self, window: int) -> "Tube":
        """Fill the gaps and average each box over `window` frames of the video.

        Args:
            window: frames in the average, odd; 1 only fills the gaps.

        Returns:
            A tube with a box for every frame from the first to the last; filled frames score 0.

        Raises:
            ValueError: `window` is not an odd positive number.
        """
        first, last = int(self.frame_indices[0]), int(self.frame_indices[-1])
        frame_indices = torch.arange(first, last + 1)
        scores = torch.zeros(len(frame_indices), dtype=self.scores.dtype)
        scores[self.frame_indices - first] = self.scores
        return Tube(frame_indices, smooth_boxes(self.boxes_at(frame_indices), window), scores)
