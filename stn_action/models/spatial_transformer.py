"""A spatial transformer between any two layers."""

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.theta import VOLUMETRIC
from stn_action.geometry.transform_choices import Padding, Sampler, TransformName
from stn_action.geometry.transforms import build_transform
from stn_action.models.heads import FocusHeads
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.model_choices import LocalizationName, ThetaPer


class SpatialTransformer(nn.Module):
    """One spatial transformer in line (Jaderberg et al. 2015, section 3): features to features.

    It starts as the identity: unbounded families change nothing before they are trained. A
    network may have several. Their theta can be passed on to later layers, as in the paper's
    section 3.4.

    Args:
        channels: C of the features.
        transform: name of the family: translation, attention, anisotropic, similarity, affine,
            projective, tps, or volumetric (clips only: resamples space and time).
        size: height and width of the result, of "volumetric" time steps, height and width; one
            number for all of them; None keeps the input's.
        image_size: height and width of the images that flat vectors hold; None: features are maps
            or clips.
        theta_per: one theta per "clip" or per time "step"; no difference for maps.
        gain: see `EqualizedConv2d`; 1 for a relative learning rate of 1.
        detach: stop the localization network's gradients at the features.
        motion: add a clip's change over time to the localization network's input.
        sampler: see `geometry.sampling`.
        padding: values beyond the map: "zeros", or those of the "border".
        localization: `LocalizationSettings`, or their name, or your own network, (N, C, H, W) to
            (N, P), with motion (N, 2C, H, W); see `FocusHeads`.
        **settings: of the family: bounded, start_scale, min_scale, max_scale, ...

    Shape:
        maps (B, C, H, W) to (B, C, *size), clips (B, C, T, H, W) to (B, C, T, *size), with
        "volumetric" to (B, C, *size), flat vectors (B, C * H * W) to (B, C * h * w).

    Raises:
        InputError: an unknown family or setting, or a size of another number of sides.
    """

    def __init__(
        self,
        channels: int,
        transform: TransformName = "affine",
        size: int | tuple[int, ...] | None = None,
        *,
        image_size: tuple[int, int] | None = None,
        theta_per: ThetaPer = "clip",
        gain: float = 1.0,
        detach: bool = False,
        motion: bool = False,
        sampler: Sampler = "auto",
        padding: Padding = "zeros",
        localization: LocalizationName | LocalizationSettings | nn.Module = "grid",
        **settings: float | bool | None,
    ) -> None:
        super().__init__()
        family = build_transform(transform, 1, **{"bounded": False, **settings})
        num_sides = 3 if family.theta_shape == VOLUMETRIC else 2
        sides = (size,) * num_sides if isinstance(size, int) else size
        if sides is not None and (len(sides) != num_sides or min(sides) < 1):
            raise InputError(
                f"size must be {num_sides} positive numbers for transform {transform!r}, or one "
                f"for all, got {size!r}"
            )
        self.size = None if sides is None else tuple(sides)
        self.image_size = image_size
        self.heads = FocusHeads(
            channels, family, theta_per=theta_per, gain=gain, detach=detach, motion=motion,
            sampler=sampler, padding=padding, localization=localization,
        )  # fmt: skip

    def forward(
        self, features: Tensor, *, return_theta: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Transform features; see the class for shapes.

        Args:
            features: maps, clips or flat vectors.
            return_theta: also return theta, (B, *kind), or (B, T, *kind) with one per step.

        Raises:
            ValueError: the features have another shape.
        """
        clips = self._as_clips(features)  # (B, C, T, H, W)
        theta = self.heads(clips)
        result = self._glimpse(clips, theta)
        if features.dim() == 2:
            result = result.flatten(1)
        elif features.dim() == 4:
            result = result.squeeze(2)
        if not return_theta:
            return result
        theta = theta.squeeze(1)  # (B, S, *kind)
        per_step = self.heads.theta_per == "step" and features.dim() == 5
        return result, theta if per_step else theta.squeeze(1)

    def extra_repr(self) -> str:
        """Return the channels, the family and the size of the result."""
        heads = self.heads
        size = "that of its input" if self.size is None else self.size
        return f"{heads.channels}, {heads.transform.name}, size={size}"

    def _glimpse(self, clips: Tensor, theta: Tensor) -> Tensor:
        """Sample the glimpse (B, C, T, h, w)."""
        heads = self.heads
        if heads.volumetric:
            size = self.size or tuple(clips.shape[2:])
            return heads.volume_glimpses(clips, theta, size).squeeze(1)
        size = self.size or tuple(clips.shape[-2:])
        return heads.glimpses(clips, theta, (size[0], size[1])).squeeze(1)

    def _as_clips(self, features: Tensor) -> Tensor:
        C = self.heads.channels
        if self.image_size is not None:
            H, W = self.image_size
            if features.dim() != 2 or features.shape[1] != C * H * W:
                raise ValueError(
                    f"features must be flat images (B, {C * H * W}), got {tuple(features.shape)}"
                )
            return features.view(-1, C, 1, H, W)
        known = (5,) if self.heads.volumetric else (4, 5)
        if features.dim() not in known or features.shape[1] != C:
            maps = "" if self.heads.volumetric else f"(B, {C}, H, W) or "
            raise ValueError(
                f"features must be {maps}(B, {C}, T, H, W), got {tuple(features.shape)}"
            )
        return features if features.dim() == 5 else features.unsqueeze(2)
