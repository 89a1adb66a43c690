import pytest
import torch
from torch import nn

from stn_action import GradientGuard
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.plug import plug
from stn_action.training.loop import train_one_epoch
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import (
    Clipping,
    HeadWarmup,
    build_optimizer,
    parameter_groups,
    warmup_constant,
)
from stn_action.training.step import OptimizerStep

CLIPS = (2, 3, 4, 32, 32)
EXAMPLE = torch.zeros(1, *CLIPS[1:])


class CutOff(Small3d):
    """A trunk that cuts the gradient off behind stage2."""

    def forward(self, clip):
        x = self.stage2(self.stage1(self.stem(self.motion(clip))))
        return self.stage3(x.detach()).mean((2, 3, 4))


def build(trunk=None, **settings):
    settings = {"at": "stage2", "num_classes": 3, "example": EXAMPLE, "heads": 2, **settings}
    return plug(trunk or Small3d(), **settings)


def steps(model, guard, number=30, *, trained=None, theta=None):
    parameters = model.parameters() if trained is None else trained
    optimizer = torch.optim.SGD(parameters, lr=1e-3)
    lines = []
    for _ in range(number):
        prediction = model(torch.rand(CLIPS), theta=theta)
        prediction.logits.logsumexp(1).sum().backward()
        lines += guard.check(prediction)
        optimizer.step()
        model.zero_grad()
    return lines


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_heads_that_learn_raise_no_warning(glimpse):
    model = build(glimpse=glimpse)
    assert steps(model, GradientGuard(model)) == []


def test_a_trunk_that_cuts_the_gradient_off_is_reported_once_after_the_first_step():
    model = build(CutOff())
    guard = GradientGuard(model)
    (line,) = steps(model, guard, 1)
    assert "4 of 4 localization parameters (placements.0.readout.heads.localization." in line
    assert "without a gradient after a backward pass: theta has one, but the loss does not" in line
    assert steps(model, guard) == []
    pooled = build(CutOff(), glimpse="pooled")
    assert steps(pooled, GradientGuard(pooled)) == []


def test_given_windows_are_reported_but_not_if_the_heads_are_frozen_on_purpose():
    model = build()
    given = [model.heads.base[None, :, None].expand(2, -1, -1, -1, -1)]
    (line,) = steps(model, GradientGuard(model), theta=given)
    assert "theta has none, as it was given, or computed under torch.no_grad()" in line
    model.heads.requires_grad_(False)
    assert steps(model, GradientGuard(model), theta=given) == []
    assert steps(model, GradientGuard(model)) == []


def test_windows_outside_of_the_map_are_reported_when_they_have_no_gradient_for_long():
    model = build(transform="translation", bounded=False)
    with torch.no_grad():
        model.heads.localization.output.weight[:, -1] = 50 / model.gain
    guard = GradientGuard(model, patience=5)
    assert steps(model, guard, 4) == []
    (line,) = steps(model, guard, 3)
    assert "with a gradient of exactly zero for 5 steps: every window is outside of the map" in line


def test_heads_that_the_optimizer_leaves_out_are_reported():
    model = build()
    heads = {id(parameter) for parameter in model.localization_parameters()}
    trained = [parameter for parameter in model.parameters() if id(parameter) not in heads]
    (line,) = steps(model, GradientGuard(model), trained=trained)
    assert "3 of 4 localization parameters" in line
    assert "the last layer of the localization network is at its start" in line


def test_a_map_without_contrast_is_reported():
    trunk = Small3d()
    nn.init.zeros_(trunk.stage2[1].weight)
    model = build(trunk).eval()
    (line,) = steps(model, GradientGuard(model, patience=3), 4, trained=[torch.zeros(1)])
    assert "4 of 4" in line
    assert "moving the windows changes nothing. The map may be constant" in line


@pytest.mark.parametrize("warmup", [0, 20])
@pytest.mark.parametrize(("trunk", "num_lines"), [(Small3d, 0), (CutOff, 1)])
def test_training_warns_after_the_first_step_and_not_of_heads_that_rest(
    clips, strategy, trunk, num_lines, warmup
):
    model = build(trunk())
    groups = parameter_groups(model, lr=0.01, relative_lr=1e-3, weight_decay=0)
    optimizer = build_optimizer("sgd", groups)
    schedule = warmup_constant(optimizer, warmup_steps=0, head_warmup=HeadWarmup(warmup))
    network, optimizer = strategy.prepare(model, optimizer)
    guard = GradientGuard(model)
    step = OptimizerStep(optimizer, schedule, strategy, Clipping(), guard=guard)
    lines = []
    batches = [clips(2)._replace(clip=torch.rand(CLIPS)) for _ in range(25)]
    train_one_epoch(
        network, batches, ClassificationLoss(), step,
        after_step=[lambda record: lines.append(guard.warnings(record.prediction))],
    )  # fmt: skip
    assert len(lines[0]) == num_lines
    assert not any(lines[1:])


def test_a_healthy_run_prints_no_such_warning(tiny_run):
    assert "the heads do not learn" not in tiny_run.printed
