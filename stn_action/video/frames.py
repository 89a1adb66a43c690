"""Decoded frames and their presentation times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Frames:
    """Decoded frames of one video, in the order in which they were requested."""

    data: Tensor
    """uint8 (T, 3, H, W), RGB. The readers store it as (T, H, W, 3), so that
    `data[t].permute(1, 2, 0).numpy()` is a contiguous image without a copy."""

    seconds: Tensor
    """float64 (T,): presentation time of each frame, from the first frame of the video or slice."""

    def __post_init__(self):
        if self.data.ndim != 4 or self.data.shape[1] != 3 or self.data.dtype != torch.uint8:
            raise ValueError(
                f"data must be uint8 (T, 3, H, W), got {self.data.dtype} {tuple(self.data.shape)}"
            )
        if self.seconds.shape != self.data.shape[:1] or self.seconds.dtype != torch.float64:
            raise ValueError(
                f"seconds must be float64 ({len(self.data)},), "
                f"got {self.seconds.dtype} {tuple(self.seconds.shape)}"
            )

    def __len__(self) -> int:
        return len(self.data)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame, in pixels."""
        return self.data.shape[2], self.data.shape[3]


def gather_frames(
    indices: Sequence[int],
    image_at: Callable[[int], tuple[np.ndarray, float]],
) -> Frames:
    """Decode every requested frame once, in ascending order, and return them in the given order.

    Args:
        indices: requested frames, at least one, in any order, repeats allowed.
        image_at: returns frame i as a uint8 (H, W, 3) image and its time in seconds.

    Returns:
        As many frames as indices, in their order.
    """
    data = None
    seconds = np.empty(len(indices), dtype=np.float64)
    order = sorted(range(len(indices)), key=indices.__getitem__)
    for index, places in groupby(order, key=indices.__getitem__):
        image, second = image_at(index)
        if data is None:
            data = np.empty((len(indices), *image.shape), dtype=np.uint8)
        for place in places:
            data[place] = image
            seconds[place] = second
    assert data is not None, "no index was given"
    return Frames(torch.from_numpy(data).permute(0, 3, 1, 2), torch.from_numpy(seconds))
