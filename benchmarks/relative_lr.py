"""Does theta move, and stay alive, at relative learning rates from 1e-3 to 1e-5?

A tiny problem of its own: maps of 14 x 14 with eight patches, one of them marked; the class is what
the marked patch carries. Pooling the map mixes all patches; a head that follows the mark solves it.
"""

import argparse
import contextlib
import csv
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.geometry.cells import Cells
from stn_action.geometry.windows import Attention
from stn_action.models.heads import FocusHeads
from stn_action.models.localization_table import LocalizationSettings
from stn_action.models.model_choices import (
    LOCALIZATION_PADDINGS,
    LocalizationName,
    LocalizationPadding,
)
from stn_action.models.prediction import Focus
from stn_action.training.monitor import HeadMonitor
from stn_action.training.optim import (
    DEFAULT_GAIN,
    build_optimizer,
    clip_gradients,
    effective_relative_lr,
    parameter_groups,
    warmup_cosine,
)

CHANNELS, SIDE, CLASSES, PATCHES, PATCH = 12, 14, 8, 8, 4
LR = {"sgd": 0.05, "adamw": 3e-3}
SIZES = (4000, 1000)
"""Maps to train and to test on."""


class Row(NamedTuple):
    """One run."""

    localization: str
    optimizer: str
    relative_lr: float
    effective: float
    gain: float
    clip: str
    steps: int
    seed: int
    accuracy: float
    spread: float
    displacement: float
    scale: float
    states: str
    seconds: float


class MarkedPatches(nn.Module):
    """Global mean and glimpses of a map, classified."""

    def __init__(
        self, gain: float, localization: LocalizationName, padding: LocalizationPadding,
        num_heads: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        family = Attention(num_heads, start_scale=0.6)
        self.heads = FocusHeads(
            CHANNELS, family, gain=gain,
            localization=LocalizationSettings(localization, padding=padding),
        )  # fmt: skip
        self.classifier = nn.Linear(CHANNELS * (1 + num_heads), CLASSES)
        self.gain = gain

    def localization_parameters(self) -> list[nn.Parameter]:
        """Of the heads."""
        return list(self.heads.localization.parameters())

    def forward(self, maps: Tensor) -> tuple[Tensor, Focus]:
        """Logits (B, CLASSES) of maps (B, C, H, W)."""
        clips = maps.unsqueeze(2)  # (B, C, 1, H, W)
        theta = self.heads(clips)
        glimpses = self.heads.glimpses(clips, theta, (7, 7)).mean((3, 4, 5))  # (B, K, C)
        features = torch.cat([maps.mean((2, 3)), glimpses.flatten(1)], dim=1)
        cells = Cells.centered((1, SIDE, SIDE), (1, SIDE, SIDE))
        focus = Focus(theta, self.heads.base.detach(), "map", cells, 0.2)
        return self.classifier(features), focus


def marked_patches(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Maps (N, C, H, W) and classes (N,)."""
    codes = torch.randn(CLASSES, CHANNELS - 1, generator=torch.Generator().manual_seed(99))
    maps = 0.5 * torch.randn(count, CHANNELS, SIDE, SIDE, generator=generator)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    for index in range(count):
        others = torch.randint(CLASSES, (PATCHES - 1,), generator=generator)
        places = torch.randint(SIDE - PATCH + 1, (PATCHES, 2), generator=generator).tolist()
        for number, code in enumerate([*others.tolist(), int(labels[index])]):
            y, x = places[number]
            noise = 0.3 * torch.randn(CHANNELS - 1, PATCH, PATCH, generator=generator)
            patch = codes[code][:, None, None] + noise
            maps[index, :-1, y : y + PATCH, x : x + PATCH] = patch
            mark = 3.0 if number == PATCHES - 1 else 0.0
            maps[index, -1, y : y + PATCH, x : x + PATCH] = mark
    return maps, labels


def run(
    optimizer_name: str, relative_lr: float, gain: float, clip: float | None, steps: int, seed: int,
    data: tuple[Tensor, Tensor, Tensor, Tensor], localization: LocalizationName,
    padding: LocalizationPadding,
) -> Row:  # fmt: skip
    """Train once and measure on held-out maps."""
    start = time.perf_counter()
    torch.manual_seed(seed)
    maps, labels, test_maps, test_labels = data
    network = MarkedPatches(gain, localization, padding)
    groups = parameter_groups(
        network, lr=LR[optimizer_name], relative_lr=relative_lr, weight_decay=0.0
    )
    optimizer = build_optimizer(optimizer_name, groups)
    schedule = warmup_cosine(optimizer, warmup_steps=20, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(maps), (32,), generator=generator)
        logits, _ = network(maps[batch])
        optimizer.zero_grad()
        F.cross_entropy(logits, labels[batch]).backward()
        clip_gradients(groups, clip_localization_norm=clip)
        optimizer.step()
        schedule.step()
    monitor = HeadMonitor(frozen_on_purpose=relative_lr == 0)
    with torch.no_grad():
        logits, focus = network(test_maps)
        monitor.update([focus])
    heads = monitor.compute().heads
    mean = {
        name: sum(getattr(head, name) for head in heads) / len(heads)
        for name in ("spread", "displacement", "scale")
    }
    accuracy = float((logits.argmax(1) == test_labels).float().mean())
    effective = effective_relative_lr(optimizer_name, relative_lr, gain)
    return Row(
        f"{localization}, {padding}", optimizer_name, relative_lr, effective, gain, str(clip),
        steps, seed, accuracy,
        mean["spread"], mean["displacement"], mean["scale"],
        "/".join(head.state for head in heads), time.perf_counter() - start,
    )  # fmt: skip


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """All runs, in order."""
    generator = torch.Generator().manual_seed(1)
    data = marked_patches(SIZES[0], generator) + marked_patches(SIZES[1], generator)
    for localization, padding, name, steps, ratio, clip, seed in itertools.product(
        options.localizations, options.localization_paddings, options.optimizers, options.steps,
        options.ratios, options.clips, options.seeds,
    ):  # fmt: skip
        gains = options.gains or [DEFAULT_GAIN[name]]
        for gain in gains:
            yield run(name, ratio, gain, clip, steps, seed, data, localization, padding)


def main(arguments: list[str] | None = None) -> None:
    """Parse, run, print a CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optimizers", nargs="+", default=["sgd", "adamw"], choices=LR)
    parser.add_argument("--ratios", nargs="+", type=float, default=[0, 1e-3, 1e-4, 1e-5])
    parser.add_argument("--steps", nargs="+", type=int, default=[500, 3000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--gains", nargs="+", type=float, help="default: the family's own")
    parser.add_argument(
        "--clips", nargs="+", default=[0.1], type=lambda s: None if s == "none" else float(s)
    )
    parser.add_argument("--localizations", nargs="+", default=["grid"], choices=["grid", "heatmap"])
    parser.add_argument(
        "--localization-paddings", nargs="+", default=["zeros"], choices=LOCALIZATION_PADDINGS
    )
    parser.add_argument("--out", type=Path, help="also write the CSV here")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with contextlib.ExitStack() as stack:
        files: list[TextIO] = [sys.stdout]
        if options.out is not None:
            files.append(stack.enter_context(options.out.open("w", newline="", encoding="utf-8")))
        writers = [csv.writer(file) for file in files]
        for writer in writers:
            writer.writerow(Row._fields)
        for row in rows(options):
            for writer, file in zip(writers, files, strict=True):
                writer.writerow([f"{v:.4g}" if isinstance(v, float) else v for v in row])
                file.flush()
