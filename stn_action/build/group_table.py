"""The table of what is trained at which rates, printed and stored at the start of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stn_action.build.aligned_table import aligned_table
from stn_action.config.schema import Config
from stn_action.models.network import FocusedNetwork
from stn_action.training.optim import LOCALIZATION_GROUP, effective_relative_lr


@dataclass(frozen=True)
class GroupRow:
    """A group of parameters, or those that are not trained."""

    name: str
    parameters: int
    """Numbers in its tensors."""
    lr: float | None = None
    """Learning rate after warm-up; None: not trained."""
    weight_decay: float | None = None
    note: str = ""


def group_rows(config: Config, network: FocusedNetwork, groups: list[dict]) -> list[GroupRow]:
    """Return a row for each parameter group, and for what is frozen.

    Args:
        config: the experiment.
        network: the complete one.
        groups: of `parameter_groups`.
    """
    rows = [_row(config, network, group) for group in groups]
    frozen = sum(p.numel() for p in network.parameters() if not p.requires_grad)
    if frozen:
        rows.append(GroupRow("frozen", frozen))
    still = sum(p.numel() for p in network.localization_parameters() if p.requires_grad)
    if still and config.optim.relative_lr == 0:
        rows.append(GroupRow("localization", still, note="kept at their start"))
    return rows


def group_table(rows: Sequence[GroupRow]) -> list[str]:
    """Return the lines of an aligned table."""
    shown = [
        (
            row.name, f"{row.parameters:,}",
            *("-" if one is None else f"{one:.3g}" for one in (row.lr, row.weight_decay)),
            row.note,
        )
        for row in rows
    ]  # fmt: skip
    head = ("group", "parameters", "lr", "weight decay", "")
    return aligned_table(head, shown, left=("group", ""))


def _row(config: Config, network: FocusedNetwork, group: dict[str, Any]) -> GroupRow:
    factor = group.get("factor", 1.0)
    notes = [f"x {factor:.3g}"] if factor != 1 else []
    if group["name"] == LOCALIZATION_GROUP:
        nominal = config.optim.relative_lr * factor
        effective = effective_relative_lr(config.optim.name, nominal, network.gain)
        notes.append(
            f"relative: nominal {nominal:.3g}, effective {effective:.3g} "
            f"({config.optim.name}, gain {network.gain:g})"
        )
    return GroupRow(
        group["name"],
        sum(parameter.numel() for parameter in group["params"]),
        group.get("initial_lr", group["lr"]),  # a schedule has scaled "lr" already
        group["weight_decay"],
        ", ".join(notes),
    )
