"""Any video trunk with a read-out plugged in: clips to predictions.

Letters: K heads (or other descriptions), D features at the trunk's end.
"""

import copy
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.fixed_batch_norm import fixed_batch_norm
from stn_action.models.float32 import pixel_normalization
from stn_action.models.glimpse_hook import GlimpseHook, RandomWindows, explained
from stn_action.models.heads import FocusHeads
from stn_action.models.input_size import explained_size
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout
from stn_action.models.model_choices import Glimpse
from stn_action.models.old_weights import rename_old_weights
from stn_action.models.prediction import Focus, Prediction
from stn_action.models.readouts.readout import Readout
from stn_action.models.readouts.window_readout import WindowReadout
from stn_action.models.receptive_field import StageCells
from stn_action.models.stage_maps import features_at
from stn_action.models.stages import evaluating, modules_before, stage
from stn_action.models.trunk_features import run_trunk
from stn_action.models.trunk_split import trunk_behind
from stn_action.models.trunk_transformers import common_gain, moving_parameters
from stn_action.precision_choices import StoredPrecision


class FocusedNetwork(nn.Module):
    """A trunk, a read-out of one of its stages, and classifiers of the global branch and of that.

    One mechanism for every trunk: while it runs, a hook at the stage captures the map U. With a
    `describe` module it is read there. The windows of heads can also give glimpses: without
    `describe` these are appended to U along the batch, and the rest of the trunk runs once over
    (K + 1) * B maps of U's size; in line, the one glimpse replaces U.

    Args:
        trunk: clips (B, 3, T, H, W) to features (B, D).
        readout: None for the trunk alone.
        at: module path of the stage that is read.
        num_features: D.
        num_classes: width of the classifiers.
        describe: what was read (N, T, C) to (N, out_channels); None sends glimpses through the
            rest of the trunk.
        glimpse_features: of what describes glimpses, if it is neither `describe` nor the trunk.
        glimpse: "in_line" replaces the map by the heads' glimpses, side by side in channels, as in
            the paper's ST-CNN; of several heads the rest of the trunk must take K times the
            channels; "zoom" is of `ZoomNetwork`. None: "pooled" with `describe`, else "tail".
        random_windows: add a branch in training that sees a random window; it has its own
            classifier and keeps the description of glimpses from fitting one place alone.
        dropout: before the classifier.
        branch_classifiers: give every branch an auxiliary classifier.
        layout: how the stage returns its map.
        features_from: module path of what returns the trunk's features; see `run_trunk`.
        features_layout: how that module returns a map, if it is one.
        mean: see `plug`.
        std: see `plug`.

    Raises:
        InputError: the read-out has no glimpses, or in line more than one.
    """

    def __init__(
        self,
        trunk: nn.Module,
        readout: Readout | None,
        *,
        at: str,
        num_features: int,
        num_classes: int,
        describe: nn.Module | None = None,
        glimpse_features: int | None = None,
        glimpse: Glimpse | None = None,
        random_windows: RandomWindows | None = None,
        dropout: float = 0.0,
        branch_classifiers: bool = True,
        layout: StageLayout = CHANNELS_FIRST,
        features_from: str | None = None,
        features_layout: StageLayout = CHANNELS_FIRST,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.example_thw: tuple[int, int, int] | None = None  # of a clip that it takes
        self.trunk = trunk
        self.readout = readout
        self.describe = describe
        self.at = at
        self.layout = layout
        self.features_from = features_from
        self.features_layout = features_layout
        num_read = readout.num_descriptions if readout else 0
        self.glimpse: Glimpse = glimpse or ("pooled" if describe else "tail")
        alone = self.glimpse in ("in_line", "zoom")
        if alone and (num_read < 1 or random_windows is not None):
            raise InputError(f"glimpse {glimpse} needs a head, and no random_windows")
        of_windows = self.glimpse in ("in_line", "tail")
        if readout and of_windows and not isinstance(readout, WindowReadout):
            raise InputError(
                f"glimpse {self.glimpse!r} is for windows: {type(readout).__name__} needs a "
                "`describe` module"
            )
        self.random_windows = random_windows if readout else None
        if glimpse_features is None:
            glimpse_features = int(describe.out_channels) if describe else num_features  # type: ignore[arg-type]
        num_branches = 0 if self.glimpse == "in_line" else num_read
        widths = [num_features] + [glimpse_features] * num_branches
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
        self.normalization = pixel_normalization(mean, std)
        self._frozen: tuple[str, ...] = ()
        self.stage_cells = StageCells(at, layout)
        self.register_load_state_dict_pre_hook(rename_old_weights)

    @property
    def heads(self) -> FocusHeads | None:
        """Return the spatial transformer heads, if the read-out is their windows."""
        return self.readout.heads if isinstance(self.readout, WindowReadout) else None

    @property
    def gain(self) -> float:
        """Return the factor by which the localization network's stored weights are multiplied."""
        return common_gain(self.trunk, self.readout)

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move the windows, those in the trunk's transformers too."""
        return moving_parameters(self.trunk, self.readout)

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
            theta: (B, K, S, *kind) of each placement, used instead of the heads' own; weights
                (B, K, S, H, W) for a read-out that has these.
            extents: (B, T, 2, 4) of image and person in the clip, see `geometry.extents`.

        Returns:
            The prediction; logits are float32.

        Raises:
            ValueError: theta has another shape, or the features are of clips of another size
                than `behind` was given.
        """
        if self.readout is None:
            return self.classify([self.trunk_features(clip)], ())
        windows = self.random_windows if self.training else None
        hook = GlimpseHook(
            self.readout, clip.shape[0], glimpse=self.glimpse, extents=extents,
            given=self.readout.checked(theta, clip.shape[0]),
            random_theta=windows.draw(clip) if windows else None,
            layout=self.layout,
        )  # fmt: skip
        in_tail = self.glimpse == "tail"
        num_maps = clip.shape[0] * (hook.num_branches if in_tail else 1)
        with self._hooked(hook), explained(self.at) if in_tail else nullcontext():
            features = self.trunk_features(clip, num_maps)
        branches = self._branches(features, hook)
        cells = self.stage_cells.of(self.trunk, clip, hook.size_thw)
        focus = self.readout.focus(hook.theta, hook.weights, self.at, cells, extents)
        random_branch = branches.pop() if windows is not None else None
        return self.classify(branches, (focus,), random_branch)

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

    def is_frozen(self, path: str) -> bool:
        """Return whether `freeze_until` has frozen a stage and what precedes it."""
        return path in self._frozen

    def freeze_batch_norm(self, *, affine: bool = False) -> None:
        """Let the trunk's batch norm use its stored statistics in training too.

        With `affine` its scales and shifts are frozen as well.
        """
        layers = fixed_batch_norm(self.trunk, affine=affine)
        self._frozen = tuple(dict.fromkeys((*self._frozen, *layers)))
        self.train(self.training)

    def train(self, mode: bool = True) -> "FocusedNetwork":
        """Set the mode of all but the frozen stages."""
        super().train(mode)
        for name in self._frozen:
            self.trunk.get_submodule(name).train(False)
        return self

    def first_look(self, clip: Tensor) -> Tensor:
        """Return what the trunk sees of clips (B, 3, T, H, W) first: all of them."""
        return clip

    def stage_features(self, clip: Tensor, path: str) -> Tensor:
        """Return the map (B, C, T, H, W) of a stage; the rest of the trunk is not run."""
        layout = self.layout if self.readout is not None and path == self.at else None
        return features_at(self.trunk, path, self._normalized(self.first_look(clip)), layout)

    def behind(
        self, path: str, example: Tensor, *, clip_thw: tuple[int, int, int] | None = None,
        precision: StoredPrecision = "float32",
    ) -> "FocusedNetwork":  # fmt: skip
        """Return the part behind a stage, for training on that stage's stored features.

        It shares every parameter with this network, and its predictions are equal, focus included.

        Args:
            path: the stage whose features it takes.
            example: a clip (1, 3, T, H, W), to check the result on.
            clip_thw: frames, height and width of the clips that the features are of; None: of
                the example.
            precision: in which frozen stages see glimpses of pixels, if there are any.

        Raises:
            InputError: the trunk cannot be split there, or the heads look at an earlier stage.
        """
        before = modules_before(self.trunk, path, example)
        if self.readout is not None and self.at in before and self.at != path:
            raise InputError(
                f"the heads look at {self.at!r}, which runs before {path!r}: choose that or an "
                "earlier stage for train.cache_at, or set train.cache_features=false"
            )
        rest = copy.copy(self)
        rest._modules = {**self._modules, "normalization": nn.Identity()}
        rest.trunk = trunk_behind(self.trunk, path, example)
        rest.example_thw = None
        rest._frozen = tuple(set(self._frozen) - before)
        if self.readout:
            rest.stage_cells = self.stage_cells.behind(self.trunk, example, clip_thw)
        return rest

    @contextmanager
    def _hooked(self, hook: GlimpseHook):
        handle = stage(self.trunk, self.at).register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def trunk_features(self, clip: Tensor, num_rows: int | None = None) -> Tensor:
        """Return the features (N, D) that the trunk ends in.

        Args:
            clip: as of the call.
            num_rows: N, where a hook adds maps to the batch; None: as many as clips.
        """
        num_rows = clip.shape[0] if num_rows is None else num_rows
        clip, settings = self._normalized(clip), (self.features_from, self.features_layout)
        with explained_size(self.trunk, clip, self.example_thw):
            return run_trunk(self.trunk, clip, num_rows, *settings)

    def _branches(self, features: Tensor, hook: GlimpseHook) -> list[Tensor]:
        """Return the description (B, D) of each branch, the global one first."""
        if self.glimpse == "in_line":
            return [features]
        if self.describe is None:
            return list(features.unflatten(0, (hook.num_branches, -1)).unbind(0))
        glimpses = hook.descriptions.flatten(0, 1).transpose(1, 2)  # (B * K', T, C)
        described = self.describe(glimpses).unflatten(0, (hook.batch_size, -1))
        return [features, *described.unbind(1)]

    def _normalized(self, clip: Tensor) -> Tensor:
        """Return normalized clips, in the precision of the trunk."""
        clip = self.normalization(clip)
        parameter = next(self.trunk.parameters(), None)
        if parameter is None or not clip.is_floating_point():
            return clip
        return clip.to(parameter.dtype)

    def classify(
        self,
        branches: list[Tensor],
        focus: tuple[Focus, ...],
        random_branch: Tensor | None = None,
    ) -> Prediction:
        """Classify descriptions.

        Args:
            branches: (B, D) each, the global one first.
            focus: goes into the prediction.
            random_branch: (B, D) of a random window.
        """
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
