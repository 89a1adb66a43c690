"""Any video trunk with heads plugged in: clips to predictions.

Letters: K heads, D features at the trunk's end.
"""

import copy
from collections.abc import Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.glimpse_hook import Looking, RandomWindows
from stn_action.models.heads import FocusHeads
from stn_action.models.prediction import Focus, Prediction
from stn_action.models.stages import (
    cut,
    evaluating,
    features_at,
    modules_before,
    stage,
    trace_cells,
)


class FocusedNetwork(nn.Module):
    """A trunk, heads on one of its stages, and classifiers on the global view and the glimpses.

    One mechanism for every trunk: while it runs, a hook at the stage catches the map U. With a
    `describe` module the glimpses are pooled right there; without one they are appended to U along
    the batch, and the rest of the trunk runs once over (K + 1) * B maps of U's size; in line, the
    one glimpse takes U's place.

    Args:
        trunk: clips (B, 3, T, H, W) to features (B, D).
        heads: None for the trunk alone.
        at: module path of the stage that the heads look at.
        num_features: D.
        num_classes: width of the classifiers.
        describe: pooled glimpses (N, T, C) to (N, out_channels); None sends glimpses through the
            rest of the trunk.
        in_line: replace the map by the one head's glimpse, as in the paper's ST-CNN.
        random_windows: one more branch in training, which looks at a random window; it has a
            classifier of its own and keeps what describes glimpses from fitting one place alone.
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
        in_line: bool = False,
        random_windows: RandomWindows | None = None,
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
        if in_line and (heads is None or heads.num_heads != 1 or random_windows is not None):
            raise InputError("in line there is one head, and no branch of its own or at random")
        self.in_line = in_line
        self.random_windows = random_windows if heads else None
        num_heads = heads.num_heads if heads and not in_line else 0
        glimpse_features = describe.out_channels if describe else num_features
        widths = [num_features] + [int(glimpse_features)] * num_heads  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(sum(widths), num_classes)
        self.branch_classifiers = (
            nn.ModuleList(nn.Linear(width, num_classes) for width in widths)
            if branch_classifiers
            else None
        )
        self.random_classifier = (
            nn.Linear(widths[1], num_classes) if self.random_windows is not None else None
        )
        self.register_buffer("pixel_mean", _per_channel(mean), persistent=False)
        self.register_buffer("pixel_std", _per_channel(std), persistent=False)
        self._frozen: tuple[str, ...] = ()
        self._cells: dict[tuple[int, int, int], Cells] = {}

    @property
    def gain(self) -> float:
        """By which the localization network's stored weights are multiplied."""
        return self.heads.gain if self.heads else 1.0

    def localization_parameters(self) -> list[nn.Parameter]:
        """The parameters that move the windows."""
        return list(self.heads.localization.parameters()) if self.heads else []

    def forward(self, clip: Tensor, theta: Sequence[Tensor] | None = None) -> Prediction:
        """Classify clips.

        Args:
            clip: (B, 3, T, H, W), float, or uint8 where `mean` and `std` were given.
            theta: (B, K, S, *kind) of each placement, to look at instead of where the heads would.

        Returns:
            The prediction; logits are float32.

        Raises:
            ValueError: the shape of a given theta is wrong.
        """
        if self.heads is None:
            branches = [self.trunk(self._normalised(clip))]
            return self._classify(branches, ())
        windows = self.random_windows if self.training else None
        looking = Looking(
            self.heads, len(clip), given_theta=self._given(theta, len(clip)),
            pool=self.describe is not None, in_line=self.in_line, random_windows=windows,
        )  # fmt: skip
        with self._hooked(looking):
            features = self.trunk(self._normalised(clip))
        branches = self._branches(features, looking)
        cells = self._cells_for(clip, looking.size_thw)
        floor = self.heads.transform.floor
        focus = Focus(looking.theta, self.heads.base, self.at, cells, floor)
        random_branch = branches.pop() if windows is not None else None
        return self._classify(branches, (focus,), random_branch)

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
        kind = self.heads.transform.theta_shape
        wanted = (batch_size, self.heads.num_heads, *kind)
        shapes = [tuple(one.shape) for one in theta]
        if [shape[:2] + shape[3:] for shape in shapes] != [wanted]:
            raise ValueError(
                f"theta must be a sequence of one tensor ({wanted[0]}, {wanted[1]}, S, {kind[0]}, "
                f"{kind[1]}), for the one placement of heads; got shapes {shapes}"
            )
        return theta[0]

    @contextmanager
    def _hooked(self, looking: Looking):
        handle = stage(self.trunk, self.at).register_forward_hook(looking.hook)
        try:
            yield
        finally:
            handle.remove()

    def _branches(self, features: Tensor, looking: Looking) -> list[Tensor]:
        """What describes each branch (B, D), the global view first."""
        if self.in_line:
            return [features]
        if self.describe is None:
            return list(features.chunk(looking.num_views))
        glimpses = looking.glimpses.flatten(0, 1).transpose(1, 2)  # (B * K', T, C)
        described = self.describe(glimpses).unflatten(0, (looking.batch_size, -1))
        return [features, *described.unbind(1)]

    def _normalised(self, clip: Tensor) -> Tensor:
        if self.pixel_mean is None or self.pixel_std is None:
            return clip
        return (clip.to(self.pixel_mean.dtype) - self.pixel_mean) / self.pixel_std

    def _classify(
        self,
        branches: list[Tensor],
        focus: tuple[Focus, ...],
        random_branch: Tensor | None = None,
    ) -> Prediction:
        logits = self.classifier(self.dropout(torch.cat(branches, dim=1)))
        branch_logits = None
        if self.branch_classifiers is not None:
            pairs = zip(self.branch_classifiers, branches, strict=True)
            branch_logits = torch.stack(
                [classifier(self.dropout(branch)).float() for classifier, branch in pairs], dim=1
            )
        random_logits = None
        if random_branch is not None and self.random_classifier is not None:
            random_logits = self.random_classifier(self.dropout(random_branch)).float()
        return Prediction(logits.float(), focus, branch_logits, random_logits)

    def _cells_for(self, clip: Tensor, size_thw: tuple[int, int, int]) -> Cells:
        clip_thw = (clip.shape[2], clip.shape[3], clip.shape[4])
        if clip.shape[1] != 3:  # a stored map: see `behind`
            return Cells.centred(size_thw, clip_thw)
        if clip_thw not in self._cells:
            self._cells[clip_thw] = trace_cells(self.trunk, self.at, clip_thw, size_thw)
        return self._cells[clip_thw]


def _per_channel(values: Sequence[float] | None) -> Tensor | None:
    return None if values is None else torch.tensor(values).view(1, -1, 1, 1, 1)
