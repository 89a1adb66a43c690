"""Factors of single parameters' learning rates: by the stage of the trunk, and by name."""

import difflib
import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from torch import nn

from stn_action.errors import InputError
from stn_action.models.stage_order import stage_of_parameters, trunk_stages

BEHIND = "classifier"
"""In place of a stage: what is not of the trunk."""
NEAR = 4
"""Names of parameters in a message."""


class RateFactor(NamedTuple):
    """The factor of one parameter's learning rate."""

    stage: str = ""
    """Where rates decay by stage: the stage of the trunk, or `BEHIND`; empty: they do not."""

    factor: float = 1.0
    """Of the stage and the name together."""


def rate_factors(
    network: nn.Module,
    *,
    layer_decay: float | None = None,
    lr_factors: Mapping[str, float] | None = None,
    stages: Sequence[str] = (),
) -> dict[int, RateFactor]:
    """Return the factors of the trained parameters' learning rates, where there are any.

    Layer-wise decay is that of ULMFiT (Howard & Ruder 2018) and BEiT (Bao et al. 2022), stage by
    stage in place of layer by layer: the last stage has the factor 1, the one before it
    `layer_decay`, the one before that `layer_decay` squared. What is behind the trunk has 1.

    Args:
        network: with a `trunk`, as `models.network.FocusedNetwork`.
        layer_decay: from one stage to the one before it; None: none.
        lr_factors: pattern of parameter names, as the shell has them, to factor; of those that
            match, the last one counts. None: none.
        stages: module paths in the trunk, in order; empty: found out, see `trunk_stages`.

    Returns:
        By `id` of the parameter.

    Raises:
        InputError: a factor is not above 0, or a pattern matches no trained parameter.
    """
    names = {id(p): name for name, p in network.named_parameters() if p.requires_grad}
    found = {}
    if layer_decay is not None:
        _check_factor("layer_decay", layer_decay)
        found = dict.fromkeys(names, RateFactor(BEHIND))
        found |= _by_stage(network.get_submodule("trunk"), layer_decay, stages)
    for pattern, factor in (lr_factors or {}).items():
        _check_factor(f"lr_factors: {pattern}", factor)
        if not any(fnmatchcase(name, pattern) for name in names.values()):
            raise InputError(_no_match(pattern, list(names.values())))
    for key, name in names.items():
        factors = [
            factor for pattern, factor in (lr_factors or {}).items() if fnmatchcase(name, pattern)
        ]
        if factors:
            stage, by_stage = found.get(key, RateFactor())
            found[key] = RateFactor(stage, by_stage * factors[-1])
    return {key: factor for key, factor in found.items() if key in names}


def _by_stage(trunk: nn.Module, layer_decay: float, stages: Sequence[str]) -> dict[int, RateFactor]:
    ordered = trunk_stages(trunk, stages)
    stage_of = stage_of_parameters(trunk, ordered)
    distance = {path: len(ordered) - 1 - number for number, path in enumerate(ordered)}
    return {
        id(parameter): RateFactor(stage_of[name], layer_decay ** distance[stage_of[name]])
        for name, parameter in trunk.named_parameters()
    }


def _check_factor(name: str, factor: float) -> None:
    if not (math.isfinite(factor) and factor > 0):
        raise InputError(
            f"{name} must be a number above 0, got {factor}; to keep stages of the trunk as they "
            "are, freeze them (model.freeze_until)"
        )


def _no_match(pattern: str, names: list[str]) -> str:
    near = difflib.get_close_matches(pattern.replace("*", ""), names, n=NEAR, cutoff=0.3)
    shown = ", ".join(near or names[:NEAR])
    return f"optim.lr_factors: {pattern!r} matches no parameter that is trained; near ones: {shown}"
