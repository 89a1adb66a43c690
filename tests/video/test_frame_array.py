"""Frames in memory read like a file."""

import numpy as np
import pytest
import torch

from stn_action.errors import InputError
from stn_action.video.frame_array import FrameArray

FRAMES = np.arange(4 * 2 * 5 * 3, dtype=np.uint8).reshape(4, 2, 5, 3)


def test_frames_come_by_index_with_their_times():
    with FrameArray(FRAMES, fps=2) as reader:
        assert (len(reader), reader.size_hw, reader.fps) == (4, (2, 5), 2.0)
        frames = reader.read([3, 0, 3])
    np.testing.assert_array_equal(frames.data.permute(0, 2, 3, 1), FRAMES[[3, 0, 3]])
    assert frames.seconds.tolist() == [1.5, 0, 1.5]


def test_a_stream_gives_every_second_frame():
    found = [(index, image.copy()) for index, image, _ in FrameArray(FRAMES).stream(every=2)]
    assert [index for index, _ in found] == [0, 2]
    np.testing.assert_array_equal(found[1][1], FRAMES[2])


def test_channels_may_come_before_height_and_width():
    own = torch.from_numpy(FRAMES).permute(0, 3, 1, 2)
    assert FrameArray(own).size_hw == (2, 5)
    np.testing.assert_array_equal(FrameArray(own).read([1]).data[0], own[1])


@pytest.mark.parametrize(
    ("frames", "got"),
    [
        (FRAMES.astype(np.float32), r"\(4, 2, 5, 3\) float32"),
        (FRAMES[0], r"\(2, 5, 3\) uint8"),
        (FRAMES[:0], r"\(0, 2, 5, 3\) uint8"),
        (FRAMES[..., :1], r"\(4, 2, 5, 1\) uint8"),
    ],
)
def test_other_arrays_are_refused(frames, got):
    with pytest.raises(InputError, match=rf"camera 1: expected frames .*; got {got}"):
        FrameArray(frames, name="camera 1")


def test_a_frame_rate_is_above_zero():
    with pytest.raises(InputError, match=r"frames: fps must be above 0, got 0"):
        FrameArray(FRAMES, fps=0)
