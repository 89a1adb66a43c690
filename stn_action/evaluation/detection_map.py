"""Mean average precision of detected actions at single frames, as AVA's evaluation computes it.

Convention:
    - a detection is a box with a score for one action; so a person with several has several
    - per frame and action, detections in the order of falling scores take the true box with which
      they have the largest IoU. It is a hit if that is at least the threshold and the box is not
      taken yet; a detection whose best box is taken is no hit, even if another would fit
    - the average precision of an action is the area below the curve of precision over recall, where
      precision is first made not to fall as recall falls (Pascal VOC 2010)
    - the mean is over the actions that have a true box

Source: AVA (Gu et al. 2018, arXiv 1705.08421) and its published `get_ava_performance.py`, which
takes Pascal VOC's evaluation of the TensorFlow object detection API. Equal scores keep the order
in which they are given; there it depends on the sorting. Its later version counts at most 50
detections of a frame; the results of SlowFast and others are without that limit.

Letters: D detections, G true boxes, C actions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

AVA_IOU = 0.5
"""Threshold of AVA."""


@dataclass(frozen=True, eq=False)
class ActionBoxes:
    """Boxes with an action each, on several frames."""

    frame: Tensor
    """(D,) int64, the frame of each; any numbers."""
    action: Tensor
    """(D,) int64, from 0."""
    boxes: Tensor
    """(D, 4) xyxy; pixels or shares, in one unit for detections and true boxes."""

    def __post_init__(self) -> None:
        count = len(self.frame)
        shapes = tuple(self.frame.shape), tuple(self.action.shape), tuple(self.boxes.shape)
        if shapes != ((count,), (count,), (count, 4)):
            raise ValueError(
                "frame, action and boxes must be (D,), (D,) and (D, 4), got "
                f"{', '.join(map(str, shapes))}"
            )

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, rows: Tensor) -> "ActionBoxes":
        """Return those at `rows`, indices or a mask."""
        return ActionBoxes(self.frame[rows], self.action[rows], self.boxes[rows])


def average_precisions(
    detections: ActionBoxes,
    scores: Tensor,
    truth: ActionBoxes,
    num_actions: int,
    *,
    iou: float = AVA_IOU,
    most_per_frame: int | None = None,
) -> Tensor:
    """Return the average precision of every action, (C,) float64; NaN without a true box.

    Args:
        detections: D boxes, on frames with or without true ones.
        scores: (D,), the larger the surer.
        truth: G boxes.
        num_actions: C.
        iou: threshold of a hit, in (0, 1].
        most_per_frame: detections of a frame, of all actions, those with the highest scores; None:
            all of them.

    Raises:
        ValueError: the shapes do not agree, a score is NaN, or an action is not in [0, C).
    """
    if scores.shape != (len(detections),) or scores.isnan().any():
        raise ValueError(
            f"scores must be ({len(detections)},) numbers, got {tuple(scores.shape)} with "
            f"{int(scores.isnan().sum())} NaN"
        )
    for actions in (detections.action, truth.action):
        if len(actions) and not 0 <= int(actions.min()) <= int(actions.max()) < num_actions:
            raise ValueError(f"actions must be in [0, {num_actions}), got {actions.unique()}")
    order = scores.argsort(descending=True, stable=True)
    detections = detections.select(order)
    if most_per_frame is not None:
        detections = _first_of_frames(detections, most_per_frame)
    hits = matched(detections, truth, iou=iou)
    result = torch.full((num_actions,), torch.nan, dtype=torch.float64)
    for action in truth.action.unique().tolist():
        num_true = int((truth.action == action).sum())
        result[action] = _area(hits[detections.action == action], num_true)
    return result


def mean_average_precision(precisions: Tensor) -> float:
    """Return the mean over the actions that have a true box.

    Args:
        precisions: (C,), of `average_precisions`.

    Raises:
        ValueError: no action has one.
    """
    if precisions.isnan().all():
        raise ValueError("no action has a true box: there is nothing to evaluate")
    return float(precisions.nanmean())


def matched(detections: ActionBoxes, truth: ActionBoxes, *, iou: float = AVA_IOU) -> Tensor:
    """Return which detections are hits, (D,) bool.

    Args:
        detections: in the order of falling scores.
        truth: G boxes.
        iou: threshold of a hit.
    """
    hits = torch.zeros(len(detections), dtype=torch.bool)
    of_truth = _rows_of_pairs(truth, torch.arange(len(truth)))
    for pair, rows in _rows_of_pairs(detections, _with_truth(detections, truth)).items():
        overlaps = box_iou(detections.boxes[rows].double(), truth.boxes[of_truth[pair]].double())
        largest, best = overlaps.max(1)
        taken: set[int] = set()
        for row, overlap, box in zip(rows, largest.tolist(), best.tolist(), strict=True):
            if overlap >= iou and box not in taken:
                taken.add(box)
                hits[row] = True
    return hits


def _first_of_frames(boxes: ActionBoxes, number: int) -> ActionBoxes:
    """Return the first `number` boxes of each frame."""
    by_frame = boxes.frame.argsort(stable=True)
    counts = torch.unique_consecutive(boxes.frame[by_frame], return_counts=True)[1]
    places = torch.cat([torch.arange(count) for count in counts.tolist()] or [counts])
    return boxes.select(by_frame[places < number].sort().values)


def _with_truth(detections: ActionBoxes, truth: ActionBoxes) -> Tensor:
    """Return the rows (.,) of detections on frames that have a true box of their action.

    All others are no hits. Where boxes are detections of every action, these are most.
    """
    frames = torch.cat([detections.frame, truth.frame]).unique(return_inverse=True)[1]
    actions = torch.cat([detections.action, truth.action])
    pairs = frames * (int(actions.max()) + 1) + actions if len(actions) else actions
    number = len(detections)
    return torch.isin(pairs[:number], pairs[number:]).nonzero().flatten()


def _rows_of_pairs(boxes: ActionBoxes, rows: Tensor) -> dict[tuple[int, int], list[int]]:
    """Return those of the rows that are of each frame and action."""
    of_pairs: dict[tuple[int, int], list[int]] = {}
    pairs = zip(boxes.frame[rows].tolist(), boxes.action[rows].tolist(), strict=True)
    for row, pair in zip(rows.tolist(), pairs, strict=True):
        of_pairs.setdefault(pair, []).append(row)
    return of_pairs


def _area(hits: Tensor, num_true: int) -> float:
    """Return the average precision of one action's hits, in the order of falling scores."""
    if not len(hits):
        return 0.0
    precision = hits.cumsum(0).double() / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(0).values.flip(0)
    return float(envelope[hits].sum()) / num_true
