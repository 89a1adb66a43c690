"""Spatial transformer heads: a feature map to windows on it and glimpses of it.

Letters: K heads, S thetas of a clip (1, or one for every time step of the map).
"""

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import sample_clips
from stn_action.geometry.family import Transform
from stn_action.geometry.sampling import sample
from stn_action.geometry.smoothing import smooth_steps
from stn_action.geometry.theta import VOLUMETRIC, at_least_float32, without_autocast
from stn_action.geometry.tiles import foreground_boxes
from stn_action.geometry.transform_choices import PADDINGS, SAMPLERS, Padding, Sampler
from stn_action.geometry.windows import AxisAligned
from stn_action.models.float32 import KeptInFloat32
from stn_action.models.heatmap_localization import HeatmapLocalization
from stn_action.models.localization_input import LocalizationInput
from stn_action.models.localization_table import LocalizationSettings, build_localization
from stn_action.models.model_choices import (
    STARTS,
    LocalizationName,
    Start,
    ThetaPer,
)


class FocusHeads(KeptInFloat32):
    """K spatial transformers on one feature map, with one localization network for all.

    The input of the localization network is a `LocalizationInput`. It is detached from the trunk
    by default, so that the trunk learns from what the glimpses show and not from what moves them.
    In a network of half precision they stay in float32.

    Args:
        channels: C of the features.
        transform: the family of theta, made for K windows.
        theta_per: one theta per "clip" or per time "step"; volumetric theta is always per clip.
        theta_smoothing: with one theta per step, how many steps it is averaged over, odd; see
            `smooth_steps`.
        start: the windows start on "tiles" of the map, or of the "foreground", each clip's person;
            see `base_of`.
        localization: `LocalizationSettings`, or their name, or your own network, (N, input
            channels, H, W) to (N, K * P).
        gain: see `EqualizedConv2d`.
        detach: stop the localization network's gradients at the features.
        motion: add the map's change over time to the localization network's input.
        localization_size: height and width that maps are reduced to for the localization network;
            None: as they are.
        sampler: see `geometry.sampling`.
        padding: values beyond the map: "zeros", or those of the "border".
    """

    base: Tensor

    def __init__(
        self,
        channels: int,
        transform: Transform,
        *,
        theta_per: ThetaPer = "clip",
        theta_smoothing: int = 1,
        start: Start = "tiles",
        localization: LocalizationName | LocalizationSettings | nn.Module = "grid",
        gain: float = 1.0,
        detach: bool = True,
        motion: bool = True,
        localization_size: tuple[int, int] | None = None,
        sampler: Sampler = "auto",
        padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        self.volumetric = transform.theta_shape == VOLUMETRIC
        if self.volumetric and theta_per != "clip":
            raise InputError(
                f"volumetric theta is one per clip: theta_per must be 'clip', got {theta_per!r}"
            )
        if sampler not in SAMPLERS or padding not in PADDINGS:
            raise InputError(
                f"sampler must be one of {SAMPLERS} and padding one of {PADDINGS}, "
                f"got {sampler!r} and {padding!r}"
            )
        if sampler in ("separable", "area") and not transform.axis_aligned:
            raise InputError(
                f"sampler {sampler!r} is for axis-aligned families; {transform.name} is not one: "
                "use 'auto' or 'grid'"
            )
        _check_smoothing(theta_smoothing, theta_per)
        _check_start(start, transform)
        self.channels = channels
        self.transform = transform
        self.num_heads = transform.num_heads
        self.theta_per = theta_per
        self.theta_smoothing = theta_smoothing
        self.start = start
        self.detach = detach
        self.sampler: Sampler = sampler
        self.padding: Padding = padding
        self.localization_input = LocalizationInput(
            "volume" if self.volumetric else theta_per, motion, localization_size
        )
        if isinstance(localization, str):
            localization = LocalizationSettings(localization)
        if isinstance(localization, LocalizationSettings):
            in_channels = self.localization_input.channels_for(channels)
            localization = build_localization(localization, in_channels, transform, gain=gain)
        self.localization = localization
        self.register_buffer("base", transform.base, persistent=False)

    @property
    def gain(self) -> float:
        """Return the factor by which the localization network's stored weights are multiplied."""
        return float(getattr(self.localization, "gain", 1.0))

    def extra_repr(self) -> str:
        """Return the channels, and the number and family of the windows."""
        windows = "window" if self.num_heads == 1 else "windows"
        return (
            f"{self.channels}, {self.num_heads} {self.transform.name} {windows} per "
            f"{self.theta_per}"
        )

    def forward(self, features: Tensor, extents: Tensor | None = None) -> Tensor:
        """Compute theta (B, K, S, *kind), float32 or wider.

        Args:
            features: (B, C, T, H, W).
            extents: (B, T, 2, 4) of the clips; see `base_of`.

        Raises:
            ValueError: the features have another number of channels.
        """
        return self.theta_of(self.evidence(features), extents)

    def evidence(self, features: Tensor) -> Tensor:
        """Return the localization network's input (B, S, C', H, W) of features (B, C, T, H, W).

        Raises:
            ValueError: as the call.
        """
        if features.shape[1] != self.channels:
            raise ValueError(
                f"features must be (B, {self.channels}, T, H, W), got {tuple(features.shape)}: the "
                "heads were built for maps of another stage, layout or batch"
            )
        return self.localization_input(features.detach() if self.detach else features)

    def theta_of(self, evidence: Tensor, extents: Tensor | None = None) -> Tensor:
        """Compute theta (B, K, S, *kind), float32 or wider, of `evidence` (B, S, C', H, W)."""
        with without_autocast(evidence):
            raw = self._raw(at_least_float32(evidence), extents)  # (B, S, K, P)
            if self.theta_smoothing > 1:
                raw = smooth_steps(raw, self.theta_smoothing)
            theta = self.transform.build(raw)
        return theta.transpose(1, 2)

    def base_of(self, extents: Tensor | None) -> Tensor:
        """Return theta before anything is learned.

        Args:
            extents: (B, T, 2, 4) of the clips (see `batch.Batch`), or None.

        Returns:
            (K, *kind), tiles of the map, the same for every clip; or with start="foreground" and
            extents (B, K, *kind), tiles of each clip's person.
        """
        if self.start == "tiles" or extents is None:
            return self.base
        return self.transform.build(self._start_of(extents))

    def _raw(self, inputs: Tensor, extents: Tensor | None) -> Tensor:
        maps = inputs.flatten(0, 1)
        B, S = inputs.shape[:2]
        if isinstance(self.localization, HeatmapLocalization):
            base = self.base_of(extents)
            if base.dim() == 4:
                base = base.repeat_interleave(S, dim=0)
            return self.localization(maps, base).unflatten(0, (B, S))
        raw = self.localization(maps).reshape(B, S, self.num_heads, self.transform.num_parameters)
        if self.start == "tiles" or extents is None:
            return raw
        return raw + self._start_of(extents)[:, None]

    def _start_of(self, extents: Tensor) -> Tensor:
        """Return the raw numbers (B, K, P) of windows that tile each clip's person."""
        assert isinstance(self.transform, AxisAligned)
        return self.transform.raw_within(foreground_boxes(extents.to(self.base)))

    def glimpses(self, features: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Sample the windows: (B, K, C, T, h, w) of features (B, C, T, H, W)."""
        if self.volumetric:
            return self.volume_glimpses(features, theta, (features.shape[2], *size))
        return sample_clips(
            features, theta, size, axis_aligned=self.transform.axis_aligned,
            sampler=self.sampler, padding=self.padding,
        )  # fmt: skip

    def volume_glimpses(self, features: Tensor, theta: Tensor, size: tuple[int, ...]) -> Tensor:
        """Sample volumetric windows: (B, K, C, t, h, w) for size (t, h, w)."""
        theta = theta.squeeze(2)
        return sample(features, theta, size, sampler=self.sampler, padding=self.padding)


def _check_smoothing(num_steps: int, theta_per: ThetaPer) -> None:
    if num_steps < 1 or num_steps % 2 == 0:
        raise InputError(f"theta_smoothing must be an odd number of steps, got {num_steps}")
    if num_steps > 1 and theta_per != "step":
        raise InputError(
            f"theta_smoothing averages over steps: it needs theta_per 'step', got {theta_per!r} "
            f"with theta_smoothing {num_steps}"
        )


def _check_start(start: Start, transform: Transform) -> None:
    if start not in STARTS:
        raise InputError(f"start must be one of {STARTS}, got {start!r}")
    if start == "foreground" and not isinstance(transform, AxisAligned):
        raise InputError(
            f"start 'foreground' is for axis-aligned families; {transform.name} is not one: use "
            "transform 'attention', 'anisotropic' or 'translation', or start 'tiles'"
        )
