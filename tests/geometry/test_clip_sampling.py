import pytest
import torch

from stn_action.geometry.clip_sampling import fold_time, sample_clips, spatial_transformer
from stn_action.geometry.sampling import sample
from stn_action.geometry.transform_choices import PADDINGS, SAMPLERS
from tests.geometry.examples import windows

N, C, T, H, W = 2, 3, 4, 6, 5


def clips(layout):
    """(N, C, T, H, W), in memory as plain clips, as a frame-wise trunk's maps, or channels last."""
    clip = torch.randn(N, C, T, H, W)
    if layout == "channels_last_3d":
        return clip.contiguous(memory_format=torch.channels_last_3d)
    if layout == "frames":
        maps = clip.transpose(1, 2).flatten(0, 1)  # (N * T, C, H, W)
        return maps.unflatten(0, (N, T)).transpose(1, 2)
    return clip


CLIP_LAYOUTS = ["contiguous", "frames", "channels_last_3d"]


@pytest.mark.parametrize("layout", CLIP_LAYOUTS)
@pytest.mark.parametrize("num_steps", [1, T])
def test_fold_time_brings_frames_and_windows_together(layout, num_steps):
    clip, theta = clips(layout), torch.randn(N, 2, num_steps, 2, 3)
    maps, folded, unfold = fold_time(clip, theta)
    as_channels = layout == "contiguous" and num_steps == 1
    assert maps.shape == ((N, C * T, H, W) if as_channels else (N * T, C, H, W))
    assert folded.shape == (len(maps), 2, 2, 3)
    # a "sampler" that marks every map with its theta, and the way back
    marked = maps[:, None] + folded.sum((-2, -1))[:, :, None, None, None]
    expected = clip[:, None] + theta.sum((-2, -1))[:, :, None, :, None, None]
    torch.testing.assert_close(unfold(marked), expected)
    means = unfold(marked.mean((-2, -1)))
    torch.testing.assert_close(means, expected.mean((-2, -1)))


@pytest.mark.parametrize(
    ("layout", "num_steps"),
    [("contiguous", 1), ("frames", 1), ("frames", T), *[("channels_last_3d", s) for s in (1, T)]],
)
def test_fold_time_copies_nothing(layout, num_steps):
    clip = clips(layout)
    maps = fold_time(clip, torch.zeros(N, 2, num_steps, 2, 3))[0]
    assert maps.data_ptr() == clip.data_ptr()
    assert maps.is_contiguous() or maps.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", CLIP_LAYOUTS)
@pytest.mark.parametrize("num_steps", [1, T])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_clips_are_sampled_frame_by_frame(sampler, num_steps, layout):
    clip, theta = clips(layout), windows(N, 2, num_steps, low=0.3, high=1.2, dtype=torch.float32)
    for padding in PADDINGS:
        options = {"axis_aligned": True, "sampler": sampler, "padding": padding}
        glimpses = sample_clips(clip, theta, (3, 4), **options)
        assert glimpses.shape == (N, 2, C, T, 3, 4)
        for t in range(T):
            step = theta[:, :, t if num_steps == T else 0]
            expected = sample(clip[:, :, t].contiguous(), step, (3, 4), **options)
            torch.testing.assert_close(glimpses[:, :, :, t], expected)


def test_clips_and_theta_that_do_not_agree_are_reported():
    clip = torch.zeros(2, 3, 4, 5, 6)
    with pytest.raises(ValueError, match=r"features must be \(N, C, T, H, W\), got \(2, 3, 5, 6\)"):
        fold_time(clip[:, :, 0], torch.zeros(2, 1, 1, 2, 3))
    for shape in ((2, 4, 2, 3), (3, 1, 1, 2, 3), (2, 1, 3, 2, 3)):
        with pytest.raises(ValueError, match=r"theta must be \(2, K, S, \.\.\.\).*S = 1 or 4 time"):
            fold_time(clip, torch.zeros(shape))
        with pytest.raises(ValueError, match=r"theta must be \(2, K, S, \.\.\.\).*S = 1 or 4 time"):
            sample_clips(clip, torch.zeros(shape), (3, 3))
    with pytest.raises(ValueError, match=r"theta must be \(2, K, S, \.\.\.\).*S = 1 or 4 time"):
        spatial_transformer(clip, torch.zeros(2, 1, 3, 2, 3))
