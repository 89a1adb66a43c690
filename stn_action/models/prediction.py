"""The output of a network for a batch of clips: logits and the windows of its heads.

Letters: K heads, S thetas of a clip (1, or one for every time step of the map).
"""

from dataclasses import dataclass

from torch import Tensor

from stn_action.geometry.cells import Cells


@dataclass(frozen=True)
class Focus:
    """The windows of one placement of heads, with everything that drawing them needs."""

    theta: Tensor
    """(B, K, S, *kind) float32, output to input, normalized on the stage's map; see
    `geometry.theta` for the kinds."""

    base: Tensor
    """(K, *kind): theta at the start of training; (B, K, *kind) where each clip has its own."""

    stage: str
    """Module path of the stage in the trunk."""

    cells: Cells
    """Positions of the map's cells in the clip."""

    min_scale: float = 0.0
    """The floor of the windows' scale; 0 if the family has none."""


@dataclass(frozen=True)
class Prediction:
    """The logits of a batch of clips, and the windows of the heads."""

    logits: Tensor
    """(B, num_classes)."""

    focus: tuple[Focus, ...]
    """One for every placement of heads; empty without heads."""

    branch_logits: Tensor | None
    """(B, K + 1, num_classes): of the auxiliary classifiers, global branch first."""

    random_logits: Tensor | None = None
    """(B, num_classes): of a random window; only in training with `random_windows`."""
