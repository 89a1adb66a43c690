"""Monitor of the heads: whether they move, the numbers that are always logged, the warnings.

S is the number of windows a head has per clip: 1, or one per time step of its feature map; D the
axes of a window's center: 2, of a volumetric theta 3.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from stn_action.models.prediction import Focus
from stn_action.training.head_report import (
    COLLAPSED,
    CONSTANT,
    ESCAPED,
    FROZEN,
    FROZEN_ON_PURPOSE,
    MOVING,
    NOT_FINITE,
    HeadReport,
    HeadStatistics,
    warning_line,
)
from stn_action.training.head_sums import focus_sums
from stn_action.training.step import StepRecord

BATCHES_AT_ONCE = 32
"""Batches whose windows wait to be summed together: the statistics are read once in an epoch."""
CELLS_AT_ONCE = 2**18
"""Weights of attention, one for each cell, that wait at most."""


@dataclass(frozen=True)
class HeadThresholds:
    """Thresholds of a defective head. Lengths are in [-1, 1] units of the head's map."""

    spread: float = 0.01
    """Below: the window is the same for every clip (0.07 cells of a map of 14)."""
    displacement: float = 0.01
    """Below: theta is where it started."""
    floor_margin: float = 0.05
    """A mean scale below (1 + this) x the smallest scale has collapsed."""
    in_bounds: float = 0.5
    """Below: the window has left the map."""


class HeadMonitor:
    """Statistics of the heads over an epoch, and warnings about defective ones.

    An `after_step` object of `train_one_epoch`.
    """

    def __init__(
        self,
        *,
        frozen_on_purpose: bool = False,
        thresholds: HeadThresholds | None = None,
        reduce: Callable[[Tensor], Tensor] | None = None,
        further: Callable[[], Sequence[Focus]] = tuple,
    ) -> None:
        """Start without statistics.

        Args:
            frozen_on_purpose: where to look is not trained (relative_lr 0, or a read-out that
                does not learn it): report, and warn only where theta is not finite.
            thresholds: where a head counts as defective.
            reduce: returns the sum of a tensor over all processes (`Strategy.sum`); then every
                process adds its share of every batch. None: this process alone.
            further: returns placements of a batch that its prediction does not hold, those of a
                trunk's own transformers (`TransformerThetas`).
        """
        self._further = further
        self._reduce = reduce
        self.frozen_on_purpose = frozen_on_purpose
        self.thresholds = thresholds or HeadThresholds()
        self._since: dict[str, tuple[str, int]] = {}
        self.reset()

    def __call__(self, record: StepRecord) -> None:
        """Add a batch. Collective if the sums are."""
        self.update(
            [*record.prediction.focus, *self._further()],
            localization_grad_norm=record.localization_grad_norm,
            counted=record.num_clips > 0,
        )

    def reset(self) -> None:
        """Drop the statistics at the start of an epoch; keep the epochs in which states began."""
        self._sums: dict[str, Tensor] = {}
        self._waiting: dict[str, list[tuple[Focus, bool]]] = {}
        self._min_scales: dict[str, float] = {}
        self._grad_norms: list[float] = []

    def update(
        self,
        focus: Iterable[Focus],
        *,
        localization_grad_norm: float | None = None,
        counted: bool = True,
    ) -> None:
        """Add a batch.

        Args:
            focus: of one prediction, one for each placement.
            localization_grad_norm: of the step this batch ends, in effective units; None: no step.
            counted: False: the clips stand in for none; those of other processes are added.
        """
        for placement in focus:
            self._min_scales[placement.stage] = placement.min_scale
            waiting = self._waiting.setdefault(placement.stage, [])
            waiting.append((_detached(placement), counted))
            at_once = min(BATCHES_AT_ONCE, CELLS_AT_ONCE // max(1, placement.places.numel()))
            # Processes that wait for each other do so at each batch.
            if self._reduce or len(waiting) >= at_once:
                self._add_waiting(placement.stage)
        if localization_grad_norm is not None:
            self._grad_norms.append(localization_grad_norm)

    def compute(self) -> HeadReport:
        """Return the statistics since `reset`."""
        self._add_all()
        heads = []
        for stage, sums in self._sums.items():
            rows = enumerate(sums.tolist())
            heads += [self._statistics(stage, head, row) for head, row in rows]
        norms = self._grad_norms
        return HeadReport(tuple(heads), sum(norms) / len(norms) if norms else math.nan)

    def warnings(
        self, report: HeadReport, *, epoch: int, patience: int = 0, repeat: bool = True
    ) -> list[str]:
        """Return a line for each kind of defective heads: what is wrong, since when, what to try.

        Args:
            report: of `compute`, once per epoch.
            epoch: the epoch that ended.
            patience: epochs that a head may be defective without a warning: a head that has just
                started has not moved yet, and one that learns may pass through a bad state. A
                head that is not finite is reported at once.
            repeat: False: only about heads that were not in a line about this state before.
        """
        found: dict[tuple[str, str, int], list[HeadStatistics]] = {}
        for head in report.heads:
            key = f"{head.stage}.{head.head}"
            state, since = self._since.get(key, (head.state, epoch))
            since = since if state == head.state else epoch
            self._since[key] = head.state, since
            allowed = 0 if head.state == NOT_FINITE else patience
            due = epoch - since >= allowed if repeat else epoch - since == allowed
            if head.state not in (MOVING, FROZEN_ON_PURPOSE) and due:
                found.setdefault((head.stage, head.state, since), []).append(head)
        return [warning_line(heads, since) for (_, _, since), heads in found.items()]

    def state_dict(self) -> dict[str, Any]:
        """Return plain types for a checkpoint: statistics so far, and when states began."""
        self._add_all()
        return {
            "since": {key: [state, epoch] for key, (state, epoch) in self._since.items()},
            "sums": {stage: sums.cpu() for stage, sums in self._sums.items()},
            "min_scales": dict(self._min_scales),
            "grad_norms": list(self._grad_norms),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        since = state["since"].items()
        self._since = {key: (str(name), int(epoch)) for key, (name, epoch) in since}
        self._sums, self._waiting = dict(state["sums"]), {}
        self._min_scales = dict(state["min_scales"])
        self._grad_norms = list(state["grad_norms"])

    def _add_all(self) -> None:
        for stage in list(self._waiting):
            self._add_waiting(stage)

    def _add_waiting(self, stage: str) -> None:
        """Add the batches of a stage that wait to its sums. Collective if the sums are."""
        waiting = self._waiting.pop(stage)
        sums = focus_sums([placement for placement, _ in waiting])  # (N, K, 5 + 2 D)
        for batch, (_, counted) in enumerate(waiting):
            if not counted:
                sums[batch] = 0
        sums = _batch_sums(self._reduce(sums) if self._reduce else sums)
        before = self._sums.get(stage, torch.zeros_like(sums[0]))
        # One batch after the other, so that rounding is the same wherever a run was interrupted.
        # After a resumption the sums are on the CPU.
        self._sums[stage] = reduce(torch.add, sums, before.to(sums.device))

    def _statistics(self, stage: str, head: int, sums: list[float]) -> HeadStatistics:
        count, freedom, displacement, in_bounds, scale, overlap, *deviations = sums
        spread = math.nan
        if freedom:
            spread = sum(math.sqrt(axis / freedom) for axis in deviations) / len(deviations)
        statistics = HeadStatistics(
            stage=stage,
            head=head,
            spread=spread,
            displacement=math.sqrt(displacement / count),
            in_bounds=in_bounds / count,
            scale=scale / count,
            min_scale=self._min_scales[stage],
            overlap=overlap / count,
            state=MOVING,
        )
        return statistics._replace(state=self._state(statistics))

    def _state(self, head: HeadStatistics) -> str:
        limits = self.thresholds
        if not math.isfinite(head.displacement):
            return NOT_FINITE
        if self.frozen_on_purpose:
            return FROZEN_ON_PURPOSE
        if not head.spread >= limits.spread and head.displacement < limits.displacement:
            return FROZEN
        if not head.in_bounds >= limits.in_bounds:
            return ESCAPED
        if head.min_scale and head.scale < head.min_scale * (1 + limits.floor_margin):
            return COLLAPSED
        if head.spread < limits.spread:
            return CONSTANT
        return MOVING


def _detached(focus: Focus) -> Focus:
    """Return the part of a placement that `focus_sums` reads, without gradients."""
    if focus.theta is None:
        return replace(focus, weights=focus.places.detach())
    return replace(focus, theta=focus.theta.detach())


def _batch_sums(sums: Tensor) -> Tensor:
    """Return sums (N, K, 6 + D) for `_statistics`, of those over the clips of each batch."""
    count, others, moments = sums[..., :1], sums[..., 1:5], sums[..., 5:]
    total, squares = moments.chunk(2, dim=-1)
    deviations = (squares - total.square() / count).clamp_min(0)
    return torch.cat([count, count - 1, others, deviations], dim=-1)
