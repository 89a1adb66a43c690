"""The heads: a feature map to glimpses of it, and the record of where they looked.

Letters: K heads, S thetas of a clip (1, or one for every time step of the map).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.sampling import pooled, sample
from stn_action.geometry.transforms import TRANSFORMS, Transform
from stn_action.models.localization import LocalizationNetwork

THETA_PER = ("clip", "step")


@dataclass(frozen=True)
class Cells:
    """Where the cells of a stage's map lie in the clip that the network was given.

    Strided convolutions shift a map against its input by parts of a cell; drawing has to undo it.
    """

    size_thw: tuple[int, int, int]
    """Time steps, rows and columns of the map."""

    clip_thw: tuple[int, int, int]
    """Frames, rows and columns of the clip."""

    first_thw: tuple[float, float, float]
    """Frame, row and column of the clip at the centre of the map's first cell; whole numbers are
    the centres of frames and pixels."""

    step_thw: tuple[float, float, float]
    """Frames, rows and columns of the clip from one cell to the next."""

    @classmethod
    def centred(cls, size_thw: tuple[int, int, int], clip_thw: tuple[int, int, int]) -> "Cells":
        """Cells that share the clip out evenly, as if nothing had shifted them."""
        step = [clip / size for clip, size in zip(clip_thw, size_thw, strict=True)]
        return cls(
            size_thw, clip_thw, ((step[0] - 1) / 2, (step[1] - 1) / 2, (step[2] - 1) / 2),
            (step[0], step[1], step[2]),
        )  # fmt: skip


@dataclass(frozen=True)
class Focus:
    """Where the heads of one placement looked, with what is needed to draw it."""

    theta: Tensor
    """(B, K, S, 2, 3) float32, output to input, normalized on the stage's map."""

    base: Tensor
    """(K, 2, 3): where theta started."""

    stage: str
    """Module path of the stage in the trunk."""

    cells: Cells
    """Where the map lies in the clip."""

    min_scale: float = 0.0
    """The floor of the windows' scale; 0 where the family has none."""


class FocusHeads(nn.Module):
    """K spatial transformers on one feature map, with one localization network between them.

    The localization network sees, for one theta a clip, the map's mean over time and the mean
    size of its change from step to step; for one theta a step, the step's map and its change from
    the step before. Its input is detached from the trunk by default, so that the trunk learns
    from what the glimpses show and not from what moves them.
    """

    def __init__(
        self,
        channels: int,
        transform: Transform,
        num_heads: int,
        *,
        theta_per: Literal["clip", "step"] = "clip",
        gain: float = 1.0,
        detach: bool = True,
    ) -> None:
        super().__init__()
        if theta_per not in THETA_PER:
            raise InputError(f"theta_per must be one of {THETA_PER}, got {theta_per!r}")
        self.channels = channels
        self.transform = transform
        self.num_heads = num_heads
        self.theta_per = theta_per
        self.detach = detach
        self.localization = LocalizationNetwork(
            2 * channels, num_heads * transform.num_parameters, gain=gain
        )

    @property
    def base(self) -> Tensor:
        """Theta (K, 2, 3) at raw = 0, where the heads start."""
        raw = self.localization.output.weight.new_zeros(
            self.num_heads, self.transform.num_parameters
        )
        return self.transform.build(raw)

    def forward(self, features: Tensor) -> Tensor:
        """Theta (B, K, S, 2, 3), float32, for features (B, C, T, H, W)."""
        if self.detach:
            features = features.detach()
        evidence = _evidence(features, per_step=self.theta_per == "step")  # (B, S, 2C, H, W)
        B, S = evidence.shape[:2]
        with torch.autocast(features.device.type, enabled=False):
            raw = self.localization(evidence.flatten(0, 1))
            theta = self.transform.build(raw.view(B, S, self.num_heads, -1))
        return theta.transpose(1, 2)

    def glimpses(self, features: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """What the heads look at: (B, K, C, T, h, w) of features (B, C, T, H, W)."""
        maps, theta, unfold = _fold_time(features, theta)
        cut = sample(maps, theta, size, axis_aligned=self.transform.axis_aligned)
        return unfold(cut)

    def pooled_glimpses(self, features: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
        """The spatial means of the glimpses: (B, K, C, T) of features (B, C, T, H, W)."""
        maps, theta, unfold = _fold_time(features, theta)
        means = pooled(maps, theta, size, axis_aligned=self.transform.axis_aligned)
        return unfold(means)


class SpatialTransformer(nn.Module):
    """One spatial transformer in line (Jaderberg et al. 2015, section 3): features to features.

    Args:
        channels: C of the features.
        transform: name of the family: affine (unbounded, starts at the identity), attention or
            translation (both bounded to the map, start at its middle).
        size: height and width of the result; None keeps the input's.
        theta_per: one theta per "clip" or per time "step".
        gain: see `LocalizationNetwork`; 1 for a relative learning rate of 1.

    Shape:
        (B, C, H, W) to (B, C, *size), or (B, C, T, H, W) to (B, C, T, *size).
    """

    def __init__(
        self,
        channels: int,
        transform: str = "affine",
        size: tuple[int, int] | None = None,
        *,
        theta_per: Literal["clip", "step"] = "clip",
        gain: float = 1.0,
        detach: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.heads = FocusHeads(
            channels, build_transform(transform, 1), 1,
            theta_per=theta_per, gain=gain, detach=detach,
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """The transformed features; see the class for shapes."""
        if features.dim() not in (4, 5) or features.shape[1] != self.heads.channels:
            raise ValueError(
                f"features must be (B, {self.heads.channels}, H, W) or "
                f"(B, {self.heads.channels}, T, H, W), got {tuple(features.shape)}"
            )
        clips = features if features.dim() == 5 else features.unsqueeze(2)  # (B, C, T, H, W)
        theta = self.heads(clips)
        size = self.size or (features.shape[-2], features.shape[-1])
        result = self.heads.glimpses(clips, theta, size).squeeze(1)  # (B, C, T, h, w)
        return result if features.dim() == 5 else result.squeeze(2)


def build_transform(name: str, num_heads: int, **settings: float) -> Transform:
    """The family called `name` for `num_heads` windows.

    Raises:
        InputError: there is no such family.
    """
    if name not in TRANSFORMS:
        raise InputError(f"transform must be one of {sorted(TRANSFORMS)}, got {name!r}")
    return TRANSFORMS[name](num_heads, **settings)


def _evidence(features: Tensor, *, per_step: bool) -> Tensor:
    """(B, S, 2C, H, W): what is there and how much it changes, of features (B, C, T, H, W)."""
    change = features.diff(dim=2).abs()
    if not per_step:
        moving = change.mean(2) if features.shape[2] > 1 else torch.zeros_like(features[:, :, 0])
        return torch.cat([features.mean(2), moving], dim=1).unsqueeze(1)
    change = torch.cat([torch.zeros_like(features[:, :, :1]), change], dim=2)
    return torch.cat([features, change], dim=1).transpose(1, 2)


def _fold_time(features: Tensor, theta: Tensor):
    """Maps (N, C', H, W) and theta (N, K, 2, 3) that belong together, and the way back."""
    B, C, T = features.shape[:3]
    if theta.shape[2] == 1:  # the clip's frames share a window: treat them as channels
        return features.flatten(1, 2), theta[:, :, 0], lambda x: x.unflatten(2, (C, T))
    if theta.shape[2] != T:
        raise ValueError(f"theta must be for 1 or {T} time steps, got {theta.shape[2]}")
    return (
        features.transpose(1, 2).flatten(0, 1),
        theta.transpose(1, 2).flatten(0, 1),
        lambda x: x.unflatten(0, (B, T)).movedim(1, 3),  # (B, K, C, T, ...)
    )
