"""Write docs/backbones.md: the trunks of the table, what they cost and how heads look at them.

    python docs/write_backbones.py

Costs are counted on tensors without memory; nothing is computed or downloaded.
"""

from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from stn_action.models.backbones.backbone_spec import BackboneSpec, PackedTrunk
from stn_action.models.backbones.backbone_table import BACKBONES
from stn_action.models.map_layout import StageLayout
from stn_action.models.stage_maps import stage_map

PAGE = Path(__file__).with_name("backbones.md")
START = "<!-- The table is written by docs/write_backbones.py -->"
END = "<!-- End of the table -->"
HEADER = [
    "| `model.backbone` | parameters | GMACs | clip | stages | weights | map | glimpses |",
    "|---|---|---|---|---|---|---|---|",
]


def backbone_row(spec: BackboneSpec) -> str:
    """Return a trunk's line of the table."""
    trunk = _shapes_of(spec)
    clip = spec.example_clip().to("meta")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        trunk(clip)
    layout = stage_map(trunk, spec.stages[1], clip, output=0 if spec.outputs else None)[1]
    millions = sum(parameter.numel() for parameter in trunk.parameters()) / 1e6
    cost = (f"{millions:.2f}M", f"{counter.get_total_flops() / 2e9:.2f}")
    return "| " + " | ".join(
        [f"`{spec.name}`", *cost, clip_text(spec), stages_text(spec), *_ways(spec, layout)]
    ) + " |"  # fmt: skip


def clip_text(spec: BackboneSpec) -> str:
    """Return frames, stride and size of the published clips."""
    fixed = ", no other" if spec.fixed_clip else ""
    fixed += " size" if spec.any_length else ""
    return f"{spec.num_frames}x{spec.stride}, {spec.size_hw[0]}x{spec.size_hw[1]}{fixed}"


def stages_text(spec: BackboneSpec) -> str:
    """Return the stages of a trunk."""
    return ", ".join(f"`{stage}`" for stage in spec.stages)


def table() -> list[str]:
    """Return the lines of the table."""
    return [*HEADER, *(backbone_row(spec) for spec in BACKBONES.values())]


def main() -> None:
    """Replace the table in the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    text = "\n".join([START, "", *table(), "", END])
    PAGE.write_text(f"{before}{text}{after}", encoding="utf-8")


def _ways(spec: BackboneSpec, layout: StageLayout) -> tuple[str, str, str]:
    """Return the published weights, where the map is, and the glimpses that work."""
    if spec.outputs:
        where = ", ".join(f"{name}: output {i}" for i, name in enumerate(spec.outputs))
    elif layout.grid is not None:
        where = "tokens behind a class token" if layout.num_leading else "tokens"
        where += ", times of a cell side by side" if layout.time_last else ""
    else:
        where = "channels last" if layout.channels_last else "channels first"
    zoom = f"zoom of {spec.size_hw[0]}x{spec.size_hw[1]}" if spec.fixed_clip else "zoom"
    return ", ".join(spec.published) or "none", where, f"tail, pooled, in_line, {zoom}"


def _shapes_of(spec: BackboneSpec) -> nn.Module:
    """Build a trunk of shapes alone."""
    try:
        with torch.device("meta"):
            trunk = spec.builder(None, "mean").eval()
    except RuntimeError:  # pytorchvideo's MViT reads numbers from tensors
        trunk = spec.builder(None, "mean").to("meta").eval()
    return trunk if spec.pack is None else PackedTrunk(trunk, spec.pack)


if __name__ == "__main__":
    main()
