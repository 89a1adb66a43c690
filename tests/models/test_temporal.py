import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.temporal import TEMPORAL, TemporalDifference, TemporalMean, build_temporal


def test_the_mean_is_over_time():
    frames = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [6.0, 0.0]]])
    assert TemporalMean(2)(frames).tolist() == [[3.0, 10.0]]


@pytest.mark.parametrize("num_frames", [1, 2, 7])
@pytest.mark.parametrize("name", TEMPORAL)
def test_any_number_of_frames_gives_the_promised_width(name, num_frames):
    temporal = build_temporal(name, 6)
    description = temporal(torch.randn(3, num_frames, 6))
    assert description.shape == (3, temporal.out_channels)
    assert description.isfinite().all()


def test_differences_tell_the_order_of_frames_and_the_mean_does_not():
    frames = torch.randn(2, 5, 6)
    mean, difference = TemporalMean(6), TemporalDifference(6)
    torch.testing.assert_close(mean(frames.flip(1)), mean(frames))
    assert (difference(frames.flip(1)) - difference(frames)).abs().max() > 1e-3


def test_a_clip_that_stands_still_has_no_differences():
    still = torch.randn(1, 1, 4).expand(1, 5, 4)
    change = TemporalDifference(4).prepared(still)[..., 4:]
    # zeros, which the norm moves alike
    assert torch.equal(change, change[..., :1].expand_as(change))


def test_the_difference_is_norm_linear_layer_and_convolution():
    temporal, x = TemporalDifference(6, 4), torch.randn(3, 5, 6)
    for parameter in temporal.parameters():
        torch.nn.init.normal_(parameter)
    change = torch.cat([torch.zeros(3, 1, 6), x[:, 1:] - x[:, :-1]], dim=1)
    reduced = temporal.reduction(temporal.norm(torch.cat([x, change], dim=-1))).relu()
    along_time = temporal.convolution(reduced.transpose(1, 2)).transpose(1, 2)
    wanted = (reduced + along_time.relu()).mean(1)
    torch.testing.assert_close(temporal(x), wanted, rtol=1e-4, atol=1e-5)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"one of \['difference', 'mean'\], got 'median'"):
        build_temporal("median", 4)
