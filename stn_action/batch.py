"""Clips with their targets, one by one and in batches: from data sets to networks.

Letters: h, w size of the clip.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Failure = tuple[int, str]
"""Index of a video that could not be read, and why."""


class Sample(NamedTuple):
    """One clip."""

    clip: Tensor
    """(3, T, h, w) uint8 RGB."""
    target: Tensor
    """() int64, index of the class; or (classes,) float32 with several labels."""
    video: int
    """Index of the video in the data set's list."""
    view: int
    """Number of the view among those of its video."""
    frame_indices: Tensor
    """(T,) int64 source frames."""
    boxes: Tensor
    """(T, 4) float32, the inverse map: source pixels of the clip's edges, x0 > x1 if mirrored."""
    extents: Tensor
    """(T, 2, 4) float32, the image and the person's box, as reported to the crop, in normalized
    clip coordinates; see `geometry/extents.py`."""


Item = tuple[list[Sample], list[Failure]]


class Batch(NamedTuple):
    """The samples of several items; B may be 0 if none could be read."""

    clip: Tensor
    """(B, 3, T, h, w) uint8 RGB."""
    target: Tensor
    """(B,) int64, or (B, classes) float32 with several labels."""
    video: Tensor
    """(B,) int64."""
    view: Tensor
    """(B,) int64."""
    frame_indices: Tensor
    """(B, T) int64."""
    boxes: Tensor
    """(B, T, 4) float32."""
    extents: Tensor
    """(B, T, 2, 4) float32."""
    failures: list[Failure]
    """Videos that could not be read, in the order in which they were tried."""


def collate(items: Sequence[Item]) -> Batch:
    """Collate the samples of several items into one batch; without any sample, B and T are 0."""
    samples = [sample for item in items for sample in item[0]]
    failures = [failure for item in items for failure in item[1]]
    if not samples:
        none = torch.empty(0, dtype=torch.int64)
        clip = torch.empty((0, 3, 0, 0, 0), dtype=torch.uint8)
        return Batch(
            clip, none, none, none, none.reshape(0, 0), torch.empty(0, 0, 4),
            torch.empty(0, 0, 2, 4), failures,
        )  # fmt: skip
    return Batch(
        clip=torch.stack([sample.clip for sample in samples]),
        target=torch.stack([sample.target for sample in samples]),
        video=torch.tensor([sample.video for sample in samples]),
        view=torch.tensor([sample.view for sample in samples]),
        frame_indices=torch.stack([sample.frame_indices for sample in samples]),
        boxes=torch.stack([sample.boxes for sample in samples]),
        extents=torch.stack([sample.extents for sample in samples]),
        failures=failures,
    )
