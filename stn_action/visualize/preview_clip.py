"""A clip with its source frames and the boxes of its crop, to be drawn.

Letters: T frames of a clip, N persons, h, w size of the clip.
"""

from dataclasses import dataclass

from torch import Tensor

from stn_action.geometry.boxes import box_areas, shared_areas


@dataclass(frozen=True, eq=False)
class PreviewClip:
    """A clip, its source frames and the boxes of its crop; all boxes xyxy in source pixels."""

    frames: Tensor
    """(T, 3, H, W) uint8 RGB, the source frames."""
    clip: Tensor
    """(3, T, h, w) uint8 RGB, as the network receives it."""
    frame_indices: Tensor
    """(T,) int64 numbers of the source frames."""
    seconds: Tensor
    """(T,) times of the source frames."""
    persons: Tensor
    """(N, T, 4) boxes of all persons; NaN: not visible in this frame."""
    person_boxes: Tensor | None
    """(T, 4) box of the person that the clip shows, or union of all, as the crop knows it: with box
    errors; None: the full frame."""
    regions: Tensor
    """(T, 4) person boxes loosened, jittered, squared and shifted inside."""
    edges: Tensor
    """(T, 4) edges of the clip, x0 > x1 if it is mirrored."""
    name: str
    """Name of the draw or view."""

    def __post_init__(self) -> None:
        num_frames = len(self.frames)
        shapes = {
            "clip": (self.clip.shape[1:2], (num_frames,)),
            "frame_indices": (self.frame_indices.shape, (num_frames,)),
            "seconds": (self.seconds.shape, (num_frames,)),
            "persons": (self.persons.shape[1:], (num_frames, 4)),
            "regions": (self.regions.shape, (num_frames, 4)),
            "edges": (self.edges.shape, (num_frames, 4)),
        }
        for name, (found, expected) in shapes.items():
            if tuple(found) != expected:
                raise ValueError(
                    f"{name} must be of {num_frames} frames, got {tuple(getattr(self, name).shape)}"
                )

    @property
    def mirrored(self) -> bool:
        """Whether left and right are swapped."""
        return bool(self.edges[0, 0] > self.edges[0, 2])

    @property
    def views(self) -> Tensor:
        """(T, 4) xyxy of the crop, x0 < x1 always."""
        return self.edges[:, [2, 1, 0, 3]] if self.mirrored else self.edges

    @property
    def padded_share(self) -> float:
        """Share of the crop's area that is beyond the frame, over all frames."""
        height, width = self.frames.shape[2:]
        inside = shared_areas(self.views, self.views.new_tensor([0, 0, width, height]))
        return float(1 - inside.sum() / box_areas(self.views).sum())
