"""The description of a trunk by name: as lines for a reader, or as numbers."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from stn_action.build.aligned_table import aligned_table
from stn_action.config.schema import load_config
from stn_action.models.backbones.backbone_table import backbone_spec, build_backbone
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.trunk_description import (
    FEWEST_CELLS,
    LOCAL,
    StageDescription,
    TrunkDescription,
    describe_trunk,
)

HEAD = (
    "stage", "parameters", "GMACs", "channels", "map", "cell", "shift", "field", "near", "heads",
)  # fmt: skip


@dataclass(frozen=True)
class BackboneReport:
    """A trunk, and how it was built."""

    name: str
    weights: str | None
    """Published ones or a file; None: random ones."""
    trunk: TrunkDescription
    shift: str | None = None
    """How frames see each other in a frame-wise trunk, if they do."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        stages = [
            {**dataclasses.asdict(one), "local": one.is_local, "heads_pay": one.heads_pay}
            for one in self.trunk.stages
        ]
        trunk = dataclasses.asdict(self.trunk) | {"stages": stages}
        shift = {} if self.shift is None else {"temporal_shift": self.shift}
        return {"backbone": self.name, "weights": self.weights, **shift, **trunk}

    def lines(self) -> list[str]:
        """Return a table of the stages, and where heads pay."""
        T, H, W = self.trunk.clip_thw
        weights = self.weights or "random (trained ones: model.weights=FILE)"
        first = (
            f"{self.name} on a clip of {T} x {H} x {W}: {self.trunk.parameters:,} parameters, "
            f"{self.trunk.gmacs:.2f} GMACs; weights {weights}"
        )
        table = aligned_table(HEAD, [_cells_of(one) for one in self.trunk.stages], left=HEAD[:1])
        behind = self.trunk.gmacs - sum(one.gmacs for one in self.trunk.stages)
        if self.shift is not None:
            table = [f"temporal shift: {self.shift}", *table]
        return [first, *table, f"behind the stages: {behind:.2f} GMACs", _advice(self.trunk)]


def describe_backbone(name: str, settings: Sequence[str] = ()) -> BackboneReport:
    """Describe a trunk on a clip of the size its weights were trained on, or on another one.

    Args:
        name: of the trunk.
        settings: `key=value` of a configuration, `data.crop.size=224` for instance.

    Raises:
        InputError: an unknown trunk, setting or weights; names similar ones.
    """
    spec = backbone_spec(name)
    H, W = spec.size_hw
    config = load_config(
        None,
        [
            "data.name=folders", "data.root=.", f"model.backbone={name}",
            f"data.clip.num_frames={spec.num_frames}", f"data.crop.size=[{H}, {W}]", *settings,
        ],
    )  # fmt: skip
    model = config.model
    backbone = build_backbone(
        model.backbone, weights=model.weights, temporal=model.temporal,
        temporal_shift=model.temporal_shift,
    )  # fmt: skip
    clip = backbone.spec.example_clip(config.data.clip.num_frames, config.data.crop.size)
    described = describe_trunk(backbone.trunk, clip, backbone.spec.stages)
    return BackboneReport(model.backbone, model.weights, described, _shift_in(backbone.trunk))


def _shift_in(trunk: nn.Module) -> str | None:
    shift = trunk.shift if isinstance(trunk, FrameWise) else None
    if shift is None:
        return None
    return (
        f"1/{shift.divisor} of the channels each way, before the first convolution of "
        f"{shift.num_blocks} residual blocks"
    )


def _cells_of(one: StageDescription) -> tuple[str, ...]:
    row = one.path, f"{one.parameters:,}", f"{one.gmacs:.2f}"
    if one.size_thw is None or one.near is None:
        return *row, "no map", *("",) * (len(HEAD) - len(row) - 1)
    return (
        *row, str(one.channels), _joined(one.size_thw), _joined(one.step_thw),
        _joined(one.shift_thw, sign=True), _joined(one.field_thw), f"{one.near:.0%}",
        "yes" if one.heads_pay else "no",
    )  # fmt: skip


def _joined(thw: Sequence[float] | None, *, sign: bool = False) -> str:
    """Return numbers of time, height and width."""
    rounded = [round(one, 2) + 0.0 for one in thw or ()]  # without -0
    return " x ".join(f"{one:{'+' if sign and one else ''}g}" for one in rounded)


def _advice(trunk: TrunkDescription) -> str:
    paying = [one.path for one in trunk.stages if one.heads_pay]
    rule = f"at least {FEWEST_CELLS} x {FEWEST_CELLS} cells, near at least {LOCAL:.0%}"
    if not paying:
        return f"heads can pay at no stage: none has {rule}"
    return f"heads can pay at {', '.join(paying)}: {rule}; the last of them has seen most layers"
