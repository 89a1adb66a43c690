"""Print the tables of look twice in docs/results.md, from `benchmark.py look_twice`."""

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.evidence_table import Scores, gains_over, read_scores, table_row
from benchmarks.look_twice import SIZES
from stn_action.models.backbones.backbone_table import build_backbone

FRAMES = 8
"""Of a clip."""
ARMS = {
    "look mean": ("look", "mean"),
    "full mean": ("full", "mean"),
    "zoom": ("twice", "zoom 1e-3"),
    "saliency": ("twice", "zoom_saliency"),
    "center": ("twice", "zoom_center"),
    "tiles": ("twice", "zoom_tiles"),
    "look attention": ("look", "attention"),
    "full attention": ("full", "attention"),
    "zoom, by pixels": ("pixels", "zoom_pixels 1e-3"),
    "zoom, small": ("small", "zoom_small 1e-3"),
    "center, beside it": ("small", "zoom_center"),
}
"""Name of each arm to its grid and its label there."""
RIVALS = {
    "zoom": ("look mean", "full mean", "saliency", "center", "tiles", "look attention"),
    "zoom, small": ("center, beside it",),
}
"""What the gains of an arm are over."""


@cache
def gmacs(height: int, width: int) -> float:
    """Return the multiplications of the trunk on a clip, in billions."""
    trunk = build_backbone("timm/tf_efficientnet_lite0").trunk.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trunk(torch.zeros(1, 3, 1, height, width))
    return FRAMES * counter.get_total_flops() / 2e9


def cost_of(arm: str, data_set: str) -> float:
    """Return the billions of multiplications of a clip that an arm takes."""
    full, look = (_size(text) for text in SIZES[data_set])
    if arm.startswith("full"):
        return gmacs(*full)
    glimpses = {"look mean": 0, "look attention": 0, "tiles": 4}.get(arm, 1)
    return (1 + glimpses) * gmacs(*look)


def table(out: Path) -> Iterator[str]:
    """Yield the lines of accuracies, costs and gains."""
    found = {
        (data_set, boxes): scores
        for data_set in SIZES
        for boxes in ("loose_1", "loose_0.25", "small_figures")
        if (scores := _scores(out / data_set, boxes))
    }
    yield from table_row(["look twice", *ARMS], header=True)
    for (data_set, boxes), scores in found.items():
        cells = [scores[arm].text if arm in scores else "–" for arm in ARMS]
        yield from table_row([f"{data_set}, {boxes}", *cells])
    for data_set in dict.fromkeys(data_set for data_set, _ in found):
        costs = [f"{cost_of(arm, data_set):.1f}" for arm in ARMS]
        yield from table_row([f"{data_set}, billion multiplications a clip", *costs])
    for arm, rivals in RIVALS.items():
        if not any(arm in scores for scores in found.values()):
            continue
        yield ""
        yield from table_row([f"gain of {arm}", *(f"over {name}" for name in rivals)], header=True)
        for (data_set, boxes), scores in found.items():
            if arm in scores:
                gains = gains_over(scores[arm], [scores.get(rival) for rival in rivals])
                yield from table_row([f"{data_set}, {boxes}", *gains])


def _scores(folder: Path, boxes: str) -> dict[str, Scores]:
    grids = {grid: read_scores(folder / f"{boxes}_{grid}") for grid, _ in ARMS.values()}
    return {
        name: grids[grid][label] for name, (grid, label) in ARMS.items() if label in grids[grid]
    }


def _size(text: str) -> tuple[int, int]:
    value = ast.literal_eval(text)
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def main(arguments: Sequence[str]) -> None:
    """Parse arguments, then print."""
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmark.py look_twice_table")
    parser.add_argument("--out", type=Path, default=Path("runs/look_twice"))
    options = parser.parse_args(arguments)
    sys.stdout.writelines(f"{line}\n" for line in table(options.out))
