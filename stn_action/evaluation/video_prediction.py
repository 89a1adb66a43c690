"""Predictions of videos, with the windows of the heads.

Letters: V views of a video, T frames of a view, C classes (at all positions together), K heads, P
points of an outline.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.batch import class_text
from stn_action.evaluation.window_outlines import window_outlines
from stn_action.geometry.heat_maps import HeatMaps, focus_heat, stack_maps
from stn_action.geometry.outlines import clip_to_source, join_heads
from stn_action.models.prediction import Focus


@dataclass(frozen=True, eq=False)
class VideoPrediction:
    """The prediction of a network for one video, with the windows of its heads; on the CPU."""

    name: str
    """Of the video."""
    classes: tuple[str, ...]
    """Names of the classes, C of them where there is one position."""
    probabilities: Tensor
    """(C,) float32, the mean over the views; those of several positions stand side by side. They
    add up to 1 (at each position), unless a video may have several labels."""
    view_probabilities: Tensor
    """(V, C) float32."""
    frame_indices: Tensor
    """(V, T) int64, the frames of the video that each view shows."""
    boxes: Tensor
    """(V, T, 4) float32 xyxy, what each view shows of these frames: source pixels of its edges."""
    focus: tuple[Focus, ...]
    """Of each placement of heads; theta is (V, K, S, *kind), weights are (V, K, S, H, W)."""
    person_found: bool
    """Whether the views are crops of a person; False: of the whole frame."""
    positions: int = 1
    """Classifications of the video; of several, as the digits of a number, `label` is their
    text."""

    @property
    def label(self) -> str:
        """The most probable class; of several positions those of all, see `class_text`."""
        return class_text(self.classes, self._by_position().argmax(1).tolist())

    def top(self, number: int) -> list[tuple[str, float]]:
        """Return the most probable classes and their probabilities, the highest first.

        Of several positions the most probable texts; their probability is the product.
        """
        best: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
        for row in self._by_position():  # the start of one of the best is one of the best starts
            values, labels = row.topk(min(number, len(self.classes)))
            pairs = list(zip(labels.tolist(), values.tolist(), strict=True))
            longer = [((*start, label), p * value) for start, p in best for label, value in pairs]
            best = sorted(longer, key=lambda pair: -pair[1])[:number]
        return [(class_text(self.classes, labels), p) for labels, p in best]

    def _by_position(self) -> Tensor:
        return self.probabilities.reshape(self.positions, -1)

    def outlines(self) -> Tensor:
        """Return the heads' windows in source pixels: (V, T, K, P, 2), K = 0 without windows."""
        num_views, num_frames = self.frame_indices.shape
        windows = window_outlines(self.focus, slice(None))
        if not windows:
            return torch.zeros(num_views, num_frames, 0, 4, 2)
        return clip_to_source(join_heads(windows), self.boxes[:, :, None, None])

    def heat_maps(self) -> tuple[HeatMaps, ...]:
        """Return the weights (V, T, K, H, W) of each read-out that has these instead of windows.

        Their edges are in source pixels.
        """
        return tuple(
            stack_maps(
                [
                    focus_heat(one.weights[view], one.cells, boxes)
                    for view, boxes in enumerate(self.boxes)
                ]
            )
            for one in self.focus
            if one.weights is not None
        )


@dataclass(frozen=True)
class FailedPrediction:
    """A video that cannot be read, in place of its prediction."""

    name: str
    """Of the video."""
    failure: str
    """Why it cannot be read."""
