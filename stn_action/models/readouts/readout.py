"""The protocol of read-outs: a clip's feature map to K descriptions, and where each looked.

Letters: K descriptions, S thetas or maps of weights of a clip (1, or one for every time step).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stn_action.geometry.cells import Cells
from stn_action.geometry.clip_sampling import fold_time
from stn_action.geometry.sampling import weighted_means
from stn_action.models.float32 import KeptInFloat32
from stn_action.models.prediction import Focus


class Reading(NamedTuple):
    """The descriptions of a batch of maps, and where they were read: theta or weights."""

    descriptions: Tensor
    """(B, K, C, T), of the features' precision, or of autocast's where that is on."""
    theta: Tensor | None
    """(B, K, S, *kind), float32, output to input, normalized on the map; None: weights."""
    weights: Tensor | None
    """(B, K, S, H, W), float32, at least 0, sums of 1 over (H, W); None: theta."""

    @property
    def places(self) -> Tensor:
        """Return theta, or else the weights: what can be given to another clip."""
        places = self.weights if self.theta is None else self.theta
        assert places is not None
        return places


class Readout(KeptInFloat32, ABC):
    """A module from a stage's map to K descriptions for the classifiers.

    What it computes places from stays in float32 in a network of half precision.
    """

    num_descriptions: int
    """K."""

    kind: tuple[int, int] | None = None
    """The last two sizes of theta; None: its readings have weights."""

    learns: bool = False
    """Whether it has parameters that decide where it looks."""

    takes_extents: bool = False
    """Whether what it reads depends on the extents."""

    can_be_given: bool = True
    """Whether places of another clip can replace its own, as shuffling does."""

    gain: float = 1.0
    """The factor by which the localization network's stored weights are multiplied."""

    min_scale: float = 0.0
    """The floor of its windows' scale; 0: there is none."""

    @abstractmethod
    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps.

        Args:
            features: (B, C, T, H, W).
            extents: (B, T', 2, 4), see `geometry.extents`: image and person in each frame.
            given: theta or weights to use in place of its own.
        """

    def checked(self, places: Sequence[Tensor] | None, batch_size: int) -> Tensor | None:
        """Return the places given for a batch, one tensor for this read-out.

        Raises:
            ValueError: there are others, or they are not of this read-out's shape.
        """
        if places is None:
            return None
        last = ("H", "W") if self.kind is None else self.kind
        shapes = [tuple(one.shape) for one in places]
        fits = [
            len(shape) == 5
            and shape[:2] == (batch_size, self.num_descriptions)
            and self.kind in (None, shape[3:])
            for shape in shapes
        ]
        if fits != [True]:
            raise ValueError(
                f"{'theta' if self.kind else 'the weights (given as theta)'} must be a sequence of "
                f"one tensor ({batch_size}, {self.num_descriptions}, S, {last[0]}, {last[1]}), for "
                f"the one placement of heads; got shapes {shapes}"
            )
        return places[0]

    def base_of(self, extents: Tensor | None) -> Tensor | None:
        """Return theta at the start of training; None: it has none.

        Args:
            extents: of the clips, as in `forward`.

        Returns:
            (K, *kind), or (B, K, *kind) where each clip has its own.
        """
        return None

    def evidence(self, features: Tensor) -> Tensor | None:
        """Return what places are learned from, (B, S, C', H, W), of features (B, C, T, H, W).

        Nothing that is trained has a part in it, so that of stored features it is computed once.
        None: nothing is learned.
        """
        return None

    def places_of(self, evidence: Tensor, extents: Tensor | None = None) -> Tensor:
        """Compute theta or weights of `evidence`, as the call does of features.

        Args:
            evidence: (B, S, C', H, W).
            extents: as of the call.
        """
        raise TypeError(f"{type(self).__name__} learns no places")

    def cell_weights(self, places: Tensor, map_hw: tuple[int, int]) -> Tensor | None:
        """Return the weights (B, K, S, H, W) of which the descriptions are weighted means.

        Args:
            places: theta or weights, as in a reading.
            map_hw: (H, W).

        Returns:
            None: the descriptions are no weighted means of the map's cells.
        """
        return None

    def focus(
        self, theta: Tensor | None, weights: Tensor | None, stage: str, cells: Cells,
        extents: Tensor | None = None,
    ) -> Focus:  # fmt: skip
        """Return where it looked, with what drawing that needs.

        Args:
            theta: of a reading.
            weights: of the reading.
            stage: module path of the map's stage.
            cells: positions of the map's cells in the clip.
            extents: of the clips.
        """
        return Focus(
            theta, self.base_of(extents), stage, cells, self.min_scale, weights, self.can_be_given
        )

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are trained at the relative learning rate."""
        return []


def read_weighted(features: Tensor, weights: Tensor) -> Reading:
    """Return the reading of the weighted means of maps, step by step.

    Args:
        features: (B, C, T, H, W).
        weights: (B, K, S, H, W), S = 1 or T.

    Raises:
        ValueError: the weights are of other maps.
    """
    if weights.dim() != 5 or weights.shape[3:] != features.shape[3:]:
        B, _, T, H, W = features.shape
        raise ValueError(
            f"weights must be ({B}, K, S, {H}, {W}) for these features, S = 1 or {T} time steps, "
            f"got {tuple(weights.shape)}"
        )
    maps, of_maps, unfold = fold_time(features, weights)
    return Reading(unfold(weighted_means(maps, of_maps)), None, weights)


def uniform_weights(features: Tensor) -> Tensor:
    """Return equal weights (B, 1, 1, H, W), float32, for maps (B, C, T, H, W)."""
    B, _, _, H, W = features.shape
    return torch.full((B, 1, 1, H, W), 1 / (H * W), device=features.device)
