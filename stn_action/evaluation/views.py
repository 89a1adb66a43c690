"""Predictions of a network for every view of every video. R views, C classes, P positions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.batch import Batch, class_probabilities, num_positions
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.models.folded_calls import FoldedCalls
from stn_action.models.prediction import Focus, Prediction, join_focus

ThetaSource = Mapping[tuple[int, int], tuple[Tensor, ...]]
"""(video, view) -> theta (K, S, *kind), or weights (K, S, H, W), of each placement."""
Rows = tuple[dict[str, Tensor], tuple[Focus, ...]]
FOCUS_FIELDS = ("frame_indices", "boxes")


@dataclass(frozen=True)
class ViewPredictions:
    """The predictions for every view, in the order of (video, view); on the CPU."""

    video: Tensor
    """(R,) int64."""
    view: Tensor
    """(R,) int64."""
    target: Tensor
    """(R,) int64; (R, C) float32 with several labels; (R, P) int64 of positions."""
    probabilities: Tensor
    """(R, C) float32, softmax; with several labels sigmoid; (R, P * C), a softmax for each
    position."""
    failures: list[tuple[int, str]]
    """The videos that could not be read, and why."""
    focus: tuple[Focus, ...] = ()
    """Of each placement, theta (R, K, S, *kind) or weights; empty when it was not asked for."""
    frame_indices: Tensor | None = None
    """(R, T) int64 with `focus`: the frames of the video that made the view."""
    boxes: Tensor | None = None
    """(R, T, 4) with `focus`: the view's edges in the source, in pixels."""


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Iterable[Batch],
    strategy: Strategy,
    *,
    collect_focus: bool = False,
    theta_source: ThetaSource | None = None,
    views_at_once: int | None = None,
) -> ViewPredictions:
    """Predict every view, on every process its share, and gather the predictions on each.

    Args:
        network: prepared or placed by the strategy.
        batches: of all views, this process's share; a batch may be empty. A view given twice
            counts once.
        strategy: of the run.
        collect_focus: also return theta or weights, frame indices and boxes of every view.
        theta_source: theta or weights for every (video, view) in place of the heads' own, such
            as `shuffled_theta` makes.
        views_at_once: the most views in a forward pass; a larger batch is split.

    Raises:
        InputError: there is no view at all, or the network's output is not finite.
    """
    network.eval()
    strategy.share_buffers(network)
    calls = FoldedCalls(network)
    rows: list[Rows] = []
    failures: list[tuple[int, str]] = []
    for batch in batches:
        failures += batch.failures
        for part in _parts(batch, views_at_once):
            prediction = _predict(calls, part, theta_source, strategy)
            rows.append(_rows(part, prediction, collect_focus))
    rows, failures = strategy.gather(rows), sorted(set(strategy.gather(failures)))
    if not rows:
        reason = f"; the first: {failures[0][1]}" if failures else ""
        raise InputError(f"no video could be evaluated, {len(failures)} failed{reason}")
    return _in_order(rows, failures)


def shuffled_theta(
    predictions: ViewPredictions, generator: torch.Generator | None = None
) -> ThetaSource:
    """Return for each view the theta or weights of the same view of another video, for `evaluate`.

    The videos are put in a random circle and each takes those of the next: no video keeps its own.
    Where the other video lacks the view, its first view is used.

    Args:
        predictions: of `evaluate` with `collect_focus`.
        generator: of the order; the same seed on every process.

    Raises:
        ValueError: there is no theta, or only one video, or the read-out takes none of others.
    """
    if not predictions.focus:
        raise ValueError(
            "predictions must hold theta: evaluate a network with heads, with collect_focus=True"
        )
    if not all(focus.can_be_given for focus in predictions.focus):
        raise ValueError(
            "the read-out takes no weights of other videos (as 'max'): nothing can be shuffled"
        )
    rows = {
        (video, view): row
        for row, (video, view) in enumerate(
            zip(predictions.video.tolist(), predictions.view.tolist(), strict=True)
        )
    }
    videos = predictions.video.unique()
    if len(videos) < 2:
        raise ValueError(f"at least two videos are needed to shuffle theta, got {len(videos)}")
    circle = videos[torch.randperm(len(videos), generator=generator)].tolist()
    giver = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    first_view = dict(sorted(rows, reverse=True))  # the lowest view comes last and stays
    source = {}
    for video, view in rows:
        other = giver[video]
        row = rows.get((other, view), rows[other, first_view[other]])
        source[video, view] = tuple(focus.places[row] for focus in predictions.focus)
    return source


def _parts(batch: Batch, size: int | None) -> Iterator[Batch]:
    """Yield the batch in parts of at most `size` views; none of an empty batch."""
    num_views = len(batch.clip)
    for start in range(0, num_views, size or max(num_views, 1)):
        yield batch.rows(slice(start, start + (size or num_views)))


def _predict(
    calls: FoldedCalls,
    batch: Batch,
    theta_source: ThetaSource | None,
    strategy: Strategy,
) -> Prediction:
    theta = None
    if theta_source is not None:
        views = zip(batch.video.tolist(), batch.view.tolist(), strict=True)
        placements = zip(*(theta_source[view] for view in views), strict=True)
        theta = tuple(torch.stack(rows).to(strategy.device) for rows in placements)
    prediction = calls(**batch.inputs(strategy.device), theta=theta)
    finite = prediction.logits.isfinite().all(1).cpu()
    if not finite.all():
        raise InputError(
            f"the network's output is not finite for video {int(batch.video.cpu()[~finite][0])}: "
            "its training diverged, or the clip does not suit it. Use another checkpoint, or "
            "precision=float32"
        )
    return prediction


def _rows(batch: Batch, prediction: Prediction, collect_focus: bool) -> Rows:
    columns = {
        "video": batch.video,
        "view": batch.view,
        "target": batch.target,
        "probabilities": _probabilities(prediction.logits.float(), batch.target),
    }
    if collect_focus:
        columns |= {name: getattr(batch, name) for name in FOCUS_FIELDS}
    focus = prediction.focus if collect_focus else ()
    return (
        {name: column.cpu() for name, column in columns.items()},
        tuple(one.cpu() for one in focus),
    )


def _probabilities(logits: Tensor, target: Tensor) -> Tensor:
    """Return probabilities for the kind of target: a class, several labels, or positions."""
    if target.is_floating_point():
        return logits.sigmoid()
    return class_probabilities(logits, num_positions(target))


def _in_order(rows: list[Rows], failures: list[tuple[int, str]]) -> ViewPredictions:
    """Join the batches, sorted by (video, view), each view once."""
    columns = {name: torch.cat([row[0][name] for row in rows]) for name in rows[0][0]}
    place = {
        key: row
        for row, key in enumerate(
            zip(columns["video"].tolist(), columns["view"].tolist(), strict=True)
        )
    }
    order = torch.tensor([place[key] for key in sorted(place)])
    placements = zip(*(row[1] for row in rows), strict=True)
    focus = tuple(join_focus(same).of_clips(order) for same in placements)
    ordered = {name: column[order] for name, column in columns.items()}
    return ViewPredictions(**ordered, failures=failures, focus=focus)
