"""Which frames of a video make a clip."""

import pytest
import torch

from stn_action.data.frame_sampling import ClipSampling


def test_segments_span_a_short_video_too():
    evenly = ClipSampling(4, sampling="segment").evenly
    assert evenly(8, 1).tolist() == [[1, 3, 5, 7]]
    assert evenly(8, 4).tolist() == [[0, 2, 4, 6], [0, 2, 4, 6], [1, 3, 5, 7], [1, 3, 5, 7]]
    assert evenly(2, 2).tolist() == [[0, 1, 1, 1], [0, 1, 1, 1]]


def test_dense_clips_are_spaced_evenly_over_the_video():
    # 3 frames, 2 apart, span 5 of 11: starts 0, 3, 6
    assert ClipSampling(3, 2).evenly(11, 3).tolist() == [[0, 2, 4], [3, 5, 7], [6, 8, 10]]


def test_drawn_clips_depend_on_the_generator_alone():
    for sampling in (ClipSampling(3, 2), ClipSampling(3, sampling="segment")):
        one, other = (sampling.draw(50, torch.Generator().manual_seed(3)) for _ in range(2))
        assert one.tolist() == other.tolist()
        assert one.diff().min() > 0


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="num_frames and stride must be at least 1"):
        ClipSampling(0)
    with pytest.raises(ValueError, match="sampling must be 'dense' or 'segment', got 'sparse'"):
        ClipSampling(4, sampling="sparse")
