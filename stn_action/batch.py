"""Clips with their targets, one by one and in batches: from data sets to networks.

A clip has one class, several labels, or a class at each of several positions, as the digits of a
number. Scores of positions stand side by side. Letters: h, w size of the clip, P positions, C
classes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

NO_CLASS = "none"
"""Name of the class of a position where nothing stands, as behind the last digit of a number."""
INPUTS = ("clip", "extents")
"""Fields of a batch that every network takes."""
Failure = tuple[int, str]
"""Index of a video that could not be read, and why."""


class Sample(NamedTuple):
    """One clip."""

    clip: Tensor
    """(3, T, h, w) uint8 RGB."""
    target: Tensor
    """() int64, index of the class; (classes,) float32 with several labels; (P,) int64, the class
    at each position."""
    video: int
    """Index of the video in the data set's list."""
    view: int
    """Number of the view among those of its video."""
    frame_indices: Tensor
    """(T,) int64 source frames."""
    boxes: Tensor
    """(T, 4) float32, the inverse map: source pixels of the clip's edges, x0 > x1 if mirrored."""
    extents: Tensor
    """(T, 2, 4) float32, the image and the person's box, as reported to the crop, in normalized
    clip coordinates; see `geometry/extents.py`."""
    source: Tensor | None = None
    """(3, T, h', w') uint8 RGB: the same view at the source's own size, if it was asked for."""


Item = tuple[list[Sample], list[Failure]]


class Batch(NamedTuple):
    """The samples of several items; B may be 0 if none could be read."""

    clip: Tensor
    """(B, 3, T, h, w) uint8 RGB."""
    target: Tensor
    """(B,) int64; (B, classes) float32 with several labels; (B, P) int64 of positions."""
    video: Tensor
    """(B,) int64."""
    view: Tensor
    """(B,) int64."""
    frame_indices: Tensor
    """(B, T) int64."""
    boxes: Tensor
    """(B, T, 4) float32."""
    extents: Tensor
    """(B, T, 2, 4) float32."""
    failures: list[Failure]
    """Videos that could not be read, in the order in which they were tried."""
    sources: list[Tensor] | None = None
    """B times (3, T, h', w') uint8 RGB, each of its own size: see `Sample.source`."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields that are tensors of B clips, by name."""
        return {name: one for name, one in self._asdict().items() if isinstance(one, Tensor)}

    def inputs(self, device: torch.device) -> dict[str, Any]:
        """Return what networks take, on a device: clip, extents and, if there are, sources."""
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in INPUTS}
        if self.sources is not None:
            moved["sources"] = [one.to(device, non_blocking=True) for one in self.sources]
        return moved

    def rows(self, rows: slice) -> "Batch":
        """Return some of the clips, with all failures."""
        parts = {name: one[rows] for name, one in self.tensors().items()}
        sources = None if self.sources is None else self.sources[rows]
        return self._replace(**parts, sources=sources)


def collate(items: Sequence[Item] | Batch) -> Batch:
    """Collate the samples of several items into one batch; without any sample, B and T are 0.

    A batch stays as it is: a data set that reads many items at once may make it itself.
    """
    if isinstance(items, Batch):
        return items
    samples = [sample for item in items for sample in item[0]]
    failures = [failure for item in items for failure in item[1]]
    if not samples:
        none = torch.empty(0, dtype=torch.int64)
        clip = torch.empty((0, 3, 0, 0, 0), dtype=torch.uint8)
        return Batch(
            clip, none, none, none, none.reshape(0, 0), torch.empty(0, 0, 4),
            torch.empty(0, 0, 2, 4), failures,
        )  # fmt: skip
    sources = [sample.source for sample in samples if sample.source is not None]
    return Batch(
        clip=torch.stack([sample.clip for sample in samples]),
        target=torch.stack([sample.target for sample in samples]),
        video=torch.tensor([sample.video for sample in samples]),
        view=torch.tensor([sample.view for sample in samples]),
        frame_indices=torch.stack([sample.frame_indices for sample in samples]),
        boxes=torch.stack([sample.boxes for sample in samples]),
        extents=torch.stack([sample.extents for sample in samples]),
        failures=failures,
        sources=sources or None,
    )


def num_positions(target: Tensor) -> int:
    """Return P of targets as in a `Batch`; 1 unless they are of positions."""
    return target.shape[1] if target.ndim == 2 and not target.is_floating_point() else 1


def by_position(scores: Tensor, positions: int) -> Tensor:
    """Return scores (B, P * C) as (B, P, C)."""
    return scores.unflatten(1, (positions, -1))


def class_probabilities(logits: Tensor, positions: int = 1) -> Tensor:
    """Return the softmax (B, P * C) of logits (B, P * C), of each position apart."""
    return by_position(logits, positions).softmax(2).flatten(1)


def class_text(classes: Sequence[str], labels: Sequence[int]) -> str:
    """Return the classes at all positions as one text; equal texts are of equal classes.

    Args:
        classes: their names.
        labels: the index at each position; a single one gives the name of that class.

    Example:
        >>> class_text(("0", "1", "2", "none"), (2, 0, 1, 3, 3))
        '201'
        >>> class_text(("0", "1", "2", "none"), (2, 3, 1))
        '2_1'
    """
    names = [classes[label] for label in labels]
    if len(names) == 1 or set(names) == {NO_CLASS}:
        return names[0]
    while names[-1] == NO_CLASS:
        names.pop()
    separator = "" if all(len(name) == 1 for name in classes if name != NO_CLASS) else " "
    return separator.join("_" if name == NO_CLASS else name for name in names)
