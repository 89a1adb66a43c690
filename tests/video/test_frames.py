import numpy as np
import pytest
import torch

from stn_action.video.frames import Frames, gather_frames


def image_of(index: int) -> tuple[np.ndarray, float]:
    image = np.zeros((2, 4, 3), dtype=np.uint8)
    image[..., 1] = index
    return image, index / 25


def test_frames_come_in_the_order_asked_for():
    frames = gather_frames([5, 2, 2, 9], image_of)
    assert frames.data.shape == (4, 3, 2, 4)
    assert frames.size_hw == (2, 4)
    assert len(frames) == 4
    assert frames.data[:, 1, 0, 0].tolist() == [5, 2, 2, 9]
    assert frames.data[:, 0].unique().tolist() == [0]
    assert frames.seconds.tolist() == [0.2, 0.08, 0.08, 0.36]


def test_each_frame_is_fetched_once_in_ascending_order():
    fetched = []
    gather_frames([5, 2, 2, 9, 5], lambda i: (fetched.append(i), image_of(i))[1])
    assert fetched == [2, 5, 9]


def test_an_image_is_contiguous_with_its_channels_last():
    frames = gather_frames([1], image_of)
    assert frames.data[0].permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize(
    ("data", "seconds", "message"),
    [
        (torch.zeros(2, 2, 4, 3, dtype=torch.uint8), torch.zeros(2).double(), "data must be uint8"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2).double(), "data must be uint8"),
        (torch.zeros(2, 3, 4, 4).byte(), torch.zeros(2), r"seconds must be float64 \(2,\)"),
        (torch.zeros(2, 3, 4, 4).byte(), torch.zeros(3).double(), "seconds must be float64"),
    ],
)
def test_wrong_shapes_are_refused(data, seconds, message):
    with pytest.raises(ValueError, match=message):
        Frames(data, seconds)
