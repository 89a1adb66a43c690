import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.temporal import (
    TEMPORAL,
    TemporalDifference,
    TemporalMean,
    build_temporal,
    sinusoidal_places,
)


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


@pytest.mark.parametrize("name", TEMPORAL)
def test_all_but_the_mean_tell_the_order_of_frames(name):
    frames = torch.randn(2, 5, 6)
    temporal = build_temporal(name, 6).eval()
    change = (temporal(frames.flip(1)) - temporal(frames)).abs().max()
    assert change < 1e-6 if name == "mean" else change > 1e-3


@pytest.mark.parametrize("name", TEMPORAL)
def test_several_parts_are_reduced_one_after_the_other(name):
    temporal, parts = build_temporal(name, 6).eval(), torch.randn(2, 3, 5, 6)
    together = temporal.reduced(*map(temporal.prepared, parts))
    torch.testing.assert_close(together, temporal(parts.flatten(0, 1)))


def test_places_are_told_apart_for_any_number_of_frames():
    places = sinusoidal_places(300, 8)
    assert places.shape == (300, 8)
    assert (places[1:] - places[:-1]).abs().max(1).values.min() > 0.1
    assert torch.equal(sinusoidal_places(3, 8), places[:3])


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
    with pytest.raises(InputError, match=r"one of \['convolution', .*'mean', .*\], got 'median'"):
        build_temporal("median", 4)
