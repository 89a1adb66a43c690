"""Person boxes at the key frames of a list: what samples are cut around, and what is to be found.

Letters: N samples, L actions of all of them together.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class KeyFrameBoxes:
    """The annotated persons of a list, a sample each."""

    names: list[str]
    """N, as of the samples' videos."""
    groups: list[str]
    """N, the films, as of the samples' videos."""
    frame: Tensor
    """(N,) int64, a number of the film's key frame; persons of one frame share it."""
    boxes: Tensor
    """(N, 4) float64 xyxy, shares of the frame's width and height."""
    person: Tensor
    """(L,) int64, the sample that each action is of."""
    action: Tensor
    """(L,) int64, indices of classes."""
    detected: "KeyFrameBoxes | None" = None
    """The boxes of a detector that samples are cut around; None: they are the annotated persons."""
    kind: str = "ground truth boxes"
    """What samples are cut around, in words."""
