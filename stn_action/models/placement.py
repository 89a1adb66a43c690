"""A read-out at a stage of the trunk: where it reads, how that is described, and as what."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.glimpse_hook import GlimpseHook, RandomWindows, explained
from stn_action.models.heads import FocusHeads
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout
from stn_action.models.model_choices import Glimpse
from stn_action.models.prediction import Focus
from stn_action.models.readouts.readout import Readout
from stn_action.models.readouts.window_readout import WindowReadout
from stn_action.models.receptive_field import StageCells
from stn_action.models.stages import stage
from stn_action.models.standing_hook import hooked


class Placement(nn.Module):
    """A read-out of one stage's map, and the module that describes what was read.

    Args:
        readout: of maps (B, C, T, H, W).
        describe: what was read (N, T, C) to (N, out_channels); None: glimpses pass through the
            rest of the trunk, or they are described by another network.
        at: module path of the stage.
        channels: C.
        layout: how the stage returns its map.
        name: of the stage in `Focus`, where another placement reads another map of it; None: `at`.
    """

    def __init__(
        self,
        readout: Readout,
        describe: nn.Module | None = None,
        *,
        at: str,
        channels: int,
        layout: StageLayout = CHANNELS_FIRST,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.readout = readout
        self.describe = describe
        self.at = at
        self.channels = channels
        self.layout = layout
        self.name = name or at
        self.stage_cells = StageCells(at, layout)

    def extra_repr(self) -> str:
        """Return the stage."""
        return f"at={self.name!r}"

    @property
    def heads(self) -> FocusHeads | None:
        """Return the spatial transformer heads, if the read-out is their windows."""
        return self.readout.heads if isinstance(self.readout, WindowReadout) else None

    @property
    def num_descriptions(self) -> int:
        """Return K."""
        return self.readout.num_descriptions

    @property
    def stored_cells(self) -> Cells:
        """Return the positions of the map's cells, behind a stage whose features are stored."""
        assert self.stage_cells.stored is not None
        return self.stage_cells.stored

    @property
    def width(self) -> int | None:
        """Return the channels of a description; None: it has no module of its own."""
        return None if self.describe is None else int(self.describe.out_channels)  # type: ignore[arg-type]

    def described(self, hook: GlimpseHook) -> list[Tensor]:
        """Return the description (B, out_channels) of everything that a hook has read."""
        assert self.describe is not None
        glimpses = hook.descriptions.flatten(0, 1).transpose(1, 2)  # (B * K', T, C)
        number = hook.descriptions.shape[1]
        return list(self.describe(glimpses).unflatten(0, (hook.batch_size, number)).unbind(1))

    def focus(
        self, hook: GlimpseHook, trunk: nn.Module, clip: Tensor, extents: Tensor | None
    ) -> Focus:
        """Return where a hook has looked.

        Args:
            hook: after the run.
            trunk: of clips (B, 3, T, H, W), to trace the stage's cells.
            clip: one of them, or stored features.
            extents: of the clips.
        """
        cells = self.stage_cells.of(trunk, clip, hook.size_thw)
        return self.readout.focus(hook.theta, hook.weights, self.name, cells, extents)

    def behind(
        self, trunk: nn.Module, example: Tensor, clip_thw: tuple[int, int, int] | None
    ) -> "Placement":
        """Return it, with shared parameters, for stored features; see `StageCells.behind`."""
        rest = copy.copy(self)
        rest.stage_cells = self.stage_cells.behind(trunk, example, clip_thw)
        return rest


def check_placements(
    placements: Sequence[Placement], glimpse: Glimpse, random_windows: RandomWindows | None
) -> None:
    """Check that placements go together with the way in which their glimpses are used.

    Raises:
        InputError: they do not.
    """
    alone = glimpse in ("in_line", "zoom")
    if alone and (not placements or random_windows is not None):
        raise InputError(f"glimpse {glimpse} needs a head, and no random_windows")
    for placement in placements:
        if glimpse in ("in_line", "tail") and placement.heads is None:
            raise InputError(
                f"glimpse {glimpse!r} is for windows: {type(placement.readout).__name__} needs a "
                "`describe` module"
            )
        if glimpse == "pooled" and placement.describe is None:
            raise InputError("glimpse 'pooled' needs a `describe` module in each placement")
    if len(placements) < 2:
        return
    if glimpse == "zoom" or random_windows is not None:
        raise InputError(
            f"heads at {len(placements)} stages: glimpse 'zoom' and random windows are of heads "
            "at one stage"
        )
    heads = [placement.heads for placement in placements]
    if glimpse == "in_line" and any(one and (one.num_heads > 1 or one.volumetric) for one in heads):
        raise InputError(
            f"heads at {len(placements)} stages, glimpse 'in_line': expected one head at each, of "
            "another family than volumetric, as the later ones look at what the first has moved"
        )


def placement_hooks(
    placements: Sequence[Placement],
    batch_size: int,
    *,
    glimpse: Glimpse,
    extents: Tensor | None,
    given: Sequence[Tensor] | None,
    random_theta: Tensor | None,
) -> list[GlimpseHook]:
    """Return the hooks of placements for one run of the trunk.

    Args:
        placements: in the order in which their stages run.
        batch_size: B.
        glimpse: see `GlimpseHook`.
        extents: see `GlimpseHook`.
        given: theta or weights (B, K, S, ...) of each placement; None: their own.
        random_theta: see `GlimpseHook`.

    Raises:
        ValueError: more or fewer are given, or one has another shape.
    """
    if given is not None and len(given) != len(placements) > 1:
        raise ValueError(
            f"theta must be a sequence of {len(placements)} tensors, one for each placement of "
            f"heads; got {len(given)}"
        )
    hooks: list[GlimpseHook] = []
    num_maps = 1
    for number, placement in enumerate(placements):
        own = given if given is None or len(placements) == 1 else [given[number]]
        places = placement.readout.checked(own, batch_size)
        hook = GlimpseHook(
            placement.readout, batch_size, glimpse=glimpse, extents=extents, given=places,
            random_theta=random_theta, layout=placement.layout, num_maps=num_maps,
        )  # fmt: skip
        num_maps = hook.num_branches if glimpse == "tail" else 1
        hooks.append(hook)
    return hooks


@contextmanager
def watched(
    trunk: nn.Module, placements: Sequence[Placement], hooks: Sequence[GlimpseHook]
) -> Iterator[None]:
    """Call the hooks of placements at their stages while the trunk runs.

    Raises:
        InputError: the rest of the trunk does not take their glimpses as further clips.
    """
    in_tail = any(hook.glimpse == "tail" for hook in hooks)
    stages = " and ".join(repr(placement.at) for placement in placements)
    modules = [stage(trunk, placement.at) for placement in placements]
    with (
        hooked([*zip(modules, hooks, strict=True)]),
        explained(stages) if in_tail else nullcontext(),
    ):
        yield


def in_line(focus: Sequence[Focus]) -> tuple[Focus, ...]:
    """Return the focus of placements one behind the other, each on a map that the last moved."""
    return (*focus[:1], *(replace(later, moved=True) for _, later in pairwise(focus)))
