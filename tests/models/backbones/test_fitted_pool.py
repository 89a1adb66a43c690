import torch
from torch import nn

from stn_action.models.backbones.fitted_pool import FittedAvgPool3d, fit_pooling


def test_pooling_is_the_librarys_where_the_map_is_large_enough():
    kernel = (2, 3, 3)
    fitted, plain = FittedAvgPool3d(kernel, stride=1), nn.AvgPool3d(kernel, stride=1)
    large = torch.rand(1, 2, 3, 5, 4)
    assert torch.equal(fitted(large), plain(large))
    small = torch.rand(1, 2, 1, 5, 2)
    torch.testing.assert_close(fitted(small), nn.AvgPool3d((1, 3, 2), stride=1)(small))


def test_all_fixed_pools_of_a_network_are_exchanged():
    network = nn.Sequential(nn.AvgPool3d((2, 7, 7), stride=1), nn.ModuleList([nn.AvgPool3d(3)]))
    network.append(nn.AdaptiveAvgPool3d(1))
    fit_pooling(network)
    kinds = [type(module) for module in network.modules() if not list(module.children())]
    assert kinds == [FittedAvgPool3d, FittedAvgPool3d, nn.AdaptiveAvgPool3d]
    assert network[0](torch.ones(1, 1, 1, 3, 9)).shape == (1, 1, 1, 1, 3)
