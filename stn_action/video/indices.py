"""Indices of the frames that make up a clip, as pure functions.

A video that is too short for the clip repeats its last frame.
"""

import torch
from torch import Tensor


def dense_indices(num_frames_in_video: int, *, num_frames: int, stride: int, start: int) -> Tensor:
    """Take every `stride`-th frame from `start` on.

    Args:
        num_frames_in_video: length of the video.
        num_frames: length T of the clip.
        stride: distance of neighboring clip frames, in video frames.
        start: first frame.

    Returns:
        int64 (T,), ascending; beyond the end the last frame is repeated.

    Raises:
        ValueError: a count or the stride is below 1, or the start is outside the video.

    >>> dense_indices(10, num_frames=4, stride=2, start=1).tolist()
    [1, 3, 5, 7]
    >>> dense_indices(10, num_frames=4, stride=2, start=5).tolist()
    [5, 7, 9, 9]
    """
    _require_positive(num_frames_in_video=num_frames_in_video, num_frames=num_frames, stride=stride)
    if not 0 <= start < num_frames_in_video:
        raise ValueError(f"start must be in [0, {num_frames_in_video}), got {start}")
    return (start + stride * torch.arange(num_frames)).clamp(max=num_frames_in_video - 1)


def random_dense_indices(
    num_frames_in_video: int,
    *,
    num_frames: int,
    stride: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Take every `stride`-th frame from a random start; every start that fits is equally likely.

    Args:
        num_frames_in_video: length of the video.
        num_frames: length T of the clip.
        stride: distance of neighboring clip frames, in video frames.
        generator: source of randomness; None: torch's own.

    Returns:
        int64 (T,), ascending; a video shorter than the clip starts at 0 and repeats its last frame.

    Raises:
        ValueError: a count or the stride is below 1.

    >>> random_dense_indices(7, num_frames=4, stride=2).tolist()
    [0, 2, 4, 6]
    >>> random_dense_indices(5, num_frames=4, stride=2).tolist()
    [0, 2, 4, 4]
    """
    last_start = _last_start(num_frames_in_video, num_frames, stride)
    start = int(torch.randint(last_start + 1, (), generator=generator))
    return dense_indices(num_frames_in_video, num_frames=num_frames, stride=stride, start=start)


def uniform_dense_views(
    num_frames_in_video: int, *, num_frames: int, stride: int, num_clips: int
) -> Tensor:
    """Place clips at equal distances, the first at the video's start and the last at its end.

    Args:
        num_frames_in_video: length of the video.
        num_frames: length T of a clip.
        stride: distance of neighboring clip frames, in video frames.
        num_clips: number N of clips; a single one is taken from the middle.

    Returns:
        int64 (N, T), each row ascending.

    Raises:
        ValueError: a count or the stride is below 1.

    >>> uniform_dense_views(10, num_frames=3, stride=2, num_clips=3).tolist()
    [[0, 2, 4], [2, 4, 6], [5, 7, 9]]
    >>> uniform_dense_views(10, num_frames=3, stride=2, num_clips=1).tolist()
    [[2, 4, 6]]
    >>> uniform_dense_views(2, num_frames=3, stride=1, num_clips=2).tolist()
    [[0, 1, 1], [0, 1, 1]]
    """
    _require_positive(num_clips=num_clips)
    last_start = _last_start(num_frames_in_video, num_frames, stride)
    if num_clips == 1:
        starts = [last_start // 2]
    else:
        starts = [last_start * clip // (num_clips - 1) for clip in range(num_clips)]
    return torch.stack(
        [
            dense_indices(num_frames_in_video, num_frames=num_frames, stride=stride, start=start)
            for start in starts
        ]
    )


def segment_indices(
    num_frames_in_video: int, *, num_frames: int, generator: torch.Generator | None = None
) -> Tensor:
    """Divide the video into equal segments and take one frame of each.

    Source: temporal segment networks (Wang et al. 2016, arXiv 1608.00859, section 3.1). Departure:
    segments may have fractional lengths, so that they cover the video to its end.

    Args:
        num_frames_in_video: length of the video.
        num_frames: number T of segments.
        generator: takes a random frame of each segment; None: the middle one.

    Returns:
        int64 (T,), ascending; a video of fewer than T frames repeats its last one.

    Raises:
        ValueError: a count is below 1.

    >>> segment_indices(12, num_frames=3).tolist()
    [2, 6, 10]
    >>> segment_indices(10, num_frames=4).tolist()
    [1, 3, 6, 8]
    >>> segment_indices(2, num_frames=4).tolist()
    [0, 1, 1, 1]
    """
    _require_positive(num_frames_in_video=num_frames_in_video, num_frames=num_frames)
    if num_frames_in_video < num_frames:
        return dense_indices(num_frames_in_video, num_frames=num_frames, stride=1, start=0)
    if generator is None:
        return (2 * torch.arange(num_frames) + 1) * num_frames_in_video // (2 * num_frames)
    edges = torch.arange(num_frames + 1) * num_frames_in_video // num_frames
    place = torch.rand(num_frames, dtype=torch.float64, generator=generator)
    return edges[:-1] + (place * (edges[1:] - edges[:-1])).long()


def _last_start(num_frames_in_video: int, num_frames: int, stride: int) -> int:
    _require_positive(num_frames_in_video=num_frames_in_video, num_frames=num_frames, stride=stride)
    return max(0, num_frames_in_video - 1 - (num_frames - 1) * stride)


def _require_positive(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
