"""The output of a network for a batch of clips: logits, and where it looked.

Letters: K heads (or other descriptions), S thetas or maps of weights of a clip (1, or one for every
time step of the map).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from stn_action.geometry.cells import Cells


@dataclass(frozen=True)
class Focus:
    """Where one read-out looked, as theta or as weights, with everything that drawing needs."""

    theta: Tensor | None
    """(B, K, S, *kind) float32, output to input, normalized on the stage's map; see
    `geometry.theta` for the kinds. None: it has weights."""

    base: Tensor | None
    """(K, *kind): theta at the start of training; (B, K, *kind) where each clip has its own; None:
    there is none."""

    stage: str
    """Module path of the stage in the trunk; with the number of the map, as `blocks.4[1]`, where
    several of a stage's maps are read."""

    cells: Cells
    """Positions of the map's cells in the clip."""

    min_scale: float = 0.0
    """The floor of the windows' scale; 0 if the family has none."""

    weights: Tensor | None = None
    """(B, K, S, H, W) float32, of each cell of the map; sums of 1 over (H, W). None: it has
    theta."""

    can_be_given: bool = True
    """Whether the network takes theta or weights of another clip in place of these."""

    moved: bool = False
    """Whether the map was computed of what the windows of the placement before it show, in line.
    The clip that `cells` are positions in is then the one that those windows have moved."""

    def __post_init__(self) -> None:
        if (self.theta is None) == (self.weights is None):
            raise ValueError("a focus has either theta or weights")

    @property
    def places(self) -> Tensor:
        """Return theta, or else the weights."""
        places = self.weights if self.theta is None else self.theta
        assert places is not None
        return places

    @property
    def windows(self) -> Tensor:
        """Return theta.

        Raises:
            ValueError: there are weights in its place.
        """
        if self.theta is None:
            raise ValueError(
                "this needs the theta of windows, but the read-out has weights of cells: see "
                "`Focus.weights`"
            )
        return self.theta

    @property
    def has_base_of_clips(self) -> bool:
        """Return whether each clip has a base of its own."""
        return self.base is not None and self.base.dim() == _DIM_OF_EACH

    def with_places(self, places: Tensor) -> "Focus":
        """Return the same focus with another theta, or other weights where it has these."""
        if self.theta is None:
            return replace(self, weights=places)
        return replace(self, theta=places)

    def cpu(self) -> "Focus":
        """Return it on the CPU."""
        base = None if self.base is None else self.base.cpu()
        return replace(self.with_places(self.places.cpu()), base=base)

    def of_clips(self, clips: Tensor) -> "Focus":
        """Return the focus of some clips, by their positions in the batch (N,)."""
        found = self.with_places(self.places[clips])
        if self.base is None or not self.has_base_of_clips:
            return found
        return replace(found, base=self.base[clips])


def join_focus(parts: Sequence[Focus]) -> Focus:
    """Concatenate the focus of one read-out over several batches."""
    bases = [part.base for part in parts if part.base is not None]
    joined = parts[0].with_places(torch.cat([part.places for part in parts]))
    return replace(joined, base=torch.cat(bases)) if joined.has_base_of_clips else joined


_DIM_OF_EACH = 4
"""Dimensions of a base (B, K, *kind): each clip has its own."""


@dataclass(frozen=True)
class Prediction:
    """The logits of a batch of clips, and where the read-out looked."""

    logits: Tensor
    """(B, num_classes)."""

    focus: tuple[Focus, ...]
    """One for every placement of a read-out, in the order of their stages; empty without heads."""

    branch_logits: Tensor | None
    """(B, K + 1, num_classes): of the auxiliary classifiers, global branch first."""

    random_logits: Tensor | None = None
    """(B, num_classes): of a random window; only in training with `random_windows`."""


_TENSORS: dict[type, tuple[str, ...]] = {
    Focus: ("theta", "base", "weights"),
    Prediction: ("logits", "focus", "branch_logits", "random_logits"),
}
"""Fields whose tensors are the leaves of a tree; the other fields are its structure."""


def _flattened(value: Any) -> tuple[list[Any], tuple[type, dict[str, Any], tuple[str, ...]]]:
    kind = type(value)
    content = {field.name: getattr(value, field.name) for field in fields(kind)}
    names = tuple(name for name in _TENSORS[kind] if content[name] is not None)
    rest = {name: item for name, item in content.items() if name not in names}
    return [content[name] for name in names], (kind, rest, names)


def _unflattened(
    leaves: Iterable[Any], context: tuple[type, dict[str, Any], tuple[str, ...]]
) -> Any:
    kind, rest, names = context
    value = object.__new__(kind)  # a leaf can be anything, so that nothing is checked
    for name, item in [*zip(names, leaves, strict=True), *rest.items()]:
        object.__setattr__(value, name, item)
    return value


for _kind in _TENSORS:  # for torch.func, torch.export and tree_map
    pytree.register_pytree_node(
        _kind, _flattened, _unflattened, serialized_type_name=f"stn_action.{_kind.__name__}"
    )
