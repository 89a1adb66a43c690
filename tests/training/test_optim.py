import math

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.training.optim import (
    HeadWarmup,
    build_optimizer,
    clip_gradients,
    effective_relative_lr,
    parameter_groups,
    warmup_constant,
    warmup_cosine,
    warmup_step,
)


class TwoScalars(nn.Module):
    """Two weights of the trunk, two of the localization network, with the gradients given."""

    def __init__(self, gain: float, trunk_grad: list[float], localization_grad: list[float]):
        super().__init__()
        self.gain = gain
        self.trunk = nn.Parameter(torch.zeros(2))
        self.localization = nn.Parameter(torch.zeros(2))
        self.trunk.grad = torch.tensor(trunk_grad)
        self.localization.grad = torch.tensor(localization_grad)

    def localization_parameters(self) -> list[nn.Parameter]:
        return [self.localization]


def step(network, optimizer) -> None:
    prediction = network(torch.randint(256, (4, 3, 2, 8, 8), dtype=torch.uint8))
    prediction.logits.square().sum().backward()
    optimizer.step()


def test_every_trainable_parameter_is_in_exactly_one_group(looking_network):
    network = looking_network()
    network.trunk.weight.requires_grad_(False)
    groups = parameter_groups(network, lr=0.1, relative_lr=1e-3, weight_decay=0.01)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in network.parameters() if p.requires_grad}


def test_groups_have_their_rates_and_only_matrices_decay(looking_network):
    network = looking_network()
    groups = parameter_groups(network, lr=0.1, relative_lr=1e-3, weight_decay=0.01)
    assert {g["name"]: (g["lr"], g["weight_decay"]) for g in groups} == {
        "trunk+classifier": (0.1, 0.01),
        "trunk+classifier (no decay)": (0.1, 0.0),
        "localization": (pytest.approx(1e-4), 0.0),
    }
    undecayed = next(g["params"] for g in groups if "no decay" in g["name"])
    biases = [network.trunk.bias, network.classifier.bias, *network.norm.parameters()]
    assert {id(p) for p in undecayed} == {id(p) for p in biases}


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_relative_lr_0_leaves_the_localization_network_at_its_start(name, looking_network):
    network = looking_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    groups = parameter_groups(network, lr=0.1, relative_lr=0.0, weight_decay=0.1)
    step(network, build_optimizer(name, groups))
    after = network.state_dict()
    assert torch.equal(after["localization.weight"], before["localization.weight"])
    assert not torch.equal(after["trunk.weight"], before["trunk.weight"])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_relative_lr_above_0_moves_the_localization_network(name, looking_network):
    network = looking_network()
    before = network.localization.weight.detach().clone()
    groups = parameter_groups(network, lr=0.1, relative_lr=1e-3, weight_decay=0.1)
    step(network, build_optimizer(name, groups))
    assert not torch.equal(network.localization.weight, before)


def test_effective_rates_are_those_of_the_design():
    assert effective_relative_lr("sgd", 1e-3, 32) == pytest.approx(1.024)
    assert effective_relative_lr("sgd", 1e-5, 316) == pytest.approx(0.99856)
    assert effective_relative_lr("adamw", 1e-4, 10_000) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_an_equalised_weight_moves_at_the_effective_rate(name):
    """The weight that is used, gain * w, moves as a plain one at the effective rate does."""
    gain, relative_lr, lr = 20.0, 1e-2, 0.1
    plain, stored = nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([1.0 / gain]))
    effective = effective_relative_lr(name, relative_lr, gain)
    for weight, scale, rate in [(plain, 1.0, lr * effective), (stored, gain, lr * relative_lr)]:
        groups = [{"params": [weight], "lr": rate, "weight_decay": 0.0}]
        optimizer = build_optimizer(name, groups)
        for _ in range(3):
            optimizer.zero_grad()
            (scale * weight - 3).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(stored * gain, plain)
    assert abs(plain.item() - 1) > 0.01


def test_warmup_cosine_has_the_values_computed_by_hand():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=3.0)
    schedule = warmup_cosine(optimizer, warmup_steps=2, total_steps=6)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    half = math.sqrt(0.5)  # cos(pi / 4)
    expected = [1.0, 2.0, 3.0, 1.5 * (1 + half), 1.5, 1.5 * (1 - half), 0.0, 0.0]
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize("constant", [True, False])
def test_a_head_warmup_holds_the_localization_group_back(constant):
    network = TwoScalars(10.0, [1.0, 1.0], [1.0, 1.0])
    groups = parameter_groups(network, lr=1.0, relative_lr=0.5, weight_decay=0.0)
    optimizer = build_optimizer("sgd", groups)
    plain = build_optimizer("sgd", [dict(group) for group in groups])
    if constant:
        held = warmup_constant(optimizer, warmup_steps=1, head_warmup=HeadWarmup(3))
        free = warmup_constant(plain, warmup_steps=1)
    else:
        held = warmup_cosine(optimizer, warmup_steps=1, total_steps=6, head_warmup=HeadWarmup(3))
        free = warmup_cosine(plain, warmup_steps=1, total_steps=6)
    for step in range(6):
        rates, expected = (
            {group["name"]: group["lr"] for group in one.param_groups} for one in (optimizer, plain)
        )
        if step < 3:
            expected["localization"] = 0.0
        assert rates == pytest.approx(expected)
        for one, schedule in ((optimizer, held), (plain, free)):
            one.step()
            schedule.step()


def groups_of(network):
    return parameter_groups(network, lr=1.0, relative_lr=1.0, weight_decay=0.0)


def test_the_localization_gradient_is_clipped_apart_and_in_effective_units():
    network = TwoScalars(10.0, [3.0, 4.0], [30.0, 40.0])
    norms = clip_gradients(groups_of(network), clip_grad_norm=1.0, clip_localization_norm=0.5)
    assert norms == pytest.approx((5.0, 5.0))  # 50 / 10
    torch.testing.assert_close(network.trunk.grad, torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(network.localization.grad, torch.tensor([3.0, 4.0]))


def test_without_a_limit_gradients_are_measured_and_left():
    network = TwoScalars(10.0, [3.0, 4.0], [30.0, 40.0])
    norms = clip_gradients(groups_of(network))
    assert norms == pytest.approx((5.0, 5.0))
    assert network.localization.grad.tolist() == [30.0, 40.0]


def test_gradients_below_the_limit_are_left():
    network = TwoScalars(10.0, [3.0, 4.0], [30.0, 40.0])
    clip_gradients(groups_of(network), clip_grad_norm=5.1, clip_localization_norm=5.1)
    assert network.trunk.grad.tolist() == [3.0, 4.0]
    assert network.localization.grad.tolist() == [30.0, 40.0]


def test_a_network_without_gradients_has_norms_of_0():
    network = TwoScalars(1.0, [1.0, 1.0], [1.0, 1.0])
    network.localization.grad = None
    assert clip_gradients(groups_of(network), clip_localization_norm=0.1).localization == 0.0


def test_unusable_settings_are_named(looking_network):
    network = looking_network()
    with pytest.raises(InputError, match=r"one of sgd, adamw, got 'lamb'"):
        build_optimizer("lamb", [])
    with pytest.raises(InputError, match=r"one of sgd, adamw, got 'lamb'"):
        effective_relative_lr("lamb", 1.0, 1.0)
    with pytest.raises(InputError, match="relative_lr must be a number of at least 0, got -1"):
        parameter_groups(network, lr=0.1, relative_lr=-1, weight_decay=0.0)
    network.requires_grad_(False)
    with pytest.raises(InputError, match="no parameter is left to be trained"):
        parameter_groups(network, lr=0.1, relative_lr=1e-3, weight_decay=0.0)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(InputError, match=r"below total_steps \(5\), got 5"):
        warmup_cosine(optimizer, warmup_steps=5, total_steps=5)
    with pytest.raises(InputError, match="at least 0 steps, got -1"):
        HeadWarmup(-1)


def test_a_rate_in_steps_falls_at_its_milestones():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warmup_step(optimizer, warmup_steps=1, milestones=[3, 5], gamma=0.1)
    rates = []
    for _ in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1.0, 2.0, 2.0, 0.2, 0.2, 0.02, 0.02])
