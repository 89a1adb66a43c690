"""Spatial transformers of a trunk's own, beside heads that are plugged in."""

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.plug import plug
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.models.trunk_transformers import TransformerThetas, transformers_in
from stn_action.training.optim import parameter_groups

EXAMPLE = torch.zeros(1, 3, 2, 16, 16)


def trunk(gain: float = 1.0, *, own: bool = True) -> nn.Sequential:
    transformer = SpatialTransformer(4, "affine", gain=gain) if own else nn.Identity()
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1), transformer, nn.ReLU(), nn.AdaptiveAvgPool3d(1),
        nn.Flatten(), nn.Linear(4, 5),
    )  # fmt: skip


def plugged(network: nn.Module, **settings):
    return plug(network, num_classes=3, example=EXAMPLE, **{"heads": 0, **settings})


def names_of(network: nn.Module, parameters: list[nn.Parameter]) -> set[str]:
    own = {id(parameter) for parameter in parameters}
    return {
        name.partition(".localization.")[0]
        for name, parameter in network.named_parameters()
        if id(parameter) in own
    }


def test_those_of_the_trunk_and_of_the_heads_are_in_one_group():
    alone = plugged(trunk(30.0))
    assert names_of(alone, alone.localization_parameters()) == {"trunk.1.heads"}
    assert alone.gain == 30
    both = plugged(trunk(30.0), heads=2, at="0", gain=30.0)
    found = both.localization_parameters()
    assert names_of(both, found) == {"trunk.1.heads", "placements.0.readout.heads"}
    assert len({id(parameter) for parameter in found}) == len(found)
    groups = parameter_groups(both, lr=1.0, relative_lr=0.25, weight_decay=0.0)
    assert (groups[-1]["name"], groups[-1]["lr"], groups[-1]["gain"]) == ("localization", 0.25, 30)
    assert len(groups[-1]["params"]) == len(found)
    still = parameter_groups(both, lr=1.0, relative_lr=0.0, weight_decay=0.0)
    assert not {id(p) for group in still for p in group["params"]} & {id(p) for p in found}


def test_a_trunk_without_any_is_as_before():
    assert transformers_in(trunk(own=False)) == []
    network = plugged(trunk(own=False))
    assert (network.localization_parameters(), network.gain) == ([], 1)
    assert plugged(trunk(own=False), heads=2, at="0", gain=7.0).gain == 7


def test_gains_must_agree_where_both_are_trained():
    network = plugged(trunk(), heads=2, at="0", gain=300.0)
    assert network(torch.rand(2, 3, 2, 16, 16)).logits.shape == (2, 3)
    with pytest.raises(InputError, match=r"have different gains, \[1.0, 300.0\]: .* the same gain"):
        parameter_groups(network, lr=1.0, relative_lr=0.1, weight_decay=0.0)
    of_attention = plugged(trunk(7.0), heads=2, at="0", readout="attention")
    assert of_attention.gain == 7


def test_a_part_behind_a_stage_has_those_behind_it():
    network = plugged(trunk(30.0))
    behind = network.behind("0", EXAMPLE)
    assert len(behind.localization_parameters()) == len(network.localization_parameters())
    assert network.behind("1", EXAMPLE).localization_parameters() == []


def test_theta_of_each_transformer_is_noted_once_for_each_forward_pass():
    network = plugged(nn.Sequential(SpatialTransformer(3, "affine"), *trunk()))
    thetas = TransformerThetas(network.trunk)
    assert thetas() == ()
    last = network.trunk.get_submodule("2.heads.localization.output")
    nn.init.normal_(last.get_parameter("weight"))
    network(torch.rand(2, 3, 2, 16, 16))
    first, second = thetas()
    assert (first.stage, second.stage) == ("0", "2")
    assert first.theta is not None
    assert second.theta is not None
    assert not second.theta.requires_grad
    torch.testing.assert_close(first.theta, torch.eye(2, 3).expand(2, 1, 1, 2, 3))
    assert second.theta.shape == (2, 1, 1, 2, 3)
    assert (second.theta - torch.eye(2, 3)).abs().max() > 0.01
    assert second.cells.size_thw == (2, 16, 16)
    assert not second.can_be_given
    assert thetas() == ()
