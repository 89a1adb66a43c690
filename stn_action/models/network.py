"""Any video trunk with read-outs plugged in: clips to predictions.

Letters: K heads (or other descriptions) of all placements, D features at the trunk's end.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.fixed_batch_norm import fixed_batch_norm
from stn_action.models.float32 import pixel_normalization
from stn_action.models.glimpse_hook import GlimpseHook, RandomWindows
from stn_action.models.heads import FocusHeads
from stn_action.models.input_size import explained_size
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout
from stn_action.models.model_choices import Glimpse
from stn_action.models.old_weights import rename_old_weights
from stn_action.models.placement import (
    Placement,
    check_placements,
    in_line,
    placement_hooks,
    watched,
)
from stn_action.models.prediction import Focus, Prediction
from stn_action.models.readouts.readout import Readout
from stn_action.models.stage_maps import features_at
from stn_action.models.stages import evaluating, modules_before
from stn_action.models.trunk_features import run_trunk
from stn_action.models.trunk_split import trunk_behind
from stn_action.models.trunk_transformers import common_gain, moving_parameters
from stn_action.precision_choices import StoredPrecision


class FocusedNetwork(nn.Module):
    """A trunk, read-outs of its stages, and classifiers of the global branch and of theirs.

    One mechanism for every trunk: while it runs, a hook at each placement's stage captures the map
    U. With a `describe` module it is read there. The windows of heads can also give glimpses:
    without `describe` these are appended to U along the batch, and the rest of the trunk runs once
    over (K + 1) * B maps of U's size; in line, the one glimpse replaces U.

    Args:
        trunk: clips (B, 3, T, H, W) to features (B, D).
        placements: of read-outs, in the order in which their stages run; none for the trunk alone.
            Either all have a module that describes, or none.
        num_features: D.
        num_classes: width of the classifiers.
        glimpse_features: of what describes glimpses, if it is neither a placement nor the trunk.
        glimpse: "in_line" replaces the map by the heads' glimpses, side by side in channels, as in
            the paper's ST-CNN; of several heads the rest of the trunk must take K times the
            channels; "zoom" is of `ZoomNetwork`. None: "pooled" with `describe`, else "tail".
        random_windows: add a branch in training that sees a random window; it has its own
            classifier and keeps the description of glimpses from fitting one place alone.
        dropout: before the classifier.
        branch_classifiers: give every branch an auxiliary classifier.
        features_from: module path of what returns the trunk's features; see `run_trunk`.
        features_layout: how that module returns a map, if it is one.
        mean: see `plug`.
        std: see `plug`.

    Raises:
        InputError: a read-out has no glimpses, or placements do not go together.
    """

    def __init__(
        self,
        trunk: nn.Module,
        placements: Sequence[Placement] = (),
        *,
        num_features: int,
        num_classes: int,
        glimpse_features: int | None = None,
        glimpse: Glimpse | None = None,
        random_windows: RandomWindows | None = None,
        dropout: float = 0.0,
        branch_classifiers: bool = True,
        features_from: str | None = None,
        features_layout: StageLayout = CHANNELS_FIRST,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.example_thw: tuple[int, int, int] | None = None  # of a clip that it takes
        described = any(placement.describe for placement in placements)
        self.glimpse: Glimpse = glimpse or ("pooled" if described else "tail")
        check_placements(placements, self.glimpse, random_windows)
        self.trunk = trunk
        self.placements: Sequence[Placement] = nn.ModuleList(placements)  # type: ignore[assignment]
        self.features_from = features_from
        self.features_layout = features_layout
        self.random_windows = random_windows if placements else None
        widths = [num_features]
        for placement in placements if self.glimpse != "in_line" else ():
            width = glimpse_features or placement.width or num_features
            widths += [width] * placement.num_descriptions
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
        self.register_load_state_dict_pre_hook(rename_old_weights)

    @property
    def placement(self) -> Placement | None:
        """Return the only placement; None: there are none.

        Raises:
            InputError: there are several.
        """
        if len(self.placements) > 1:
            stages = ", ".join(placement.at for placement in self.placements)
            raise InputError(
                f"this is for heads at one stage, and the network has some at {stages}"
            )
        return self.placements[0] if self.placements else None

    @property
    def readout(self) -> Readout | None:
        """Return the read-out of the only placement; see `placement`."""
        return self.placement.readout if self.placement else None

    @property
    def heads(self) -> FocusHeads | None:
        """Return the spatial transformer heads, if the only read-out is their windows."""
        return self.placement.heads if self.placement else None

    @property
    def readouts(self) -> list[Readout]:
        """Return the read-outs of all placements."""
        return [placement.readout for placement in self.placements]

    @property
    def gain(self) -> float:
        """Return the factor by which the localization networks' stored weights are multiplied."""
        return common_gain(self.trunk, self.readouts)

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move the windows, those in the trunk's transformers too."""
        return moving_parameters(self.trunk, self.readouts)

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
        if not self.placements:
            return self.classify([self.trunk_features(clip)], ())
        windows = self.random_windows if self.training else None
        hooks = placement_hooks(
            self.placements, clip.shape[0], glimpse=self.glimpse, extents=extents, given=theta,
            random_theta=windows.draw(clip) if windows else None,
        )  # fmt: skip
        num_maps = hooks[-1].num_branches if self.glimpse == "tail" else 1
        with watched(self.trunk, self.placements, hooks):
            features = self.trunk_features(clip, num_maps * clip.shape[0])
        branches = self._branches(features, hooks)
        random_branch = branches.pop() if windows is not None else None
        pairs = zip(self.placements, hooks, strict=True)
        focus = tuple(place.focus(hook, self.trunk, clip, extents) for place, hook in pairs)
        focus = in_line(focus) if self.glimpse == "in_line" else focus
        return self.classify(branches, focus, random_branch)

    def freeze_until(self, path: str, example: Tensor) -> None:
        """Freeze the trunk up to a stage: no gradient, batch norm in eval mode.

        Args:
            path: the last frozen stage.
            example: a clip (1, 3, T, H, W), to find out what precedes it.
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
        layout = next((one.layout for one in self.placements if one.at == path), None)
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
        for placement in self.placements:
            if placement.at in before and placement.at != path:
                raise InputError(
                    f"the heads look at {placement.at!r}, which runs before {path!r}: choose that "
                    "or an earlier stage for train.cache_at, or set train.cache_features=false"
                )
        rest = copy.copy(self)
        placements = [one.behind(self.trunk, example, clip_thw) for one in self.placements]
        parts = {"normalization": nn.Identity(), "placements": nn.ModuleList(placements)}
        rest._modules = {**self._modules, **parts}
        rest.trunk = trunk_behind(self.trunk, path, example)
        rest.example_thw = None
        rest._frozen = tuple(set(self._frozen) - before)
        return rest

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

    def _branches(self, features: Tensor, hooks: Sequence[GlimpseHook]) -> list[Tensor]:
        """Return the description (B, D) of each branch, the global one first."""
        if self.glimpse == "in_line":
            return [features]
        if self.glimpse == "tail":
            return list(features.tensor_split(hooks[-1].num_branches))
        pairs = zip(self.placements, hooks, strict=True)
        return [features, *(one for place, hook in pairs for one in place.described(hook))]

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
