"""Spatial transformer heads: a feature map to windows on it and glimpses of it.

Letters: K heads, S thetas of a clip (1, or one for every time step of the map).
"""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import fold_time, sample_clips
from stn_action.geometry.family import Transform
from stn_action.geometry.sampling import pooled, sample
from stn_action.geometry.theta import VOLUMETRIC, at_least_float32
from stn_action.geometry.transform_choices import PADDINGS, SAMPLERS, Padding, Sampler
from stn_action.models.float32 import KeptInFloat32
from stn_action.models.localization import LocalizationNetwork
from stn_action.models.localization_input import LocalizationInput
from stn_action.models.model_choices import ThetaPer


class FocusHeads(KeptInFloat32):
    """K spatial transformers on one feature map, with one localization network for all.

    The input of the localization network is a `LocalizationInput`. It is detached from the trunk
    by default, so that the trunk learns from what the glimpses show and not from what moves them.
    In a network of half precision they stay in float32.

    Args:
        channels: C of the features.
        transform: the family of theta, made for K windows.
        theta_per: one theta per "clip" or per time "step"; volumetric theta is always per clip.
        gain: see `LocalizationNetwork`.
        detach: stop the localization network's gradients at the features.
        motion: add the map's change over time to the localization network's input.
        sampler: see `geometry.sampling`.
        padding: values beyond the map: "zeros", or those of the "border".
        localization: your own network, (N, input channels, H, W) to (N, K * P).
    """

    base: Tensor

    def __init__(
        self,
        channels: int,
        transform: Transform,
        *,
        theta_per: ThetaPer = "clip",
        gain: float = 1.0,
        detach: bool = True,
        motion: bool = True,
        sampler: Sampler = "auto",
        padding: Padding = "zeros",
        localization: nn.Module | None = None,
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
        self.channels = channels
        self.transform = transform
        self.num_heads = transform.num_heads
        self.theta_per = theta_per
        self.detach = detach
        self.sampler: Sampler = sampler
        self.padding: Padding = padding
        self.localization_input = LocalizationInput(
            "volume" if self.volumetric else theta_per, motion
        )
        self.localization = localization or LocalizationNetwork(
            self.localization_input.channels_for(channels),
            self.num_heads * transform.num_parameters,
            gain=gain,
        )
        self.register_buffer("base", transform.base, persistent=False)

    @property
    def gain(self) -> float:
        """Return the factor by which the localization network's stored weights are multiplied."""
        return float(getattr(self.localization, "gain", 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Compute theta (B, K, S, *kind), float32 or wider, of features (B, C, T, H, W).

        Raises:
            ValueError: the features have another number of channels.
        """
        if features.shape[1] != self.channels:
            raise ValueError(
                f"features must be (B, {self.channels}, T, H, W), got {tuple(features.shape)}: the "
                "heads were built for maps of another stage, layout or batch"
            )
        if self.detach:
            features = features.detach()
        inputs = self.localization_input(features)  # (B, S, C', H, W)
        with torch.autocast(features.device.type, enabled=False):
            raw = self.localization(at_least_float32(inputs.flatten(0, 1)))
            raw = raw.reshape(*inputs.shape[:2], self.num_heads, self.transform.num_parameters)
            theta = self.transform.build(raw)
        return theta.transpose(1, 2)

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

    def pooled_glimpses(self, features: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """Compute the glimpses' spatial means (B, K, C, T) of features (B, C, T, H, W)."""
        if self.volumetric:
            return self.glimpses(features, theta, size).mean((-2, -1))
        maps, theta, unfold = fold_time(features, theta)
        return unfold(
            pooled(
                maps, theta, size, axis_aligned=self.transform.axis_aligned,
                sampler=self.sampler, padding=self.padding,
            )
        )  # fmt: skip
