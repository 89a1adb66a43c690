"""The part of a network behind one of its stages."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.map_layout import StageLayout, ToChannelsLast, ToTokens
from stn_action.models.module_exchange import FirstArgument, exchange_modules
from stn_action.models.stage_maps import features_at, stage_map
from stn_action.models.stages import evaluating, modules_before, stage_output

_REMEDY = "Choose another stage for freeze_until, or set train.cache_features=false"


def trunk_behind(trunk: nn.Module, path: str, example: Tensor) -> nn.Module:
    """Return the part of the trunk behind a stage, as a network that takes the stage's map.

    Every module that runs before the stage is exchanged for the identity; parameters are shared.

    Args:
        trunk: clips to features, its modules called one after the other.
        path: the last stage that is left out.
        example: (1, 3, T, H, W), to check the result on.

    Returns:
        A network of maps (B, C, T, H, W) at that stage.

    Raises:
        InputError: the trunk is no chain there, so that it cannot be split.
    """
    with evaluating(trunk):
        layout = stage_map(trunk, path, example)[1]
        returned = stage_output(trunk, path, example)
    is_more = layout.grid is not None and (layout.num_leading > 0 or len(layout.grid) < 3)
    if is_more or not _is_first_or_alone(returned):
        raise InputError(
            f"the backbone cannot be split behind {path!r}: the stage returns more than its map "
            "(the class token, the size of the grid or another map), which the part behind it "
            f"needs. {_REMEDY}"
        )
    before, stage_type = modules_before(trunk, path, example), type(trunk.get_submodule(path))
    # the forward pass itself may move the channels, or a module that is exchanged
    bridges = (nn.Identity(), ToChannelsLast()) if layout.grid is None else (ToTokens(layout),)
    for bridge in bridges:

        def exchanged(name: str, module: nn.Module, bridge: nn.Module = bridge) -> nn.Module | None:
            if name not in before:
                return None
            inner = bridge if name == path else FirstArgument()
            # of stages like this one, each returns what it does
            in_tuple = isinstance(returned, tuple) and type(module) is stage_type
            return _WithNothing(inner, len(returned) - 1) if in_tuple else inner  # type: ignore[arg-type]

        rest = exchange_modules(trunk, exchanged)
        with evaluating(trunk), evaluating(rest):
            if _equal(trunk, rest, path, example, layout):
                return rest
    raise InputError(
        f"the backbone cannot be split behind {path!r}: its forward pass is no chain there. "
        f"{_REMEDY}"
    )


class _WithNothing(nn.Module):
    """A module's output as the first of a tuple whose others are None."""

    def __init__(self, module: nn.Module, others: int) -> None:
        super().__init__()
        self.module = module
        self.others = others

    def forward(self, x: Tensor, *others: object, **settings: object) -> tuple[Tensor | None, ...]:
        return (self.module(x), *[None] * self.others)


def _is_first_or_alone(returned: object) -> bool:
    """Return whether a stage returns its map alone, or as the first of a tuple of nothing else."""
    if isinstance(returned, Tensor):
        return True
    return isinstance(returned, tuple) and all(item is None for item in returned[1:])


def _equal(
    trunk: nn.Module, rest: nn.Module, path: str, example: Tensor, layout: StageLayout
) -> bool:
    """Return whether `rest` computes from the stage's maps what `trunk` computes from clips."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(2, *example.shape[1:], generator=generator).to(example)
    try:
        wanted, got = trunk(noise), rest(features_at(trunk, path, noise, layout))
        error = (got - wanted).abs().max()
    except (RuntimeError, IndexError, TypeError, ValueError):  # shapes that do not fit: no chain
        return False
    # an untrained trunk hardly depends on its input: measured by how much it does
    tolerance = 1e-2 * (wanted[0] - wanted[1]).abs().max() + 1e-6 * wanted.abs().max()
    return got.shape == wanted.shape and bool(error <= tolerance)
