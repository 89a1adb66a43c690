"""Learning rates by stage and by name, through a configuration and a step of training."""

import pytest
import torch

from stn_action.build.model import build_network
from stn_action.build.run import build_step, configured_groups
from stn_action.config.schema import load_config, to_dict, to_yaml
from stn_action.distributed import build_strategy
from stn_action.errors import InputError
from stn_action.training.rate_factors import RateFactor, rate_factors
from tests.tiny import tiny_config

STAGES = "stem", "stage1", "stage2", "stage3"


@pytest.fixture
def network(tiny_data):
    return build_network(tiny_config(tiny_data), 3)


def rates(network, config) -> dict[str, float]:
    """Learning rate of every trained parameter by name."""
    names = {id(p): name for name, p in network.named_parameters()}
    groups = configured_groups(config, network)
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


def test_each_stage_learns_at_a_share_of_the_rate_of_the_one_behind_it(network, tiny_data):
    config = tiny_config(tiny_data, "optim.layer_decay=0.5", "optim.lr=0.8")
    found = rates(network, config)
    assert len(found) == len(list(network.parameters()))
    for stage, rate in zip(STAGES, (0.1, 0.2, 0.4, 0.8), strict=True):
        of_stage = [lr for name, lr in found.items() if name.startswith(f"trunk.{stage}.")]
        assert of_stage == pytest.approx([rate] * 3)
    assert found["classifier.weight"] == pytest.approx(0.8)
    heads = [lr for name, lr in found.items() if "localization" in name]
    assert heads == pytest.approx([0.8e-3] * len(heads))
    groups = configured_groups(config, network)
    assert {(g["name"], g["factor"]) for g in groups if "no decay" not in g["name"]} == {
        ("stem", 0.125), ("stage1", 0.25), ("stage2", 0.5), ("stage3", 1.0),
        ("classifier", 1.0), ("localization", 1.0),
    }  # fmt: skip


def test_the_last_pattern_counts_and_multiplies_decay_and_relative_rate(network, tiny_data):
    config = tiny_config(
        tiny_data, "optim.layer_decay=0.5", "optim.lr=1", "optim.relative_lr=0.01",
        'optim.lr_factors={"trunk.*": 7, "trunk.stage2.*": 3, "*localization*": 10}',
    )  # fmt: skip
    found = rates(network, config)
    assert found["trunk.stage2.0.weight"] == pytest.approx(1.5)
    assert found["trunk.stage1.0.weight"] == pytest.approx(7 / 4)
    assert found["classifier.weight"] == 1
    heads = [lr for name, lr in found.items() if "localization" in name]
    assert heads == pytest.approx([0.1] * len(heads))
    groups = [g for g in configured_groups(config, network) if g["name"] == "localization"]
    assert [(g["gain"], g["factor"]) for g in groups] == [(1000, 10)]


def test_a_step_moves_each_stage_by_its_factor(tiny_data, fresh_state):
    config = tiny_config(
        tiny_data, "optim={name: sgd, lr: 1, momentum: 0, weight_decay: 0, relative_lr: 1e-3}",
        "optim.layer_decay=0.5", 'optim.lr_factors={"classifier.*": 0.25}', "train.epochs=1",
        "optim.schedule=constant", "optim.warmup_epochs=0",
    )  # fmt: skip
    network = build_network(config, 3)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    groups = configured_groups(config, network)
    learner, step = build_step(config, network, groups, 3, build_strategy(cpu=True))
    learner.train()
    loss = learner(torch.randint(256, (2, 3, 4, 32, 32))).logits.square().sum()
    gradients: dict[str, torch.Tensor] = {}
    for name, parameter in network.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda p, name=name: gradients.update({name: p.grad.clone()})
        )
    step(loss, 1)
    for name, factor in {
        "trunk.stem.0.weight": 0.125, "trunk.stage2.1.bias": 0.5, "trunk.stage3.0.weight": 1.0,
        "classifier.weight": 0.25,
    }.items():  # fmt: skip
        moved = before[name] - network.get_parameter(name).detach()
        torch.testing.assert_close(moved, gradients[name] * factor, rtol=1e-2, atol=1e-5)
        assert moved.abs().max() > 1e-3


def test_a_pattern_that_matches_nothing_names_near_parameters(network, tiny_data):
    config = tiny_config(tiny_data, 'optim.lr_factors={"trunk.stage4.*": 2}')
    message = r"lr_factors: 'trunk.stage4.\*' matches no parameter .*near ones: .*trunk.stage"
    with pytest.raises(InputError, match=message):
        configured_groups(config, network)
    network.freeze_until("stage1", torch.zeros(1, 3, 4, 32, 32))
    frozen = tiny_config(tiny_data, 'optim.lr_factors={"trunk.stem.*": 2}')
    with pytest.raises(InputError, match="matches no parameter that is trained"):
        configured_groups(frozen, network)


def test_a_factor_of_0_is_refused_in_favor_of_freezing(network, tiny_data):
    with pytest.raises(InputError, match=r"optim.lr_factors: trunk.stem.\*: .*model.freeze_until"):
        tiny_config(tiny_data, 'optim.lr_factors={"trunk.stem.*": 0}')
    with pytest.raises(InputError, match=r"lr_factors: a must be a number above 0, got 0.*freeze"):
        rate_factors(network, lr_factors={"a": 0})
    with pytest.raises(InputError, match="layer_decay must be a number above 0, got -1"):
        rate_factors(network, layer_decay=-1.0)
    for wrong in ("0", "1.5"):
        with pytest.raises(InputError, match=r"optim\.layer_decay: expected a number"):
            tiny_config(tiny_data, f"optim.layer_decay={wrong}")


def test_factors_are_kept_in_files_and_their_order_too(tiny_data, tmp_path):
    config = tiny_config(tiny_data, 'optim.lr_factors={"trunk.*": 0.5, "classifier.*": 2, "a": 1}')
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    again = load_config(tmp_path / "config.yaml")
    assert to_dict(again) == to_dict(config)
    assert list(again.optim.lr_factors or ()) == ["trunk.*", "classifier.*", "a"]


def test_without_settings_no_parameter_has_a_factor(network):
    assert rate_factors(network) == {}
    assert RateFactor() == ("", 1.0)
