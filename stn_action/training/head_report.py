"""The statistics of heads over an epoch: their states, a word for them, what to try."""

from collections.abc import Sequence
from typing import NamedTuple

MOVING, FROZEN, FROZEN_ON_PURPOSE = "moving", "frozen", "frozen on purpose"
CONSTANT, COLLAPSED, ESCAPED = "ignores its input", "collapsed", "escaped"
NOT_FINITE = "not finite"
WORDS = {
    NOT_FINITE: "diverged", ESCAPED: "escaped", COLLAPSED: "collapsed", FROZEN: "frozen",
    CONSTANT: "constant", FROZEN_ON_PURPOSE: "frozen", MOVING: "moving",
}  # fmt: skip
"""State to the word for it in a line about an epoch, the worst first."""


class HeadStatistics(NamedTuple):
    """The statistics of one head over the clips of an epoch."""

    stage: str
    head: int
    spread: float
    """Standard deviation of the window's center, less its base's (of weights, their mean place),
    over the clips of a batch, pooled over batches (so that a drift from step to step is no spread),
    mean over x and y, of a volumetric theta and t; NaN if no batch had two."""
    displacement: float
    """Root mean square of theta - base, 0 without a base; of weights, of half the sum of their
    distances from equal ones. NaN or infinite where these are."""
    in_bounds: float
    """Mean share of the window's (bounding box's) area inside the map; of a volumetric
    theta times the share of its time inside the clip."""
    scale: float
    """Mean of the root of the window's area: its side as a share of the map's; of weights, of
    their `effective_area`."""
    min_scale: float
    """The floor of the scale; 0: there is none."""
    overlap: float
    """Mean IoU with each other head of the same stage, of weights the mass in common; 0 for a
    single head."""
    state: str
    """"moving", "frozen", "frozen on purpose", "ignores its input", "collapsed", "escaped" or "not
    finite"."""


class HeadReport(NamedTuple):
    """The statistics of all heads over an epoch."""

    heads: tuple[HeadStatistics, ...]
    localization_grad_norm: float
    """Mean over steps, before clipping, in effective units; shared by the heads; NaN: no step."""

    @property
    def word(self) -> str:
        """The worst state in a word, "frozen" if it is on purpose too; "none" without heads.

        It has the number of these heads where not all are in this state.
        """
        states = [head.state for head in self.heads]
        for state, word in WORDS.items():
            if number := states.count(state):
                return word if number == len(states) else f"{word} ({number} of {len(states)})"
        return "none"

    def numbers(self) -> dict[str, float]:
        """Return all numbers under flat names such as `heads/layer3.0/spread`, for a log."""
        numbers = {
            f"heads/{head.stage}.{head.head}/{name}": getattr(head, name)
            for head in self.heads
            for name in ("spread", "displacement", "in_bounds", "scale", "overlap")
        }
        if self.heads:
            numbers["heads/localization_grad_norm"] = self.localization_grad_norm
        return numbers

    def states(self) -> dict[str, str]:
        """Return the state of each head under a name such as `heads/layer3.0/state`, for a log."""
        return {f"heads/{head.stage}.{head.head}/state": head.state for head in self.heads}


def warning_line(heads: Sequence[HeadStatistics], since: int) -> str:
    """Return a line about heads of one stage and state, with the numbers of the first one."""
    head, *others = heads
    what, remedy = {
        FROZEN: (
            f"is frozen: spread {head.spread:.2g}, displacement {head.displacement:.2g}",
            "a larger relative_lr or gain, less clipping of the localization gradients, or more "
            "epochs (at its start a head does not move yet)",
        ),
        CONSTANT: (
            f"ignores its input: it moved by {head.displacement:.2g} but its window is the same "
            f"for every clip (spread {head.spread:.2g})",
            "a smaller relative_lr, or a placement at a stage with a larger map",
        ),
        COLLAPSED: (
            f"has collapsed: its mean scale {head.scale:.3g} is at the floor {head.min_scale:.3g}",
            "a smaller relative_lr, stronger clipping of the localization gradients, or a larger "
            "smallest scale",
        ),
        ESCAPED: (
            f"has left the map: only {head.in_bounds:.0%} of its window is inside",
            "a smaller relative_lr, or a bounded transform",
        ),
        NOT_FINITE: (
            "is not finite: its theta holds NaN or infinity, and it will not recover",
            "an earlier checkpoint with a smaller lr or relative_lr, clipping of the gradients, or "
            "float32 in place of half precision",
        ),
    }[head.state]
    like = ", ".join(str(other.head) for other in others)
    like = f" (likewise head{'s' if others[1:] else ''} {like})" if like else ""
    return f"head {head.head} at {head.stage} {what}, since epoch {since}{like}. Try {remedy}."
