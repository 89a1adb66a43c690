"""Weighted means of stored cells are those of the maps, and so are the gradients of weights."""

import pytest
import torch
from torch import Tensor

from stn_action.models.stored_means import stored_means


class Stored:
    def __init__(self, maps: Tensor) -> None:
        self._maps = maps

    def maps(self, numbers: Tensor) -> Tensor:
        return self._maps[numbers]

    def cells(self, number: int) -> Tensor:
        return self._maps[number].flatten(2).permute(2, 1, 0)


@pytest.mark.parametrize("num_steps", [1, 3])
def test_means_and_gradients_are_those_of_the_maps(num_steps):
    maps = torch.randn(4, 5, 3, 2, 6, dtype=torch.float64)  # (R, C, T, H, W)
    numbers = torch.tensor([3, 0, 3])
    weights = torch.rand(3, 2, num_steps, 2, 6, dtype=torch.float64, requires_grad=True)
    means = stored_means(Stored(maps), numbers, weights)
    wanted = torch.einsum("nkthw,ncthw->nktc", weights.expand(3, 2, 3, 2, 6), maps[numbers])
    torch.testing.assert_close(means, wanted)
    gradient = torch.randn_like(means)
    (found,) = torch.autograd.grad(means, weights, gradient)
    torch.testing.assert_close(found, *torch.autograd.grad(wanted, weights, gradient))
