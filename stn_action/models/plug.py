"""Heads plugged into a video network of anybody's, in one call."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.transform_choices import Padding, Sampler, TransformName
from stn_action.geometry.transforms import build_transform
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.heads import FocusHeads
from stn_action.models.model_choices import GLIMPSES, Glimpse, Temporal, ThetaPer
from stn_action.models.network import FocusedNetwork
from stn_action.models.stages import evaluating, features_at
from stn_action.models.temporal import build_temporal


def plug(
    trunk: nn.Module,
    *,
    at: str = "",
    heads: int = 4,
    num_classes: int,
    transform: TransformName = "attention",
    glimpse: Glimpse = "tail",
    theta_per: ThetaPer = "clip",
    gain: float = 300.0,
    temporal: Temporal = "mean",
    detach: bool = True,
    motion: bool = True,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
    random_windows: RandomWindows | None = None,
    dropout: float = 0.0,
    branch_classifiers: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    example: Tensor | None = None,
    **transform_settings: float | bool | None,
) -> FocusedNetwork:
    """Plug K spatial transformer heads into a video network, after one of its stages.

    The trunk's last linear layer is taken off (in place); a new classifier sees the trunk's
    features of the whole clip and those of the K glimpses side by side.

    Args:
        trunk: clips (B, 3, T, H, W) to scores or features (B, D).
        at: module path of the stage that the heads look at; needed with heads.
        heads: K; 0 gives the trunk with a new classifier.
        num_classes: width of the new classifier.
        transform: family of the windows: translation, attention, anisotropic, similarity, affine,
            projective, tps or volumetric.
        glimpse: "tail" sends glimpses of the map's own size through the rest of the trunk, as
            further clips of the batch; "pooled" takes their means, beside the trunk's features;
            "in_line" puts the one head's glimpse in the map's place.
        theta_per: one window per "clip" or per time "step" of the map.
        gain: of the equalised localization network; see `LocalizationNetwork`.
        temporal: how pooled glimpses become one description of the clip; a frame-wise trunk that
            describes maps of so many channels itself shares that module with them.
        detach: hide the localization network's gradient from the trunk.
        motion: show the localization network how the map changes over time too.
        sampler: see `geometry.sampling`.
        padding: beyond the map everything is "zeros", or as the "border" pixel.
        random_windows: train on one more glimpse, of a random window; see `FocusedNetwork`.
        dropout: before the classifier.
        branch_classifiers: give every branch an auxiliary classifier of its own.
        mean: of each channel, in units of a pixel value in [0, 255]; None: clips come normalised.
        std: of each channel, likewise.
        example: a clip (1, 3, T, H, W) that the trunk accepts; default 16 frames of 112 x 112.
        **transform_settings: of the family: bounded, start_scale, min_scale, max_scale, ...

    Returns:
        A network of clips (B, 3, T, H, W) to `Prediction`.

    Raises:
        InputError: there is no such stage, or the trunk does not end in (B, D).
    """
    if glimpse not in GLIMPSES:
        raise InputError(f"glimpse must be one of {GLIMPSES}, got {glimpse!r}")
    device = next((parameter.device for parameter in trunk.parameters()), torch.device("cpu"))
    example = torch.zeros(1, 3, 16, 112, 112) if example is None else example
    example = example.to(device)
    focus_heads = describe = None
    if heads:
        with evaluating(trunk):
            channels = features_at(trunk, at, example).shape[1]
        family = build_transform(transform, heads, **transform_settings)
        focus_heads = FocusHeads(
            channels, family, theta_per=theta_per, gain=gain, detach=detach, motion=motion,
            sampler=sampler, padding=padding,
        )  # fmt: skip
        if glimpse == "pooled":
            describe = _description(trunk, temporal, channels)
    # last, so that a trunk is left alone if anything is wrong
    num_features = _take_classifier_off(trunk, example)
    return FocusedNetwork(
        trunk, focus_heads, at=at, num_features=num_features, num_classes=num_classes,
        describe=describe, in_line=glimpse == "in_line", random_windows=random_windows,
        dropout=dropout, branch_classifiers=branch_classifiers,
        mean=mean, std=std,
    ).to(device)  # fmt: skip


def _description(trunk: nn.Module, temporal: Temporal, channels: int) -> nn.Module:
    """What joins pooled glimpses over time: the trunk's own module where it fits, or a new one."""
    own = getattr(trunk, "temporal", None)
    if isinstance(own, nn.Module) and getattr(own, "in_channels", None) == channels:
        return own
    return build_temporal(temporal, channels)


def _take_classifier_off(trunk: nn.Module, example: Tensor) -> int:
    """Exchange the linear layer that ends the trunk for the identity; D of what is left."""
    last: list[tuple[str, Tensor]] = []

    def note(name: str):
        return lambda module, inputs, output: last.append((name, output))

    linears = {n: m for n, m in trunk.named_modules() if isinstance(m, nn.Linear) and n}
    handles = [module.register_forward_hook(note(name)) for name, module in linears.items()]
    try:
        with evaluating(trunk):
            output = trunk(example)
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor) or output.dim() != 2:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(f"the trunk must end in scores or features (B, D), got {shape}")
    if not last or last[-1][1] is not output:
        return output.shape[1]
    name = last[-1][0]
    parent, _, child = name.rpartition(".")
    setattr(trunk.get_submodule(parent), child, nn.Identity())
    return linears[name].in_features
