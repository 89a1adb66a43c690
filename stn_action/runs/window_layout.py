"""Sliding windows over a stream: which frames they take, and where they may start."""

from typing import NamedTuple

from torch import Tensor

from stn_action.config.schema import Config
from stn_action.data.frame_sampling import ClipSampling


class WindowLayout(NamedTuple):
    """The windows of all tracks; they start at multiples of `stride`, so that few frames stay."""

    offsets: Tensor
    """(T,) int64, the frames of a clip, counted from the start of its window."""
    span: int
    """Frames of a window, from the first to the last that it may take."""
    stride: int
    """Starts are multiples of it."""
    step: int
    """Frames from one start to the next, a multiple of `stride`."""
    reach: int
    """Frames before and behind a window whose boxes its own depend on, by smoothing."""

    @classmethod
    def of(cls, config: Config, fps: float, every_seconds: float | None) -> "WindowLayout":
        """Return the layout of a configuration's clips.

        Args:
            config: its clips; one in segment mode has a window of `num_frames * stride` frames.
            fps: of the stream.
            every_seconds: about the time from one window to the next; None: half a window.
        """
        clip = config.data.clip
        span = (clip.num_frames - 1) * clip.stride + 1
        if clip.sampling == "segment":
            span = clip.num_frames * clip.stride
        frames = span / 2 if every_seconds is None else every_seconds * fps
        steps = max(1, round(frames / clip.stride))
        offsets = ClipSampling(**dict(clip)).evenly(span, 1)[0]
        reach = config.data.crop.smooth_window // 2
        return cls(offsets, span, clip.stride, steps * clip.stride, reach)

    def first_start(self, frame: int) -> int:
        """Return the first start that is not before a frame."""
        return -(-frame // self.stride) * self.stride

    def last_start(self, frame: int) -> int:
        """Return the last start of a window that does not reach beyond a frame."""
        return (frame + 1 - self.span) // self.stride * self.stride

    def takes(self, frame: int) -> bool:
        """Return whether a window can take this frame."""
        return bool(((frame - self.offsets) % self.stride == 0).any())

    def describe(self, fps: float) -> str:
        """Return a line for the user."""
        return (
            f"windows of {self.span} frames ({self.span / fps:.2f} s, {len(self.offsets)} of them "
            f"used), one every {self.step} frames ({self.step / fps:.2f} s)"
        )
