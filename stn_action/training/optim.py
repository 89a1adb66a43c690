"""Parameter groups, the relative learning rate, the schedule, clipping."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, get_args

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from stn_action.errors import InputError
from stn_action.training.rate_factors import RateFactor
from stn_action.training.training_choices import OptimizerName

OPTIMIZERS = get_args(OptimizerName)
LOCALIZATION_GROUP = "localization"
OTHERS_GROUP = "trunk+classifier"
DEFAULT_GAIN = {"sgd": 300.0, "adamw": 10_000.0}
"""Of the equalized localization network, by optimizer family and never by the ratio: chosen by
measurement (docs/results.md, relative learning rate) so that 1e-3, 1e-4 and 1e-5 all work."""


class NetworkWithHeads(Protocol):
    """The interface of a network with heads, such as `models.network.FocusedNetwork`."""

    @property
    def gain(self) -> float:
        """Factor by which equalized layers of the localization network multiply their weights."""
        ...

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of every localization network; empty without heads."""
        ...

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Return all parameters, as `nn.Module.parameters`."""
        ...


@dataclass(frozen=True)
class Clipping:
    """The largest gradient norms; None does not clip."""

    clip_grad_norm: float | None = None
    """Of everything but the localization networks."""
    clip_localization_norm: float | None = 0.1
    """Of the localization networks, after dividing by the gain."""


class GradientNorms(NamedTuple):
    """Norms of gradients before clipping."""

    others: float
    """Of all parameters that are trained but the localization networks'."""
    localization: float
    """Of the localization networks, in effective units; 0 if they are not trained."""


def parameter_groups(
    network: NetworkWithHeads,
    *,
    lr: float,
    relative_lr: float,
    weight_decay: float,
    factors: Mapping[int, RateFactor] | None = None,
) -> list[dict[str, Any]]:
    """Split the trainable parameters of a network into groups for an optimizer.

    Every parameter with `requires_grad` is in exactly one group, but for the localization
    networks' when `relative_lr` is 0: these are in none, so that the heads stay at their start.
    Vectors (biases, scales of normalization) are not decayed, localization networks neither.

    Args:
        network: the network, not wrapped for several processes.
        lr: learning rate of trunk and classifier.
        relative_lr: learning rate of the localization networks, as a share of `lr`.
        weight_decay: of trunk and classifier.
        factors: of `rate_factors`; they multiply these learning rates.

    Returns:
        Groups with "params", "lr", "weight_decay", a "name" and the "factor" of their learning
        rate. Names are "trunk+classifier" and "localization", the latter with the network's "gain";
        those of the trunk's stages and "classifier", where rates decay by stage; each but
        "localization" also with " (no decay)". Groups of one name differ in their factor; empty
        ones are left out.

    Raises:
        InputError: a rate is negative, or nothing is left to be trained.
    """
    for name, value in {"lr": lr, "relative_lr": relative_lr, "weight_decay": weight_decay}.items():
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} must be a number of at least 0, got {value}")
    localization = [p for p in network.localization_parameters() if p.requires_grad]
    heads = {id(p) for p in network.localization_parameters()}
    others = [p for p in network.parameters() if p.requires_grad and id(p) not in heads]
    matrices, vectors = [p for p in others if p.ndim > 1], [p for p in others if p.ndim <= 1]
    groups = _groups(matrices, lr, weight_decay, factors)
    groups += [
        {**group, "name": f"{group['name']} (no decay)"}
        for group in _groups(vectors, lr, 0.0, factors)
    ]
    if relative_lr > 0:
        groups += [
            {**group, "name": LOCALIZATION_GROUP, "gain": network.gain}
            for group in _groups(localization, lr * relative_lr, 0.0, factors)
        ]
    if not groups:
        raise InputError(
            "no parameter is left to be trained: all are frozen. Unfreeze a stage of the trunk or "
            "the classifier, or give a relative_lr above 0"
        )
    return groups


def effective_relative_lr(optimizer_name: str, relative_lr: float, gain: float) -> float:
    """Return the relative learning rate of the weights as the forward pass uses them.

    An equalized layer uses W = gain * w. Its gradient dL/dw is gain * dL/dW, and a step of w moves
    W by gain times as much: SGD moves W at relative_lr * gain^2. Adam normalizes the gradient:
    relative_lr * gain.

    Raises:
        InputError: an unknown optimizer.
    """
    _check_optimizer(optimizer_name)
    return relative_lr * (gain * gain if optimizer_name == "sgd" else gain)


def build_optimizer(
    name: str, groups: list[dict[str, Any]], *, momentum: float = 0.9, fused: bool = False
) -> torch.optim.Optimizer:
    """Return SGD with momentum (not Nesterov's) or AdamW (default betas) over `parameter_groups`.

    Args:
        name: "sgd" or "adamw".
        groups: of `parameter_groups`.
        momentum: for SGD; AdamW has its own.
        fused: all of AdamW's step in one operation, on the CPU much faster; no fp16.

    Raises:
        InputError: an unknown optimizer.
    """
    _check_optimizer(name)
    if name == "sgd":
        return torch.optim.SGD(groups, momentum=momentum)
    return torch.optim.AdamW(groups, fused=fused or None)


@dataclass(frozen=True)
class HeadWarmup:
    """A warm-up with the heads at their start, while trunk and classifiers learn to use glimpses.

    As the first stage of AdaFocus (Wang et al. 2021, arXiv 2105.03245), in which the
    networks are trained before the policy is. The rate of the localization networks is 0 for so
    many steps, then as the schedule.
    """

    steps: int
    """Optimizer steps."""

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise InputError(f"a head warm-up must have at least 0 steps, got {self.steps}")

    def schedule(
        self, optimizer: torch.optim.Optimizer, factor: Callable[[int], float]
    ) -> LambdaLR:
        """Return the schedule `factor`, held back for the localization group."""

        def held_back(step: int) -> float:
            return factor(step) if step >= self.steps else 0.0

        groups = optimizer.param_groups
        return LambdaLR(
            optimizer,
            [held_back if group.get("name") == LOCALIZATION_GROUP else factor for group in groups],
        )


def warmup_constant(
    optimizer: torch.optim.Optimizer, *, warmup_steps: int, head_warmup: HeadWarmup | None = None
) -> LambdaLR:
    """Return the schedule of a linear warm-up as in `warmup_cosine`, then the full rate forever."""
    head_warmup = head_warmup or HeadWarmup(0)
    return head_warmup.schedule(optimizer, lambda step: min(1.0, (step + 1) / (warmup_steps + 1)))


def warmup_step(
    optimizer: torch.optim.Optimizer,
    *,
    warmup_steps: int,
    milestones: Sequence[int],
    gamma: float = 0.1,
    head_warmup: HeadWarmup | None = None,
) -> LambdaLR:
    """Return the schedule of a linear warm-up as in `warmup_cosine`, then a rate in steps.

    From each of the `milestones` (optimizer steps from 0, in order) on, the rate is `gamma` times
    what it was.
    """

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / (warmup_steps + 1)) * gamma ** bisect_right(milestones, step)

    return (head_warmup or HeadWarmup(0)).schedule(optimizer, factor)


def warmup_cosine(
    optimizer: torch.optim.Optimizer,
    *,
    warmup_steps: int,
    total_steps: int,
    head_warmup: HeadWarmup | None = None,
) -> LambdaLR:
    """Return the schedule of a linear warm-up, then half a cosine down to 0, per optimizer step.

    Step i (from 0) of the warm-up runs at (i + 1) / (warmup_steps + 1) of the rate, the first one
    after it at the full rate, and after `total_steps` the rate is 0. Call it on the bare optimizer
    and step it once per optimizer step, whatever the number of processes.

    Raises:
        InputError: there is no step after the warm-up.
    """
    if not 0 <= warmup_steps < total_steps:
        raise InputError(
            f"warmup_steps must be from 0 to below total_steps ({total_steps}), got {warmup_steps}:"
            " train more epochs or warm up fewer"
        )

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = min((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
        return 0.5 * (1 + math.cos(math.pi * progress))

    return (head_warmup or HeadWarmup(0)).schedule(optimizer, factor)


def clip_gradients(
    groups: Iterable[dict[str, Any]],
    *,
    clip_grad_norm: float | None = None,
    clip_localization_norm: float | None = None,
) -> GradientNorms:
    """Clip the gradients of the localization networks apart from all others, in place.

    The localization networks' norm is measured in effective units: with W = gain * w the stored
    weights' gradient is gain * dL/dW, so it is divided by the gain before it is compared.

    Args:
        groups: `optimizer.param_groups`, of `parameter_groups`; gradients unscaled.
        clip_grad_norm: the largest norm of all other gradients together; None does not clip.
        clip_localization_norm: the largest norm of the localization networks' gradients together,
            in effective units; None does not clip.

    Returns:
        The norms before clipping.
    """
    others, localization, gain = split_groups(groups)
    stored_max_norm = None if clip_localization_norm is None else clip_localization_norm * gain
    return GradientNorms(_clip(others, clip_grad_norm), _clip(localization, stored_max_norm) / gain)


def split_groups(
    groups: Iterable[dict[str, Any]],
) -> tuple[list[nn.Parameter], list[nn.Parameter], float]:
    """Return the parameters of all others, those of localization networks, and their gain."""
    others: list[nn.Parameter] = []
    localization: list[nn.Parameter] = []
    gain = 1.0
    for group in groups:
        if group.get("name") == LOCALIZATION_GROUP:
            localization += group["params"]
            gain = group["gain"]
        else:
            others += group["params"]
    return others, localization, gain


def _clip(parameters: list[nn.Parameter], max_norm: float | None) -> float:
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return float(norm)


def _groups(
    parameters: list[nn.Parameter], lr: float, weight_decay: float,
    factors: Mapping[int, RateFactor] | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a group for each stage and factor, in the order of the parameters."""
    groups: dict[RateFactor, list[nn.Parameter]] = {}
    for parameter in parameters:
        key = (factors or {}).get(id(parameter), RateFactor())
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "name": key.stage or OTHERS_GROUP, "params": own, "lr": lr * key.factor,
            "weight_decay": weight_decay, "factor": key.factor,
        }
        for key, own in groups.items()
    ]  # fmt: skip


def _check_optimizer(name: str) -> None:
    if name not in OPTIMIZERS:
        raise InputError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}")
