"""Heads, or another read-out, plugged into any video network in one call."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.transform_choices import Padding, Sampler, TransformName
from stn_action.models.classifier import remove_classifier
from stn_action.models.glimpse_check import check_glimpses
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.input_size import FAILURES, check_input_size, sizes_taken
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.map_layout import CHANNELS_FIRST, OutputKey
from stn_action.models.model_choices import (
    GLIMPSES,
    Glimpse,
    LocalizationName,
    LocalizationPadding,
    ReadoutName,
    Start,
    Temporal,
    ThetaPer,
    WindowGradient,
)
from stn_action.models.network import FocusedNetwork
from stn_action.models.placement import check_placements
from stn_action.models.placement_building import PlacementSettings, build_placements, stage_paths
from stn_action.models.readouts.readout_table import ReadoutSettings, check_readout
from stn_action.models.readouts.saliency_readout import SALIENCY_SHARE
from stn_action.models.second_look import SecondLook
from stn_action.models.stages import evaluating
from stn_action.models.trunk_features import keep_trunk_until
from stn_action.models.zoom_network import ZoomNetwork


def plug(
    trunk: nn.Module,
    at: str | Sequence[str] = "",
    *,
    heads: int = 4,
    num_classes: int | None = None,
    transform: TransformName = "attention",
    glimpse: Glimpse | None = None,
    look_size: int | Sequence[int] | None = None,
    glimpse_size: int | Sequence[int] | None = None,
    glimpse_trunk: nn.Module | None = None,
    window_gradient: WindowGradient = "pixels",
    readout: ReadoutName = "windows",
    saliency_share: tuple[float, float] = SALIENCY_SHARE,
    theta_per: ThetaPer = "clip",
    theta_smoothing: int = 1,
    start: Start = "tiles",
    localization: LocalizationName = "grid",
    localization_padding: LocalizationPadding = "zeros",
    localization_kernels: Sequence[int] = (7, 5),
    localization_channels: int = 32,
    localization_grid: int = 7,
    localization_size: int | Sequence[int] | None = None,
    localization_stages: Sequence[str] = (),
    localization_pretrained: bool = True,
    gain: float = 300.0,
    temporal: Temporal = "mean",
    detach: bool = True,
    motion: bool = True,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
    random_windows: RandomWindows | None = None,
    dropout: float = 0.5,
    branch_classifiers: bool = True,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    example: Tensor | None = None,
    output: OutputKey | Sequence[OutputKey | None] | None = None,
    channels_last: bool | None = None,
    grid: Sequence[int] | None = None,
    features_from: str | None = None,
    **transform_settings: float | bool | None,
) -> FocusedNetwork:
    """Plug K spatial transformer heads into a video network, after one of its stages.

    The trunk's classifier is taken off in place (see `remove_classifier`); a new classifier
    sees the trunk's features of the entire clip and those of the K glimpses side by side. In place
    of the heads' windows another read-out of the same map can be plugged in, to compare with.

    Args:
        trunk: clips (B, 3, T, H, W) to scores or features (B, D).
        at: module path of the stage that the heads look at, or several paths, which get heads of
            their own each (the same number, with the same settings); needed with heads.
        heads: K windows, queries of attention or rectangles of saliency; the other read-outs have
            one description for any K; 0: the trunk with a new classifier.
        num_classes: width of the new classifier; None: as wide as the trunk's own.
        transform: family of the windows: translation, attention, anisotropic, similarity, affine,
            projective, tps or volumetric.
        glimpse: "tail" sends glimpses of the map's own size through the rest of the trunk, as
            further clips of the batch; "pooled" averages them, beside the trunk's features;
            "in_line" replaces the map by the glimpses, of several heads side by side in channels,
            which the rest of the trunk must take; "zoom" cuts the windows out of the clip at its
            full size, after a first look at a reduced one, and the trunk sees them too (see
            `ZoomNetwork`). Other read-outs have "pooled" alone, saliency and attention "zoom" too;
            None: "tail" for windows, "pooled" for the others.
        look_size: of "zoom", height and width of the reduced clip.
        glimpse_size: of "zoom", height and width of a glimpse, pixels.
        glimpse_trunk: of "zoom", a trunk of its own for glimpses, whose classifier is taken off.
        window_gradient: of "zoom", windows learn from the glimpses' "pixels" or from the means of
            the "map" in them.
        readout: "windows" of spatial transformer heads; "attention" (K learned queries, one
            softmax over the cells each), "saliency" (the smallest rectangles that hold a share of
            the activation), "foreground" (the mean of the cells inside the image and the person's
            box; needs `extents` in each call), "max" or "mean" over all cells.
        saliency_share: smallest and largest share of the activation in a rectangle of saliency.
        theta_per: one window, or map of weights of attention, per "clip" or per time "step".
        theta_smoothing: with one window per step, how many steps it is averaged over, odd.
        start: windows start on "tiles" of the map, or of the "foreground", the person of each clip
            (as `extents` in each call tell; without them, tiles of the map).
        localization: of windows, "grid": numbers from a small grid of features; "heatmap": one
            heat map per head, whose mean and variance are the window; "dense", "convolutional" or
            "svhn": the paper's plain networks for digits, for maps as large as the example's;
            "trunk": copies of the trunk's stages behind the heads' own (with motion=False).
        localization_padding: beyond the map in the localization network, "zeros" or "replicate".
        localization_kernels: sides of its convolutions behind the reduction, odd.
        localization_channels: of its hidden layers.
        localization_grid: of "grid" and "trunk", its side; 1 pools globally, which loses where
            things are.
        localization_size: height and width that the map is reduced to, by area, for the
            localization network; None: it sees the map as it is.
        localization_stages: of "trunk", the module paths of the stages that are copied.
        localization_pretrained: of "trunk", keep the stages' weights; False: random ones.
        gain: of the equalized localization network; see `EqualizedConv2d`.
        temporal: how pooled glimpses become one description of the clip; a frame-wise trunk that
            describes maps of as many channels shares its own module with them.
        detach: stop the gradients of the localization network, or of attention's keys, at the map.
        motion: add the map's change over time to their input.
        sampler: see `geometry.sampling`.
        padding: values beyond the map: "zeros", or those of the "border".
        random_windows: add a random window in training; see `FocusedNetwork`.
        dropout: before the classifier.
        branch_classifiers: give every branch an auxiliary classifier.
        mean: of each channel, in pixel values from 0 to 255; None: clips are normalized already.
        std: of each channel, likewise.
        example: a clip (1, 3, T, H, W) that the trunk accepts; None: 16 frames of 112 x 112.
        output: index (in a dict the key) of the map where the stage returns several, such as
            SlowFast's pathways (0 the slow one, 1 the fast one); what stands beside it stays as it
            is. Of several stages one, or None, each: at=["blocks.4", "blocks.4"], output=[0, 1] are
            both pathways.
        channels_last: whether the stage's maps are (N, ..., C), as those of Swin transformers;
            None: found out. It is of all stages, as `grid` is.
        grid: (T, H, W) of a stage's tokens (N, L, C), or (H, W) of each frame's; None: found out.
            Tokens before those of the grid, such as the class token, are kept apart.
        features_from: module path of what returns the trunk's features, (B, D) or maps, where its
            classifier cannot be found; what runs behind it is frozen.
        **transform_settings: of the family: bounded, start_scale, min_scale, max_scale, ...;
            start_scale=None is the family's own start.

    Returns:
        A network of clips (B, 3, T, H, W) to `Prediction`.

    Raises:
        InputError: there is no such stage, or it runs more than once, the trunk is compiled, or it
            does not end in (B, D), or in scores that cannot be taken off.
    """
    check_readout(readout)
    _check_kind(trunk, features_from)
    glimpse = _checked_glimpse(glimpse, readout)
    like = next(trunk.parameters(), torch.zeros(()))
    example = torch.zeros(1, 3, 16, 112, 112) if example is None else example
    example = example.to(like)
    second_look = None
    if glimpse == "zoom" and heads:
        second_look = SecondLook(
            _size_of("look_size", look_size), _size_of("glimpse_size", glimpse_size),
            trunk=glimpse_trunk, sampler=sampler,
        )  # fmt: skip
        example = _checked_look(trunk, second_look, example)
    placements = []
    if heads:
        stages = stage_paths(at, output)
        localization_settings = LocalizationSettings(
            localization, localization_padding, tuple(localization_kernels), localization_channels,
            localization_grid, stages=tuple(localization_stages),
            pretrained=localization_pretrained,
        )  # fmt: skip
        settings = ReadoutSettings(
            heads=heads, theta_per=theta_per, detach=detach, motion=motion,
            saliency_share=saliency_share, transform=transform, theta_smoothing=theta_smoothing,
            start=start, gain=gain, sampler=sampler, padding=padding,
            transform_settings=transform_settings,
        )  # fmt: skip
        of_all = PlacementSettings(
            readout, settings, localization_settings, localization_size,
            temporal if glimpse == "pooled" else None, channels_last,
            None if grid is None else tuple(grid),
        )  # fmt: skip
        with evaluating(trunk), _explained(trunk, example):
            placements = build_placements(trunk, stages, example, of_all)
        check_placements(placements, glimpse, random_windows)
    # late, so that a trunk is left alone if anything is wrong
    features_layout, modules = CHANNELS_FIRST, list(trunk.modules())
    with _explained(trunk, example):
        num_scores = _num_scores(trunk, example) if num_classes is None else num_classes
        if features_from is None:
            num_features = remove_classifier(trunk, example)
        else:
            num_features, features_layout = keep_trunk_until(trunk, features_from, example)
    if num_classes is None and features_from is None and modules == list(trunk.modules()):
        raise InputError("num_classes is needed: the trunk ends in features, not in class scores")
    zoom: dict[str, Any] = {}
    if second_look is not None:
        zoom = {"second_look": second_look, "window_gradient": window_gradient}
        if glimpse_trunk is not None:
            cut = example.new_zeros(*example.shape[:3], *second_look.glimpse_size)
            zoom["glimpse_features"] = remove_classifier(glimpse_trunk, cut)
    network = (ZoomNetwork if zoom else FocusedNetwork)(
        trunk, placements, num_features=num_features, num_classes=num_scores,
        glimpse=glimpse if heads else None, random_windows=random_windows,
        dropout=dropout, branch_classifiers=branch_classifiers,
        features_from=features_from, features_layout=features_layout,
        mean=mean, std=std, **zoom,
    )  # fmt: skip
    network.example_thw = (example.shape[2], example.shape[3], example.shape[4])
    for name, part in network.named_children():
        if name != "trunk":
            part.to(like)
    check_glimpses(network, heads, example)
    return network


def _num_scores(trunk: nn.Module, example: Tensor) -> int:
    """Return the width of what a trunk ends in."""
    with evaluating(trunk):
        scores = trunk(example)
    return scores.shape[-1] if isinstance(scores, Tensor) else 0


def _check_kind(trunk: nn.Module, features_from: str | None) -> None:
    """Check that a trunk is no module of `torch.compile`, which does not call later hooks.

    Raises:
        InputError: it is, or it is a model of transformers, which does not take clips, or on the
            meta device, where a classifier cannot be found.
    """
    if features_from is None and any(one.is_meta for one in trunk.parameters()):
        raise InputError(
            "the trunk is on the meta device, where its classifier cannot be found, since that "
            "compares values: name the module of its features (features_from), or plug heads into "
            'a trunk on the CPU and move what plug returns by .to("meta")'
        )
    if hasattr(trunk, "main_input_name"):
        raise InputError(
            f"the trunk is {type(trunk).__name__} of transformers: plug heads into "
            "stn_action.token_trunk(model), which takes clips (B, 3, T, H, W) of the video models"
        )
    if hasattr(trunk, "_orig_mod"):
        raise InputError(
            "the trunk was compiled by torch.compile: plug heads into the module itself "
            "(trunk._orig_mod), then compile the network that plug returns"
        )


def _checked_glimpse(glimpse: Glimpse | None, readout: ReadoutName) -> Glimpse:
    """Return how glimpses are used; see `plug`.

    Raises:
        InputError: there is no such way, or the read-out does not have it.
    """
    if glimpse is None:
        return "tail" if readout == "windows" else "pooled"
    if glimpse not in GLIMPSES:
        raise InputError(f"glimpse must be one of {GLIMPSES}, got {glimpse!r}")
    if readout != "windows" and glimpse not in ("pooled", "zoom"):
        raise InputError(
            f"readout {readout!r} needs glimpse='pooled', got {glimpse!r}: only readout='windows' "
            "has glimpses for the rest of the trunk"
        )
    return glimpse


def _size_of(name: str, size: int | Sequence[int] | None) -> tuple[int, int]:
    """Return a size as height and width.

    Raises:
        InputError: there is none, or it is not one or two positive numbers.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size or ())
    if len(sides) != 2 or min(sides) < 1:
        raise InputError(
            f"glimpse 'zoom' needs {name}, a side or height and width in pixels, got {size!r}"
        )
    return sides[0], sides[1]


def _checked_look(trunk: nn.Module, second_look: SecondLook, example: Tensor) -> Tensor:
    """Return the reduced example clip, after the sizes of both looks were tried.

    Raises:
        InputError: a trunk does not take clips of its size.
    """
    look = second_look.reduced(example)
    of_glimpses = second_look.trunk or trunk
    check_input_size(trunk, "look_size", second_look.look_size, example)
    check_input_size(of_glimpses, "glimpse_size", second_look.glimpse_size, example)
    return look


@contextmanager
def _explained(trunk: nn.Module, example: Tensor) -> Iterator[None]:
    """Name the example clip where the trunk does not accept it."""
    try:
        yield
    except InputError:
        raise
    except FAILURES as error:
        raise InputError(
            f"the trunk fails on the example clip {tuple(example.shape)}: "
            f"{str(error).strip('. ')}. {sizes_taken(trunk, example)}. Give an `example` that it "
            "accepts: (1, 3, T, H, W), as long and large as your clips"
        ) from error
