import pytest
import torch

from stn_action.person.detectors.detector_base import check_frames


def test_a_batch_of_frames_is_accepted():
    check_frames(torch.zeros(2, 3, 4, 5, dtype=torch.uint8))


@pytest.mark.parametrize("frames", [torch.zeros(1, 3, 8, 8), torch.zeros(3, 8, 8).to(torch.uint8)])
def test_other_frames_are_refused(frames):
    with pytest.raises(ValueError, match=r"frames must be uint8 \(B, 3, H, W\), got torch"):
        check_frames(frames)
