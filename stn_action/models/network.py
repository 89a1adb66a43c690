"""Any video trunk with heads plugged in: clips to predictions.

Letters: K heads, D features at the trunk's end.
"""

import copy
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.float32 import PixelNormalization
from stn_action.models.glimpse_hook import GlimpseHook, RandomWindows, explained
from stn_action.models.heads import FocusHeads
from stn_action.models.prediction import Focus, Prediction
from stn_action.models.receptive_field import trace_cells
from stn_action.models.stages import (
    evaluating,
    features_at,
    modules_before,
    stage,
    trunk_behind,
)
from stn_action.models.trunk_features import run_trunk


class FocusedNetwork(nn.Module):
    """A trunk, heads on one of its stages, and classifiers of the global branch and the glimpses.

    One mechanism for every trunk: while it runs, a hook at the stage captures the map U. With a
    `describe` module the glimpses are pooled there; without one they are appended to U along the
    batch, and the rest of the trunk runs once over (K + 1) * B maps of U's size; in line, the one
    glimpse replaces U.

    Args:
        trunk: clips (B, 3, T, H, W) to features (B, D).
        heads: None for the trunk alone.
        at: module path of the stage that the heads look at.
        num_features: D.
        num_classes: width of the classifiers.
        describe: pooled glimpses (N, T, C) to (N, out_channels); None sends glimpses through the
            rest of the trunk.
        in_line: replace the map by the one head's glimpse, as in the paper's ST-CNN.
        random_windows: add a branch in training that sees a random window; it has its own
            classifier and keeps the description of glimpses from fitting one place alone.
        dropout: before the classifier.
        branch_classifiers: give every branch an auxiliary classifier.
        channels_last: whether the stage's maps are (N, ..., C), as those of Swin transformers.
        features_from: module path of what returns the trunk's features; see `run_trunk`.
        features_channels_last: whether they are maps (N, ..., C).
        mean: see `plug`.
        std: see `plug`.
    """

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
        channels_last: bool = False,
        features_from: str | None = None,
        features_channels_last: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = heads
        self.describe = describe
        self.at = at
        self.channels_last = channels_last
        self.features_from = features_from
        self.features_channels_last = features_channels_last
        if in_line and (heads is None or heads.num_heads != 1 or random_windows is not None):
            raise InputError("glimpse in_line needs exactly one head and no random_windows")
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
        self.normalization = _normalization(mean, std)
        self._frozen: tuple[str, ...] = ()
        self._cells: dict[tuple[int, int, int], Cells] = {}
        self._stored_cells: Cells | None = None  # of the clips behind stored features

    @property
    def gain(self) -> float:
        """Return the factor by which the localization network's stored weights are multiplied."""
        return self.heads.gain if self.heads else 1.0

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move the windows."""
        return list(self.heads.localization.parameters()) if self.heads else []

    def forward(
        self,
        clip: Tensor,
        theta: Sequence[Tensor] | None = None,
        *,
        extents: Tensor | None = None,
    ) -> Prediction:
        """Classify clips.

        Args:
            clip: (B, 3, T, H, W), float, or uint8 if `mean` and `std` were given; it is brought to
                the trunk's precision. Behind a stage, the features (B, C, T, H, W) of that stage.
            theta: (B, K, S, *kind) of each placement, used instead of the heads' own.
            extents: (B, T, 2, 4), see `geometry/extents.py`; windows do not use them.

        Returns:
            The prediction; logits are float32.

        Raises:
            ValueError: theta has another shape, or the features are of clips of another size
                than `behind` was given.
        """
        if self.heads is None:
            return self._classify([self._run_trunk(clip, len(clip))], ())
        windows = self.random_windows if self.training else None
        hook = GlimpseHook(
            self.heads, len(clip), given_theta=self._given(theta, len(clip)),
            pool=self.describe is not None, in_line=self.in_line,
            random_theta=windows.draw(clip) if windows else None,
            channels_last=self.channels_last,
        )  # fmt: skip
        in_tail = self.describe is None and not self.in_line
        num_maps = len(clip) * (hook.num_branches if in_tail else 1)
        with self._hooked(hook), explained(self.at) if in_tail else nullcontext():
            features = self._run_trunk(clip, num_maps)
        branches = self._branches(features, hook)
        cells = self._cells_for(clip, hook.size_thw)
        floor = self.heads.transform.floor
        focus = Focus(hook.theta, self.heads.base, self.at, cells, floor)
        random_branch = branches.pop() if windows is not None else None
        return self._classify(branches, (focus,), random_branch)

    def freeze_until(self, path: str, example: Tensor) -> None:
        """Freeze the trunk up to a stage: no gradient, batch norm in eval mode.

        Args:
            path: the last frozen stage.
            example: a clip (1, 3, T, H, W), run once to find out what precedes the stage.
        """
        with evaluating(self.trunk):
            self._frozen = tuple(modules_before(self.trunk, path, example))
        for name in self._frozen:
            self.trunk.get_submodule(name).requires_grad_(False)
        self.train(self.training)

    def freeze_batch_norm(self) -> None:
        """Let the trunk's batch norm use its stored statistics in training too."""
        layers = (
            name for name, module in self.trunk.named_modules() if isinstance(module, _BatchNorm)
        )
        self._frozen = tuple(dict.fromkeys((*self._frozen, *layers)))
        self.train(self.training)

    def train(self, mode: bool = True) -> "FocusedNetwork":
        """Set the mode of all but the frozen stages."""
        super().train(mode)
        for name in self._frozen:
            self.trunk.get_submodule(name).train(False)
        return self

    def stage_features(self, clip: Tensor, path: str) -> Tensor:
        """Return the map (B, C, T, H, W) of a stage; the rest of the trunk is not run."""
        return features_at(self.trunk, path, self._normalized(clip))

    def behind(
        self, path: str, example: Tensor, *, clip_thw: tuple[int, int, int] | None = None
    ) -> "FocusedNetwork":
        """Return the part behind a stage, for training on that stage's stored features.

        It shares every parameter with this network, and its predictions are equal, focus included.

        Args:
            path: the stage whose features it takes.
            example: a clip (1, 3, T, H, W), to check the result on.
            clip_thw: frames, height and width of the clips that the features are of; None: of
                the example.

        Raises:
            InputError: the trunk cannot be split there, or the heads look at an earlier stage.
        """
        before = modules_before(self.trunk, path, example)
        if self.heads is not None and self.at in before and self.at != path:
            raise InputError(
                f"the heads look at {self.at!r}, which runs before {path!r}: choose that or an "
                "earlier stage for freeze_until, or set train.cache_features=false"
            )
        rest = copy.copy(self)
        rest._modules = {**self._modules, "normalization": nn.Identity()}
        rest.trunk = trunk_behind(self.trunk, path, example)
        rest._frozen = tuple(set(self._frozen) - before)
        rest._stored_cells = self._traced_cells(example, clip_thw) if self.heads else None
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
    def _hooked(self, hook: GlimpseHook):
        handle = stage(self.trunk, self.at).register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def _run_trunk(self, clip: Tensor, num_rows: int) -> Tensor:
        return run_trunk(
            self.trunk, self._normalized(clip), num_rows, features_from=self.features_from,
            channels_last=self.features_channels_last,
        )  # fmt: skip

    def _branches(self, features: Tensor, hook: GlimpseHook) -> list[Tensor]:
        """Return the description (B, D) of each branch, the global one first."""
        if self.in_line:
            return [features]
        if self.describe is None:
            return list(features.chunk(hook.num_branches))
        glimpses = hook.glimpses.flatten(0, 1).transpose(1, 2)  # (B * K', T, C)
        described = self.describe(glimpses).unflatten(0, (hook.batch_size, -1))
        return [features, *described.unbind(1)]

    def _normalized(self, clip: Tensor) -> Tensor:
        """Return normalized clips, in the precision of the trunk."""
        clip = self.normalization(clip)
        parameter = next(self.trunk.parameters(), None)
        if parameter is None or not clip.is_floating_point():
            return clip
        return clip.to(parameter.dtype)

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
        if self._stored_cells is not None:
            if self._stored_cells.size_thw != size_thw:
                raise ValueError(
                    f"the map at {self.at!r} must be of size {self._stored_cells.size_thw} (time, "
                    f"height, width), as of clips of {self._stored_cells.clip_thw}; got {size_thw}"
                )
            return self._stored_cells
        clip_thw = (clip.shape[2], clip.shape[3], clip.shape[4])
        if clip_thw not in self._cells:
            self._cells[clip_thw] = trace_cells(
                self.trunk, self.at, clip_thw, size_thw, channels_last=self.channels_last
            )
        return self._cells[clip_thw]

    def _traced_cells(self, example: Tensor, clip_thw: tuple[int, int, int] | None) -> Cells:
        """Return the cells of the heads' stage on clips of that size, or of the example's."""
        clip = example if clip_thw is None else example.new_zeros(1, 3, *clip_thw)
        with evaluating(self.trunk):
            features = features_at(self.trunk, self.at, clip, channels_last=self.channels_last)
        T, H, W = features.shape[2:]
        return self._cells_for(clip, (T, H, W))


def _normalization(mean: Sequence[float] | None, std: Sequence[float] | None) -> nn.Module:
    if mean is None or std is None:
        return nn.Identity()
    return PixelNormalization(torch.tensor(mean), torch.tensor(std))
