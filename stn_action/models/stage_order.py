"""The order of a trunk's stages, and which of them each parameter belongs to."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from torch import nn

from stn_action.models.stages import stage_names


def trunk_stages(trunk: nn.Module, stages: Sequence[str] = ()) -> list[str]:
    """Return the module paths of a trunk's stages, in the order of the forward pass.

    Args:
        trunk: clips to features.
        stages: of its `BackboneSpec`; empty: those that its library describes (timm's
            `feature_info`), else its modules of several layers.
    """
    modules = dict(trunk.named_modules())
    for prefix in ("", "network."):  # a trunk whose clips are packed
        if known := [prefix + path for path in stages if prefix + path in modules]:
            return known
    for prefix, module in modules.items():
        if hasattr(module, "feature_info"):
            entries = getattr(module.feature_info, "info", [])
            found = [_described_stage(prefix, entry["module"], modules) for entry in entries]
            if found and None not in found:
                return [path for path in found if path is not None]
    names = stage_names(trunk)
    return [name for name in names if next(modules[name].children(), None) is not None] or names


def stage_of_parameters(trunk: nn.Module, stages: Sequence[str]) -> dict[str, str]:
    """Return the stage of each parameter by name.

    What is in no stage counts to the one behind it (the layers of a stem to the first stage, for
    instance); what is behind the last stage counts to that.

    Args:
        trunk: its modules are declared in the order of the forward pass.
        stages: of `trunk_stages`.
    """
    names = [name for name, _ in trunk.named_parameters()]
    ends = list(accumulate((_end_of_stage(trunk, names, path) for path in stages), max))
    found: dict[str, str] = {}
    for (start, end), path in zip(pairwise([0, *ends]), stages, strict=True):
        found |= dict.fromkeys(names[start:end], path)
    return {name: found.get(name, stages[-1]) for name in names}


def _end_of_stage(trunk: nn.Module, names: list[str], path: str) -> int:
    """Return the number of parameters that are declared up to the end of a stage."""
    modules = [name for name, _ in trunk.named_modules()]
    before = set(modules[: modules.index(path)]) if path in modules else set()
    return max(
        (
            number
            for number, name in enumerate(names, 1)
            if name.startswith(f"{path}.") or name.rpartition(".")[0] in before
        ),
        default=0,
    )


def _described_stage(prefix: str, name: str, modules: Mapping[str, nn.Module]) -> str | None:
    """Return the path of a stage that timm describes; it may be renamed, or one level deeper."""
    tried = (name, name.replace(".", "_"), f"model.{name}")
    paths = [f"{prefix}.{path}" if prefix else path for path in tried]
    return next((path for path in paths if path in modules), None)
