"""Clipping each network of a stack is clipping each of them alone."""

import pytest
import torch
from torch import nn

from stn_action.training.optim import LOCALIZATION_GROUP, clip_gradients
from stn_action.training.stacked_clipping import clip_stacked_gradients

SHAPES = {"others": [(3, 4), (5,)], LOCALIZATION_GROUP: [(2, 3, 1, 1)]}
GAIN = 10.0


def groups_of(gradients: dict[str, list[torch.Tensor]]) -> list[dict]:
    groups = []
    for name, own in gradients.items():
        parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in own]
        for parameter, gradient in zip(parameters, own, strict=True):
            parameter.grad = gradient.clone()
        groups.append({"name": name, "params": parameters, "gain": GAIN})
    return groups


@pytest.mark.parametrize("limits", [(None, None), (1.0, 0.1), (1e3, None), (None, 0.2)])
def test_each_network_is_clipped_by_its_own_norm(limits):
    settings = {"clip_grad_norm": limits[0], "clip_localization_norm": limits[1]}
    size = torch.tensor([0.01, 1.0, 100.0])  # one that is not clipped, two that are
    stacked = {
        name: [torch.randn(3, *shape) * size.view(-1, *[1] * len(shape)) for shape in shapes]
        for name, shapes in SHAPES.items()
    }
    groups = groups_of(stacked)
    found = clip_stacked_gradients(groups, **settings)
    norms = []
    for s in range(3):
        own = groups_of({name: [g[s] for g in gradients] for name, gradients in stacked.items()})
        norms.append(clip_gradients(own, **settings))
        for group, alone in zip(groups, own, strict=True):
            for one, other in zip(group["params"], alone["params"], strict=True):
                torch.testing.assert_close(one.grad[s], other.grad)
    assert found.others == pytest.approx(max(norm.others for norm in norms))
    assert found.localization == pytest.approx(max(norm.localization for norm in norms))


def test_without_a_localization_network_its_norm_is_zero():
    assert clip_stacked_gradients(groups_of({"others": [torch.ones(2, 4)]})) == (2.0, 0.0)
