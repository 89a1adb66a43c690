"""A localization network whose raw numbers have a mean of 0."""

import torch
from torch import nn

from stn_action.models.centered_localization import CenteredLocalization


def centered(momentum=0.1):
    return CenteredLocalization(nn.Flatten(), 3, momentum=momentum)


def test_the_mean_of_a_batch_is_taken_away():
    maps = torch.randn(5, 3, 1, 1) + torch.tensor([1.0, 2, 3])[:, None, None]
    raw = centered()(maps)
    torch.testing.assert_close(raw.mean(0), torch.zeros(3))
    torch.testing.assert_close(raw[1] - raw[0], (maps[1] - maps[0]).flatten())


def test_afterwards_each_image_counts_alone():
    network = centered(momentum=1.0)
    maps = torch.randn(5, 3, 1, 1)
    trained = network(maps)
    network.eval()
    torch.testing.assert_close(network(maps[2:3]), trained[2:3])
    network(maps + 7)
    torch.testing.assert_close(network.mean, maps.mean(0).flatten())


def test_the_moving_average_forgets_slowly():
    network = centered(momentum=0.25)
    network(torch.ones(2, 3, 1, 1))
    network(torch.full((2, 3, 1, 1), 5.0))
    torch.testing.assert_close(network.mean, torch.full((3,), 0.25 * 0.75 + 5 * 0.25))


def test_a_shift_of_all_windows_has_no_gradient():
    network = CenteredLocalization(nn.Sequential(nn.Flatten(), nn.Linear(3, 3)), 3)
    network(torch.randn(4, 3, 1, 1)).square().sum().backward()
    bias = network.localization[1].bias  # type: ignore[index]
    torch.testing.assert_close(bias.grad, torch.zeros(3))
