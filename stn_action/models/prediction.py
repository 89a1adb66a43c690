"""What a network returns for a batch of clips: logits, and where its heads looked.

Letters: K heads, S thetas of a clip (1, or one for every time step of the map).
"""

from dataclasses import dataclass

from torch import Tensor

from stn_action.geometry.cells import Cells


@dataclass(frozen=True)
class Focus:
    """Where the heads of one placement looked, with what is needed to draw it."""

    theta: Tensor
    """(B, K, S, *kind) float32, output to input, normalized on the stage's map; see
    `geometry.theta` for the kinds."""

    base: Tensor
    """(K, *kind): where theta started."""

    stage: str
    """Module path of the stage in the trunk."""

    cells: Cells
    """Where the map lies in the clip."""

    min_scale: float = 0.0
    """The floor of the windows' scale; 0 where the family has none."""


@dataclass(frozen=True)
class Prediction:
    """What the network says about a batch of clips, and where it looked."""

    logits: Tensor
    """(B, num_classes)."""

    focus: tuple[Focus, ...]
    """One for every placement of heads; empty without heads."""

    branch_logits: Tensor | None
    """(B, K + 1, num_classes): the auxiliary classifiers', global branch first."""

    random_logits: Tensor | None = None
    """(B, num_classes): what a window at a random place shows; in training, where asked for."""
