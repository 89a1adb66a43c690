import pytest
import torch

from stn_action.models.readouts.plain_readouts import MaxReadout, MeanReadout

MAP = torch.tensor([[[0.0, 5.0, 1.0], [2.0, -3.0, 4.0]], [[-1.0, 7.0, 0.0], [0.0, 0.0, 8.0]]])
FEATURES = MAP[None, :, None]  # (1, 2, 1, 2, 3)


def test_the_mean_is_over_all_cells():
    reading = MeanReadout()(FEATURES)
    torch.testing.assert_close(
        reading.descriptions, torch.tensor([1.5, 14 / 6])[None, None, :, None]
    )
    torch.testing.assert_close(reading.weights, torch.full((1, 1, 1, 2, 3), 1 / 6))


def test_the_maximum_is_of_each_channel_and_its_weights_count_channels():
    reading = MaxReadout()(FEATURES)
    assert reading.descriptions.flatten().tolist() == [5, 8]
    expected = torch.tensor([[0, 0.5, 0], [0, 0, 0.5]])
    torch.testing.assert_close(reading.weights, expected.expand(1, 1, 1, 2, 3))


def test_each_step_has_maxima_of_its_own():
    reading = MaxReadout()(torch.stack([MAP, -MAP], dim=1)[None])
    assert reading.descriptions[0, 0].tolist() == [[5, 3], [8, 1]]
    assert reading.weights.shape == (1, 1, 2, 2, 3)
    torch.testing.assert_close(reading.weights.sum((-2, -1)), torch.ones(1, 1, 2))


def test_a_maximum_cannot_be_read_elsewhere():
    readout = MaxReadout()
    assert not readout.can_be_given
    with pytest.raises(ValueError, match=r"'max' takes no weights of another clip"):
        readout(FEATURES, given=torch.ones(1, 1, 1, 2, 3))
