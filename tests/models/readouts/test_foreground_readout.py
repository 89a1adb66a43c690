import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.readouts.foreground_readout import ForegroundReadout

EVERYWHERE = [-1.0, -1.0, 1.0, 1.0]


def read(image, person, features=None):
    """A clip of two frames with the same extents; a map of 2 x 4 cells and one step."""
    extents = torch.tensor([image, person]).expand(1, 2, 2, 4)
    features = torch.arange(8.0).view(1, 1, 1, 2, 4) if features is None else features
    return ForegroundReadout()(features, extents)


def test_cells_count_by_their_share_inside_the_persons_box():
    """The box covers x from 0.5 to 2 and y from 0 to 1.5 of 4 x 2 cells."""
    reading = read(EVERYWHERE, [-0.75, -1.0, 0.0, 0.5])
    shares = torch.tensor([[0.5, 1, 0, 0], [0.25, 0.5, 0, 0]])
    torch.testing.assert_close(reading.weights, (shares / 2.25).expand(1, 1, 1, 2, 4))
    # cells 0 1 / 4 5: (1 * 1 + 0.25 * 4 + 0.5 * 5) / 2.25
    torch.testing.assert_close(reading.descriptions, torch.full((1, 1, 1, 1), 4.5 / 2.25))


def test_padding_does_not_count():
    """The image is the right half, the person's box reaches beyond it."""
    reading = read([0.0, -1.0, 1.0, 1.0], [-0.5, -1.0, 0.5, 0.0])
    expected = torch.tensor([[0, 0, 1.0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(reading.weights[0, 0, 0], expected)


def test_without_a_person_in_the_clip_the_image_counts():
    reading = read([0.0, -1.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0])
    expected = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1]]) / 4
    torch.testing.assert_close(reading.weights[0, 0, 0], expected)


def test_without_an_image_all_cells_count():
    reading = read([2.0, 2.0, 3.0, 3.0], [2.0, 2.0, 3.0, 3.0])
    torch.testing.assert_close(reading.weights[0, 0, 0], torch.full((2, 4), 1 / 8))


def test_every_step_has_the_boxes_of_its_frames():
    left, right = [-1.0, -1.0, 0.0, 1.0], [0.0, -1.0, 1.0, 1.0]
    extents = torch.tensor([[EVERYWHERE, box] for box in (left, left, right, right)])[None]
    features = torch.arange(16.0).view(1, 1, 2, 2, 4)
    reading = ForegroundReadout()(features, extents)
    assert reading.weights.shape == (1, 1, 2, 2, 4)
    # the mean of cells 0 1 4 5, then of 10 11 14 15
    torch.testing.assert_close(reading.descriptions[0, 0, 0], torch.tensor([2.5, 12.5]))


def test_without_extents_it_says_how_to_give_them():
    with pytest.raises(InputError, match=r"'foreground' needs the extents .* extents=batch.ext"):
        ForegroundReadout()(torch.zeros(1, 1, 1, 2, 4))
