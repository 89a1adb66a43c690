"""Any video trunk with heads plugged in: clips to predictions.

Letters: K heads, D features at the trunk's end.
"""

import copy
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.focus import Cells, Focus, FocusHeads
from stn_action.models.stages import (
    cut,
    evaluating,
    features_at,
    modules_before,
    stage,
    trace_cells,
    with_time,
    without_time,
)


@dataclass(frozen=True)
class Prediction:
    """What the network says about a batch of clips, and where it looked."""

    logits: Tensor
    """(B, num_classes)."""

    focus: tuple[Focus, ...]
    """One for every placement of heads; empty without heads."""

    branch_logits: Tensor | None
    """(B, K + 1, num_classes): the auxiliary classifiers', global branch first."""


class FocusedNetwork(nn.Module):
    """A trunk, heads on one of its stages, and classifiers on the global view and the glimpses.

    One mechanism for every trunk: while it runs, a hook at the stage catches the map U. With a
    `describe` module the glimpses are pooled right there; without one they are appended to U along
    the batch, and the rest of the trunk runs once over (K + 1) * B maps of U's size.

    Args:
        trunk: clips (B, 3, T, H, W) to features (B, D).
        heads: None for the trunk alone.
        at: module path of the stage that the heads look at.
        num_features: D.
        num_classes: width of the classifiers.
        describe: pooled glimpses (N, T, C) to (N, out_channels); None sends glimpses through the
            rest of the trunk.
        dropout: before the classifier.
        branch_classifiers: whether every branch has an auxiliary classifier.
        mean: see `plug`.
        std: see `plug`.
    """

    pixel_mean: Tensor | None
    pixel_std: Tensor | None

    def __init__(
        self,
        trunk: nn.Module,
        heads: FocusHeads | None,
        *,
        at: str,
        num_features: int,
        num_classes: int,
        describe: nn.Module | None = None,
        dropout: float = 0.0,
        branch_classifiers: bool = True,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = heads
        self.describe = describe
        self.at = at
        num_heads = heads.num_heads if heads else 0
        glimpse_features = describe.out_channels if describe else num_features
        widths = [num_features] + [int(glimpse_features)] * num_heads  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(sum(widths), num_classes)
        self.branch_classifiers = (
            nn.ModuleList(nn.Linear(width, num_classes) for width in widths)
            if branch_classifiers
            else None
        )
        self.register_buffer("pixel_mean", _per_channel(mean), persistent=False)
        self.register_buffer("pixel_std", _per_channel(std), persistent=False)
        self._frozen: tuple[str, ...] = ()
        self._cells: dict[tuple[int, int, int], Cells] = {}

    @property
    def gain(self) -> float:
        """By which the localization network's stored weights are multiplied."""
        return self.heads.localization.gain if self.heads else 1.0

    def localization_parameters(self) -> list[nn.Parameter]:
        """The parameters that move the windows."""
        return list(self.heads.localization.parameters()) if self.heads else []

    def forward(self, clip: Tensor, theta: Sequence[Tensor] | None = None) -> Prediction:
        """Classify clips.

        Args:
            clip: (B, 3, T, H, W), float, or uint8 where `mean` and `std` were given.
            theta: (B, K, S, 2, 3) of each placement, to look at instead of where the heads would.

        Returns:
            The prediction; logits are float32.

        Raises:
            ValueError: the shape of a given theta is wrong.
        """
        if self.heads is None:
            branches = [self.trunk(self._normalised(clip))]
            return self._classify(branches, ())
        with self._looking(len(clip), self._given(theta, len(clip))) as seen:
            features = self.trunk(self._normalised(clip))
        if self.describe is None:
            branches = list(features.chunk(self.heads.num_heads + 1))
        else:
            glimpses = seen.glimpses.flatten(0, 1).transpose(1, 2)  # (B*K, T, C)
            described = self.describe(glimpses).unflatten(0, (len(clip), -1))
            branches = [features, *described.unbind(1)]
        cells = self._cells_for(clip, seen.size_thw)
        min_scale = getattr(self.heads.transform, "min_scale", 0.0)
        focus = Focus(seen.theta, self.heads.base.detach(), self.at, cells, min_scale)
        return self._classify(branches, (focus,))

    def freeze_until(self, path: str, example: Tensor) -> None:
        """Keep the trunk up to a stage as it is: no gradient, batch norm in eval mode.

        Args:
            path: the last frozen stage.
            example: a clip (1, 3, T, H, W), to find out what runs before it.
        """
        with evaluating(self.trunk):
            self._frozen = tuple(modules_before(self.trunk, path, example))
        for name in self._frozen:
            self.trunk.get_submodule(name).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "FocusedNetwork":
        """Set the mode of all but the frozen stages."""
        super().train(mode)
        for name in self._frozen:
            self.trunk.get_submodule(name).train(False)
        return self

    def stage_features(self, clip: Tensor, path: str) -> Tensor:
        """The map (B, C, T, H, W) of a stage; what lies behind it is not run."""
        return features_at(self.trunk, path, self._normalised(clip))

    def behind(self, path: str, example: Tensor) -> "FocusedNetwork":
        """The part behind a stage, for training on that stage's stored maps.

        It shares every parameter with this network.

        Args:
            path: the stage whose maps it will take.
            example: a clip (1, 3, T, H, W), to check the cut on.

        Raises:
            InputError: the trunk cannot be cut there, or the heads look at an earlier stage.
        """
        before = modules_before(self.trunk, path, example)
        if self.heads is not None and self.at in before and self.at != path:
            raise InputError(
                f"the heads look at {self.at!r}, which runs before {path!r}: choose that or an "
                "earlier stage for freeze_until, or set train.cache_features=false"
            )
        rest = copy.copy(self)
        rest._modules = dict(self._modules)
        rest._buffers = {**self._buffers, "pixel_mean": None, "pixel_std": None}
        rest.trunk = cut(self.trunk, path, example)
        rest._frozen = tuple(set(self._frozen) - before)
        rest._cells = {}
        return rest

    def _given(self, theta: Sequence[Tensor] | None, batch_size: int) -> Tensor | None:
        assert self.heads is not None
        if theta is None:
            return None
        wanted = (batch_size, self.heads.num_heads, 2, 3)
        shapes = [tuple(one.shape) for one in theta]
        if [shape[:2] + shape[3:] for shape in shapes] != [wanted]:
            raise ValueError(
                f"theta must be a sequence of one tensor ({wanted[0]}, {wanted[1]}, S, 2, 3), for "
                f"the one placement of heads; got shapes {shapes}"
            )
        return theta[0]

    @contextmanager
    def _looking(self, batch_size: int, theta: Tensor | None):
        assert self.heads is not None
        seen = _Seen(self.heads, theta, batch_size, through_tail=self.describe is None)
        handle = stage(self.trunk, self.at).register_forward_hook(seen.hook)
        try:
            yield seen
        finally:
            handle.remove()

    def _normalised(self, clip: Tensor) -> Tensor:
        if self.pixel_mean is None or self.pixel_std is None:
            return clip
        return (clip.to(self.pixel_mean.dtype) - self.pixel_mean) / self.pixel_std

    def _classify(self, branches: list[Tensor], focus: tuple[Focus, ...]) -> Prediction:
        logits = self.classifier(self.dropout(torch.cat(branches, dim=1)))
        branch_logits = None
        if self.branch_classifiers is not None:
            pairs = zip(self.branch_classifiers, branches, strict=True)
            branch_logits = torch.stack(
                [classifier(self.dropout(branch)).float() for classifier, branch in pairs], dim=1
            )
        return Prediction(logits.float(), focus, branch_logits)

    def _cells_for(self, clip: Tensor, size_thw: tuple[int, int, int]) -> Cells:
        clip_thw = (clip.shape[2], clip.shape[3], clip.shape[4])
        if clip.shape[1] != 3:  # a stored map: see `behind`
            return Cells.centred(size_thw, clip_thw)
        if clip_thw not in self._cells:
            self._cells[clip_thw] = trace_cells(self.trunk, self.at, clip_thw, size_thw)
        return self._cells[clip_thw]


class _Seen:
    """What the hook at the stage caught while the trunk ran once."""

    theta: Tensor
    glimpses: Tensor
    size_thw: tuple[int, int, int]

    def __init__(
        self, heads: FocusHeads, theta: Tensor | None, batch_size: int, *, through_tail: bool
    ) -> None:
        self.heads = heads
        self.given_theta = theta
        self.batch_size = batch_size
        self.through_tail = through_tail

    def hook(self, module: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
        features = with_time(output, self.batch_size)
        self.theta = self.heads(features) if self.given_theta is None else self.given_theta
        self.size_thw = (features.shape[2], features.shape[3], features.shape[4])
        size = self.size_thw[1:]
        if not self.through_tail:
            self.glimpses = self.heads.pooled_glimpses(features, self.theta, size)
            return None
        glimpses = self.heads.glimpses(features, self.theta, size)
        views = torch.cat([features.unsqueeze(1), glimpses], dim=1)  # (B, K + 1, C, T, H, W)
        return without_time(views.transpose(0, 1).flatten(0, 1), like=output)


def _per_channel(values: Sequence[float] | None) -> Tensor | None:
    return None if values is None else torch.tensor(values).view(1, -1, 1, 1, 1)
