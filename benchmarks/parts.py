"""Do heads find parts, or copies of one thing? And how many clips do they need for it?

Maps of 14 x 14 with a marked square of four quadrants, and three patches beside it. Each quadrant
carries one of four codes, all different; the class is which quadrant carries the first code. The
mean over the square is the same for every class: only windows on single quadrants tell.
"""

import argparse
import csv
import itertools
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.relative_lr import CHANNELS, LR, PATCH, SIDE
from stn_action.geometry.cells import Cells
from stn_action.geometry.windows import Attention
from stn_action.models.heads import FocusHeads
from stn_action.models.model_choices import LocalizationName
from stn_action.models.prediction import Focus, Prediction
from stn_action.training.monitor import HeadMonitor
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import (
    DEFAULT_GAIN,
    build_optimizer,
    clip_gradients,
    parameter_groups,
    warmup_cosine,
)
from stn_action.training.regularizers import DiversityLoss

QUADRANTS, OTHERS = 4, 3
EQUALIZED: tuple[LocalizationName, ...] = ("grid", "heatmap")
"""Localization networks that learn at small relative rates."""
TEST_SIZE = 800


class Row(NamedTuple):
    """One run; the statistics of the heads are means over heads."""

    maps: int
    localization: str
    relative_lr: float
    branch_loss: float
    diversity_loss: float
    seed: int
    accuracy: float
    overlap: float
    scale: float
    spread: float
    seconds: float


class Quadrants(nn.Module):
    """Global mean and four glimpses of a map, classified together and each on its own."""

    def __init__(self, localization: LocalizationName) -> None:
        super().__init__()
        self.gain = DEFAULT_GAIN["adamw"]
        self.heads = FocusHeads(
            CHANNELS, Attention(QUADRANTS), gain=self.gain, localization=localization
        )
        num_branches = 1 + QUADRANTS
        self.classifier = nn.Linear(CHANNELS * num_branches, QUADRANTS)
        self.branches = nn.ModuleList(nn.Linear(CHANNELS, QUADRANTS) for _ in range(num_branches))

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the heads' parameters."""
        return list(self.heads.localization.parameters())

    def forward(self, maps: Tensor) -> Prediction:
        """Classify maps (B, C, H, W)."""
        clips = maps.unsqueeze(2)
        theta = self.heads(clips)
        glimpses = self.heads.glimpses(clips, theta, (7, 7)).mean((3, 4, 5))  # (B, K, C)
        features = torch.cat([maps.mean((2, 3)).unsqueeze(1), glimpses], dim=1)
        pairs = zip(self.branches, features.unbind(1), strict=True)
        branches = torch.stack([branch(one) for branch, one in pairs], dim=1)
        cells = Cells.centered((1, SIDE, SIDE), (1, SIDE, SIDE))
        focus = Focus(theta, self.heads.base.detach(), "map", cells, 0.2)
        return Prediction(self.classifier(features.flatten(1)), (focus,), branches)


def quadrant_maps(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw maps (N, C, H, W) and classes (N,)."""
    codes = torch.randn(QUADRANTS, CHANNELS - 1, generator=torch.Generator().manual_seed(99))
    maps = 0.5 * torch.randn(count, CHANNELS, SIDE, SIDE, generator=generator)
    labels = torch.zeros(count, dtype=torch.long)
    for index in range(count):
        places = torch.randint(SIDE - PATCH + 1, (OTHERS, 2), generator=generator).tolist()
        patches = list(
            zip(places, torch.randint(QUADRANTS, (OTHERS,), generator=generator), strict=True)
        )
        y, x = torch.randint(SIDE - 2 * PATCH + 1, (2,), generator=generator).tolist()
        corners = [(y, x), (y, x + PATCH), (y + PATCH, x), (y + PATCH, x + PATCH)]
        order = torch.randperm(QUADRANTS, generator=generator)
        for (top, left), code in [*patches, *zip(corners, order, strict=True)]:
            noise = 0.3 * torch.randn(CHANNELS - 1, PATCH, PATCH, generator=generator)
            patch = codes[int(code)][:, None, None] + noise
            maps[index, :-1, top : top + PATCH, left : left + PATCH] = patch
        maps[index, -1, y : y + 2 * PATCH, x : x + 2 * PATCH] = 3.0
        labels[index] = int((order == 0).nonzero())
    return maps, labels


def run(
    maps: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], localization: LocalizationName,
    relative_lr: float, branch_loss: float, diversity_loss: float, steps: int, seed: int,
) -> Row:  # fmt: skip
    """Train once and measure on held-out maps."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    network = Quadrants(localization)
    groups = parameter_groups(network, lr=LR["adamw"], relative_lr=relative_lr, weight_decay=0.0)
    optimizer = build_optimizer("adamw", groups)
    schedule = warmup_cosine(optimizer, warmup_steps=20, total_steps=steps)
    terms = (DiversityLoss(diversity_loss),) if diversity_loss else ()
    objective = ClassificationLoss(branch_loss=branch_loss, head_losses=terms)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(maps[0]), (32,), generator=generator)
        optimizer.zero_grad()
        objective(network(maps[0][batch]), maps[1][batch]).backward()
        clip_gradients(groups, clip_localization_norm=0.1)
        optimizer.step()
        schedule.step()
    monitor = HeadMonitor(frozen_on_purpose=relative_lr == 0)
    with torch.no_grad():
        prediction = network(test[0])
    monitor.update(prediction.focus)
    heads = monitor.compute().heads
    overlap, scale, spread = (
        sum(getattr(head, name) for head in heads) / len(heads)
        for name in ("overlap", "scale", "spread")
    )
    accuracy = float((prediction.logits.argmax(1) == test[1]).float().mean())
    return Row(
        len(maps[0]), localization, relative_lr, branch_loss, diversity_loss, seed, accuracy,
        overlap, scale, spread, time.perf_counter() - start,
    )  # fmt: skip


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield all runs, in order."""
    generator = torch.Generator().manual_seed(1)
    most = max(options.maps)
    maps, labels = quadrant_maps(most, generator)
    test = quadrant_maps(TEST_SIZE, generator)
    for count, localization, ratio, branch_loss, diversity_loss, seed in itertools.product(
        options.maps, options.localizations, options.ratios, options.branch_losses,
        options.diversity_losses, options.seeds,
    ):  # fmt: skip
        yield run(
            (maps[:count], labels[:count]), test, localization, ratio, branch_loss,
            diversity_loss, options.steps, seed,
        )  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Parse, run, print a CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", nargs="+", type=int, default=[100], help="to train on")
    parser.add_argument("--localizations", nargs="+", default=EQUALIZED, choices=EQUALIZED)
    parser.add_argument("--ratios", nargs="+", type=float, default=[1e-3])
    parser.add_argument("--branch-losses", nargs="+", type=float, default=[1.0])
    parser.add_argument("--diversity-losses", nargs="+", type=float, default=[0.0, 1.0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    writer = csv.writer(sys.stdout)
    writer.writerow(Row._fields)
    for row in rows(options):
        writer.writerow([f"{v:.4g}" if isinstance(v, float) else v for v in row])
        sys.stdout.flush()
