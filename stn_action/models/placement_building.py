"""The placements of a network, by the settings of `plug`: read-outs made for the maps of stages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.map_layout import OutputKey
from stn_action.models.model_choices import ReadoutName, Temporal
from stn_action.models.placement import Placement
from stn_action.models.readouts.readout_table import ReadoutSettings, build_readout
from stn_action.models.stage_maps import stage_map
from stn_action.models.stages import modules_before
from stn_action.models.temporal import build_temporal


@dataclass(frozen=True)
class PlacementSettings:
    """What the placements of a network have in common, as of `plug`."""

    readout: ReadoutName
    settings: ReadoutSettings
    """Of the read-out; the localization network's size is set for each map."""
    localization: LocalizationSettings
    localization_size: int | Sequence[int] | None
    temporal: Temporal | None
    """How descriptions are joined over time; None: glimpses are described otherwise."""
    channels_last: bool | None
    grid: tuple[int, ...] | None


@dataclass(frozen=True)
class StagePath:
    """A stage that heads look at, or one of the maps that it returns."""

    path: str
    output: OutputKey | None = None

    def __str__(self) -> str:
        return f"{self.path}[{self.output}]"


def stage_paths(
    at: str | Sequence[str], output: OutputKey | Sequence[OutputKey | None] | None
) -> list[StagePath]:
    """Return the stages of `plug`'s `at` and `output`.

    Raises:
        InputError: there are none, more outputs than stages, or one of them twice.
    """
    paths = [at] if isinstance(at, str) else list(at)
    if output is None or isinstance(output, int | str):
        outputs = [output] * len(paths)
    else:
        outputs = list(output)
    if not paths or len(outputs) != len(paths):
        raise InputError(
            f"heads need a stage, and an output for each of them if any: got at={at!r}, "
            f"output={output!r}"
        )
    found = [StagePath(path, one) for path, one in zip(paths, outputs, strict=True)]
    if len(set(found)) < len(found):
        raise InputError(f"at={at!r}, output={output!r}: each stage once; raise `heads` for more")
    return found


def build_placements(
    trunk: nn.Module, stages: Sequence[StagePath], example: Tensor, settings: PlacementSettings
) -> list[Placement]:
    """Build read-outs of stages, in the order in which these run.

    Args:
        trunk: of clips (B, 3, T, H, W), in eval mode.
        stages: of `stage_paths`.
        example: a clip (1, 3, T, H, W).
        settings: of all.

    Raises:
        InputError: a stage has no map, or a setting is wrong for it.
    """
    if len(stages) > 1:
        if settings.localization.stages:
            raise InputError(
                f"heads at {len(stages)} stages: localization 'trunk' copies what follows one of "
                "them; choose another localization network"
            )
        num_before = {one.path: len(modules_before(trunk, one.path, example)) for one in stages}
        stages = sorted(stages, key=lambda one: (num_before[one.path], str(one.output)))
    paths = [one.path for one in stages]
    return [
        _build(trunk, one, example, settings, one.path if paths.count(one.path) == 1 else str(one))
        for one in stages
    ]


def _build(
    trunk: nn.Module, stage: StagePath, example: Tensor, settings: PlacementSettings, name: str
) -> Placement:
    features, layout = stage_map(
        trunk, stage.path, example, output=stage.output, channels_last=settings.channels_last,
        grid=settings.grid,
    )  # fmt: skip
    channels, map_hw = features.shape[1], (features.shape[-2], features.shape[-1])
    seen_hw = _seen_size(settings.localization_size, map_hw)
    localization = replace(settings.localization, map_hw=seen_hw or map_hw, trunk=trunk)
    of_map = replace(settings.settings, localization=localization, localization_size=seen_hw)
    readout = build_readout(settings.readout, channels, of_map)
    describe = None
    if settings.temporal is not None:
        describe = _description(trunk, settings.temporal, channels)
    return Placement(readout, describe, at=stage.path, channels=channels, layout=layout, name=name)


def _seen_size(size: int | Sequence[int] | None, map_hw: tuple[int, int]) -> tuple[int, int] | None:
    """Return the height and width that a localization network sees of maps; None: their own.

    Raises:
        InputError: they are not two, or larger than the maps.
    """
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    allowed = zip(sides, map_hw, strict=False)
    if len(sides) != 2 or not all(1 <= side <= whole for side, whole in allowed):
        raise InputError(
            f"localization_size must be a side, or height and width, of at most {map_hw}, the "
            f"map's own, got {size}"
        )
    return sides[0], sides[1]


def _description(trunk: nn.Module, temporal: Temporal, channels: int) -> nn.Module:
    """Return the module that joins pooled glimpses over time: the trunk's own if it fits."""
    own = getattr(trunk, "temporal", None)
    if isinstance(own, nn.Module) and getattr(own, "in_channels", None) == channels:
        return own
    return build_temporal(temporal, channels)
