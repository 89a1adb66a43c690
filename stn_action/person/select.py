"""Selection of the person that a clip is about.

Letters: T frames of a clip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from stn_action.geometry.boxes import box_areas
from stn_action.person.person_choices import Select, WithoutPerson
from stn_action.person.tube import Tube


@dataclass(frozen=True)
class TubeChoice:
    """Choice of the tubes that count, and of the ones that a clip shows."""

    select: Select = "longest"
    """Within the clip: the person seen in most frames (`longest`), with the largest boxes
    (`largest`) or the best detections (`score`); all people together (`union`, for interactions);
    or each person in a sample of their own (`all`)."""
    min_span: int = 1
    """Tubes with fewer frames, from first to last box, are ignored."""
    no_person: WithoutPerson = "frame"
    """Videos without such a tube: use the full `frame`, or `skip` them."""

    def __post_init__(self) -> None:
        if self.select not in get_args(Select):
            raise ValueError(f"select must be one of {get_args(Select)}, got {self.select!r}")
        if self.min_span < 1:
            raise ValueError(f"min_span must be at least 1, got {self.min_span}")

    def kept(self, tubes: Sequence[Tube]) -> tuple[Tube, ...]:
        """Return the tubes that are long enough."""
        return tuple(tube for tube in tubes if tube.span >= self.min_span)


def select_boxes(
    tubes: Sequence[Tube], frame_indices: Tensor, select: Select, smooth_window: int = 1
) -> Tensor:
    """Return the boxes of a clip: of the person that it shows, or around all people in it.

    Only persons seen between the clip's first and last frame count; if there is none, all persons
    of the video count, with their first or last boxes held.

    Args:
        tubes: of one video, at least one.
        frame_indices: (T,) int64 source frames of the clip.
        select: see `TubeChoice.select`; ties go to the first tube. With `all` the caller passes
            the one tube of the sample.
        smooth_window: frames over which boxes are averaged, odd; 1 only fills gaps.

    Returns:
        (T, 4) float32 xyxy, source pixels.

    Raises:
        ValueError: `tubes` is empty.
    """
    if not tubes:
        raise ValueError("tubes must not be empty")
    first, last = int(frame_indices.min()), int(frame_indices.max())
    seen = [tube for tube in tubes if _seen(tube, first, last).any()]
    if select == "union":
        smooth = [tube.smoothed(smooth_window) for tube in seen or tubes]
        return _union(smooth, frame_indices, held=not seen)
    if not seen:
        seen, first, last = list(tubes), 0, max(int(tube.frame_indices[-1]) for tube in tubes)
    values = [_value(tube, first, last, select) for tube in seen]
    return seen[values.index(max(values))].smoothed(smooth_window).boxes_at(frame_indices)


def _seen(tube: Tube, first: int, last: int) -> Tensor:
    """Return (N,) bool: boxes of the tube between two frames, or the last one before a gap."""
    inside = (tube.frame_indices >= first) & (tube.frame_indices <= last)
    if not inside.any() and tube.frame_indices[0] < first and tube.frame_indices[-1] > last:
        inside = tube.frame_indices == tube.frame_indices[tube.frame_indices < first].max()
    return inside


def _value(tube: Tube, first: int, last: int, select: str) -> float:
    inside = _seen(tube, first, last)
    if select == "largest":
        return float(box_areas(tube.boxes[inside]).mean())
    if select == "score":
        return float(tube.scores[inside].mean())
    start, end = max(int(tube.frame_indices[0]), first), min(int(tube.frame_indices[-1]), last)
    return float(end - start)


def _union(tubes: Sequence[Tube], frame_indices: Tensor, *, held: bool) -> Tensor:
    """Return the box around all people present in each frame; if none is, around all of them."""
    boxes = torch.stack([tube.boxes_at(frame_indices) for tube in tubes])  # (people, T, 4)
    present = torch.stack(
        [
            (frame_indices >= tube.frame_indices[0]) & (frame_indices <= tube.frame_indices[-1])
            for tube in tubes
        ]
    )
    present = present | ~present.any(0) | held
    corners = torch.where(present[..., None], boxes[..., :2], torch.inf).amin(0)
    others = torch.where(present[..., None], boxes[..., 2:], -torch.inf).amax(0)
    return torch.cat([corners, others], dim=1)
