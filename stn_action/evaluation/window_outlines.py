"""The windows of all placements of heads on the clip.

Letters: N clips of T frames, K heads, P points of an outline.
"""

from collections.abc import Sequence

from torch import Tensor

from stn_action.geometry.outlines import clip_outlines, shown_by
from stn_action.models.prediction import Focus


def window_outlines(focus: Sequence[Focus], rows: Tensor | slice) -> list[Tensor]:
    """Return the windows of some clips, of each placement that has windows.

    Those of placements in line are where what they look at is in the clip itself: the windows
    before them are followed back.

    Args:
        focus: of each placement, in the order of their stages.
        rows: (N,) int64, of the clips, or a slice.

    Returns:
        (N, T, K, P, 2) each, normalized on the clip.
    """
    found: list[Tensor] = []
    before: list[tuple[Tensor, Focus]] = []  # windows in line, the first one first
    for one in focus:
        if one.theta is None:
            continue
        theta = one.theta[rows]
        before = before if one.moved else []
        outlines = clip_outlines(theta, one.cells)
        for earlier, placement in reversed(before):
            outlines = shown_by(outlines, earlier, placement.cells)
        before = [*before, (theta, one)]
        found.append(outlines)
    return found
