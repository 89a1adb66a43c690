"""The features that a trunk ends in: its output, or that of one of its modules."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.activation_checkpointing import refuse_reentrant
from stn_action.models.map_layout import CHANNELS_FIRST, SQUEEZED, StageLayout
from stn_action.models.stage_maps import stage_map
from stn_action.models.stages import evaluating, modules_before, stage
from stn_action.models.standing_hook import hooked


def run_trunk(
    trunk: nn.Module,
    clip: Tensor,
    num_rows: int,
    features_from: str | None = None,
    layout: StageLayout = CHANNELS_FIRST,
) -> Tensor:
    """Return the features (N, D) that a trunk ends in.

    Args:
        trunk: of clips (B, 3, T, H, W).
        clip: (B, 3, T, H, W).
        num_rows: N, more than B where heads add maps to the batch.
        features_from: module path of what returns the features: (N, D), or maps, which are
            averaged over their positions; those of frames over the frames. None: the trunk does.
        layout: how this module returns a map, if it does.

    Raises:
        InputError: what comes is not (N, D).
    """
    if features_from is None:
        return _rows(trunk(clip), num_rows, clip.shape[0])
    hook = _FeaturesHook(features_from, layout, num_rows)
    with hooked([(stage(trunk, features_from), hook)]):
        trunk(clip)
    if not hook.caught:
        raise InputError(f"features_from: {features_from!r} is not part of the forward pass")
    output = hook.caught[-1]
    if isinstance(output, Tensor) and output.dim() == 2 and output.shape[0] % num_rows == 0:
        return output.unflatten(0, (num_rows, -1)).mean(1)
    return _rows(output, num_rows, clip.shape[0])


class _FeaturesHook:
    """A forward hook that keeps the features, (N, D) of maps."""

    def __init__(self, path: str, layout: StageLayout, num_rows: int) -> None:
        self.path = path
        self.layout = layout
        self.num_rows = num_rows
        self.with_gradients = torch.is_grad_enabled()
        self.caught: list[object] = []

    def __call__(self, module: nn.Module, inputs: object, output: object) -> None:
        if self.with_gradients:
            refuse_reentrant(f"{self.path!r}, where features_from takes the features,")
        is_map = isinstance(output, Tensor) and output.dim() > 3
        if is_map or self.layout != CHANNELS_FIRST:  # at once: the next layer may work in place
            output = self.layout.map_of(output, self.num_rows).mean((2, 3, 4))
        self.caught.append(output.clone() if isinstance(output, Tensor) else output)


def keep_trunk_until(
    trunk: nn.Module, features_from: str, example: Tensor
) -> tuple[int, StageLayout]:
    """Freeze what runs behind a module, the classifier that is not used.

    Args:
        trunk: of clips (B, 3, T, H, W).
        features_from: as of `run_trunk`.
        example: a clip (1, 3, T, H, W).

    Returns:
        The number of features, and how the module returns its map, if it returns one.

    Raises:
        InputError: there is no such module, or it returns neither features nor a map.
    """
    layout = CHANNELS_FIRST
    with evaluating(trunk):
        try:
            layout = stage_map(trunk, features_from, example)[1]
        except InputError:  # no map: features (N, D), or an error below
            stage(trunk, features_from)
        features = run_trunk(
            trunk, example, len(example), features_from=features_from, layout=layout
        )
    needed = {
        id(parameter)
        for name in modules_before(trunk, features_from, example)
        for parameter in trunk.get_submodule(name).parameters()
    }
    for parameter in trunk.parameters():
        if id(parameter) not in needed:
            parameter.requires_grad_(False)
    return features.shape[1], layout


def _rows(features: object, num_rows: int, num_clips: int) -> Tensor:
    """Return the features after checking that they are (num_rows, D)."""
    if isinstance(features, Tensor) and features.dim() == 2 and features.shape[0] == num_rows:
        return features
    shape = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
    remedy = SQUEEZED
    if num_rows > num_clips and shape[0] == num_clips:
        remedy = (
            "The trunk shapes its output by the number of frames it was given, as timm's ViTs do, "
            "so that glimpses cannot be further clips: use glimpse='pooled'"
        )
    raise InputError(
        f"the trunk must return features ({num_rows}, D) for {num_clips} clips, one row each for "
        f"the map and for its glimpses; got {shape}. {remedy}"
    )
