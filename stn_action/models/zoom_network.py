"""A network that looks twice: windows found on a reduced clip are cut out of the full one.

Letters: K windows, D features at the trunk's end, (h, w) a glimpse.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.geometry.theta import AFFINE
from stn_action.models.frozen_stages import FrozenStages
from stn_action.models.glimpse_hook import GlimpseHook
from stn_action.models.model_choices import WINDOW_GRADIENTS, WindowGradient
from stn_action.models.network import FocusedNetwork
from stn_action.models.placement import Placement, watched
from stn_action.models.prediction import Focus, Prediction
from stn_action.models.readouts.attention_readout import AttentionReadout
from stn_action.models.readouts.readout import Readout
from stn_action.models.readouts.saliency_readout import SaliencyReadout
from stn_action.models.readouts.window_readout import WindowReadout
from stn_action.models.second_look import SecondLook, mass_windows
from stn_action.precision_choices import StoredPrecision


class ZoomNetwork(FocusedNetwork):
    """A trunk that sees a clip reduced, and once more the K windows of a read-out at full size.

    The read-out's windows on a map of the reduced clip become glimpses of the clip itself, of
    (h, w) pixels whatever the window's size, which pass through the trunk (or one of their own) as
    further clips. Windows learn from what the glimpses show, through the sampler
    (`window_gradient` "pixels"), or from the means of the map in them, which get auxiliary
    classifiers ("map", as Uni-AdaFocus, arXiv 2412.11228, has it). Batch norm in training sees
    reduced clips and glimpses in batches of their own.

    Args:
        trunk: clips (B, 3, T, H, W) to features (B, D).
        placements: one, of windows, saliency or attention; of weights the smallest box with half
            of them.
        second_look: sizes, and the trunk of glimpses.
        window_gradient: what moves the windows.
        glimpse_features: D of the glimpses' own trunk.
        **settings: of `FocusedNetwork`, with glimpse "zoom".

    Raises:
        InputError: the read-out has no windows, or learns nothing by this gradient.
    """

    stages_before: FrozenStages | None
    """Behind a stage: the stages up to it, for glimpses."""

    glimpse_normalization: nn.Module | None
    """Behind a stage: of the glimpses' pixels."""

    def __init__(
        self,
        trunk: nn.Module,
        placements: Sequence[Placement],
        *,
        second_look: SecondLook,
        window_gradient: WindowGradient = "pixels",
        glimpse_features: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(trunk, placements, glimpse_features=glimpse_features, **settings)
        readout = _checked_readout(self.readout, window_gradient)
        self.second_look = second_look
        self.window_gradient: WindowGradient = window_gradient
        self.register_module("stages_before", None)
        self.register_module("glimpse_normalization", None)
        num_classes = self.classifier.out_features
        self.map_classifiers = None
        if window_gradient == "map":
            self.map_classifiers = nn.ModuleList(
                nn.Linear(placements[0].channels, num_classes)
                for _ in range(readout.num_descriptions)
            )

    def forward(
        self,
        clip: Tensor,
        theta: Sequence[Tensor] | None = None,
        *,
        extents: Tensor | None = None,
        sources: Sequence[Tensor] | None = None,
    ) -> Prediction:
        """Classify clips.

        Args:
            clip: (B, 3, T, H, W) at full size, float, or uint8 if `mean` and `std` were given.
                Behind a stage, its features (B, C, t, h, w) of the first look.
            theta: one tensor (B, K, S, *kind), on the map of the reduced clip, in place of the
                read-out's windows.
            extents: (B, T, 2, 4) of image and person in the clip, see `geometry.extents`.
            sources: B clips (3, T, H', W'), each of its own size, that show what the clips do, as
                sharply as the video has it: glimpses are cut out of them. Behind a stage they
                are needed.

        Returns:
            The prediction; its focus has the windows that glimpses were cut from.

        Raises:
            ValueError: theta or sources have another shape, sources are missing, or clips are
                smaller than the first look.
        """
        if sources is None and self.stages_before is not None:
            raise ValueError("behind a stage, sources must be the clips that features are of")
        focus, features, described = self._first_look(self.first_look(clip), theta, extents)
        glimpses = self.glimpses(clip if sources is None else sources, focus.windows, focus.cells)
        of_clip = clip if sources is None or self.stages_before is None else sources[0]
        focus = replace(focus, cells=focus.cells.resized((of_clip.shape[-2], of_clip.shape[-1])))
        seen = self._glimpse_features(glimpses.flatten(0, 1)).unflatten(0, glimpses.shape[:2])
        return self.classify_looks(features, seen, described, focus)

    def classify_looks(
        self, features: Tensor, seen: Tensor, described: Tensor, focus: Focus
    ) -> Prediction:
        """Classify what was seen in both looks.

        Args:
            features: (B, D) of the first look.
            seen: (B, K, D') of the glimpses.
            described: (B, K, C), the map's means in the windows.
            focus: goes into the prediction.
        """
        prediction = self.classify([features, *seen.unbind(1)], (focus,))
        if self.map_classifiers is None or prediction.branch_logits is None:
            return prediction
        of_map = [
            classifier(self.dropout(one)).float()
            for classifier, one in zip(self.map_classifiers, described.unbind(1), strict=True)
        ]
        branches = torch.cat([prediction.branch_logits, torch.stack(of_map, dim=1)], dim=1)
        return replace(prediction, branch_logits=branches)

    def glimpses(self, pixels: Tensor | Sequence[Tensor], windows: Tensor, cells: Cells) -> Tensor:
        """Cut the windows out of clips: (B, K, 3, T, h, w), float.

        With `window_gradient` "map" they have no gradient for the windows.

        Args:
            pixels: clips (B, 3, T, H, W), or B clips (3, T, H, W), each of its own size.
            windows: theta (B, K, S, *kind), normalized on the map.
            cells: positions of the map's cells in clips of any height and width.

        Raises:
            ValueError: these are not B clips of so many frames.
        """
        windows = windows.detach() if self.window_gradient == "map" else windows
        aligned = self.heads is None or self.heads.transform.axis_aligned
        cut = partial(self.second_look.glimpses, axis_aligned=aligned)
        if isinstance(pixels, Tensor):
            return cut(pixels, windows, cells.resized((pixels.shape[3], pixels.shape[4])))
        shapes = [tuple(one.shape) for one in pixels]
        num_frames = cells.clip_thw[0]
        if [shape[:-2] for shape in shapes] != [(3, num_frames)] * len(windows):
            raise ValueError(
                f"sources must be {len(windows)} clips (3, {num_frames}, H, W), got {shapes}"
            )
        return torch.cat(
            [
                cut(one[None], own, cells.resized((one.shape[2], one.shape[3])))
                for one, own in zip(pixels, windows.split(1), strict=True)
            ]
        )

    def freeze_until(self, path: str, example: Tensor) -> None:
        """Freeze the trunk up to a stage; see `FocusedNetwork`."""
        super().freeze_until(path, self.second_look.reduced(example))

    def first_look(self, clip: Tensor) -> Tensor:
        """Return clips (B, 3, T, H, W) at the size of the first look; features as they are."""
        return clip if self.stages_before is not None else self.second_look.reduced(clip)

    def behind(
        self, path: str, example: Tensor, *, clip_thw: tuple[int, int, int] | None = None,
        precision: StoredPrecision = "float32",
    ) -> FocusedNetwork:  # fmt: skip
        """Return the part behind a stage, of features of the first look; see `FocusedNetwork`.

        It takes the clips' pixels beside them, as `sources`, and has a copy of the stages up to
        this one for the glimpses.
        """
        look = self.first_look(example)
        look_thw = None if clip_thw is None else (clip_thw[0], *self.second_look.look_size)
        rest = super().behind(path, look, clip_thw=look_thw)
        rest._modules["stages_before"] = FrozenStages(self.trunk, path, look, precision)
        rest._modules["glimpse_normalization"] = self.normalization
        return rest

    def checked_windows(self, theta: Sequence[Tensor] | None, batch_size: int) -> Tensor | None:
        """Return the windows given, None if none are; those of attention are boxes, not weights.

        Raises:
            ValueError: they have another shape.
        """
        assert self.readout is not None
        if theta is None or self.readout.kind:
            return self.readout.checked(theta, batch_size)
        expected = (batch_size, self.readout.num_descriptions)
        shapes = [tuple(one.shape) for one in theta]
        if [(len(s) == 5, s[:2], s[3:]) for s in shapes] != [(True, expected, AFFINE)]:
            raise ValueError(
                f"theta must be a sequence of one tensor ({expected[0]}, {expected[1]}, S, 2, 3), "
                f"got shapes {shapes}"
            )
        return theta[0]

    def windows_of(self, places: Tensor) -> Tensor:
        """Return the windows at places of the read-out: its theta, or boxes of its weights."""
        assert self.readout is not None
        return places if self.readout.kind else mass_windows(places)

    def glimpse_maps(self, glimpses: Tensor) -> Tensor:
        """Return the maps of glimpses (N, 3, T, h, w), behind the stage that features are of."""
        assert self.stages_before is not None
        assert self.glimpse_normalization is not None
        return self.stages_before(self.glimpse_normalization(glimpses))

    def _first_look(
        self, look: Tensor, theta: Sequence[Tensor] | None, extents: Tensor | None
    ) -> tuple[Focus, Tensor, Tensor]:
        """Return the windows, the trunk's features (B, D) and the map's means (B, K, C).

        The focus is in pixels of the first look.
        """
        placement = self.placement
        assert placement is not None
        given = self.checked_windows(theta, look.shape[0])
        hook = GlimpseHook(
            placement.readout, look.shape[0], glimpse="pooled", extents=extents,
            given=given if placement.readout.kind else None, layout=placement.layout,
        )  # fmt: skip
        with watched(self.trunk, [placement], [hook]):
            features = self.trunk_features(look)
        windows = given
        if windows is None:
            places = hook.weights if hook.theta is None else hook.theta
            assert places is not None
            windows = self.windows_of(places)
        cells = placement.stage_cells.of(self.trunk, look, hook.size_thw)
        focus = placement.readout.focus(windows, None, placement.at, cells, extents)
        return focus, features, hook.descriptions.mean(-1)

    def _glimpse_features(self, glimpses: Tensor) -> Tensor:
        """Return the features (N, D) of glimpses (N, 3, T, h, w)."""
        own = self.second_look.trunk
        if own is not None:
            normalized = self.glimpse_normalization or self._normalized
            return own(normalized(glimpses))
        return self.trunk_features(
            glimpses if self.stages_before is None else self.glimpse_maps(glimpses)
        )


def _checked_readout(readout: Readout | None, window_gradient: WindowGradient) -> Readout:
    """Return a read-out that has windows, and learns if it is there to learn."""
    if window_gradient not in WINDOW_GRADIENTS:
        raise InputError(
            f"window_gradient must be one of {WINDOW_GRADIENTS}, got {window_gradient!r}"
        )
    has_windows = isinstance(readout, WindowReadout | SaliencyReadout | AttentionReadout)
    if not has_windows or (isinstance(readout, WindowReadout) and readout.heads.volumetric):
        raise InputError(
            "glimpse 'zoom' cuts windows out of frames: it needs readout 'windows' (of another "
            "family than volumetric), 'saliency' or 'attention'"
        )
    if isinstance(readout, AttentionReadout) and window_gradient != "map":
        raise InputError(
            "the windows of attention have no gradient by pixels: glimpse 'zoom' with readout "
            "'attention' needs window_gradient 'map'"
        )
    return readout
