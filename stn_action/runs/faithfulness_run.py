"""Faithfulness of a checkpoint, or of all folds of a run, on its test videos."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console

from stn_action.build.data import evaluation_dataset, full_test_loader
from stn_action.build.model import example_clip
from stn_action.build.protocol_line import protocol
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video
from stn_action.disk.atomic_file import write_file
from stn_action.distributed import build_strategy
from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import Explained
from stn_action.evaluation.faithfulness import Faithfulness, measure_faithfulness
from stn_action.evaluation.faithfulness_table import FaithfulnessTable
from stn_action.models.backbones.backbone_table import backbone_spec
from stn_action.models.batch_norm_folding import folded_network
from stn_action.models.grad_cam import GradCam
from stn_action.progress import show_progress
from stn_action.runs.checkpoint_test import OpenedCheckpoint, open_checkpoint
from stn_action.runs.folder import locked_folder, write_csv
from stn_action.runs.folds import pooled_listing
from stn_action.runs.sweep_plan import subjects_of

NO_CACHE = ("train.cache_features=false", "train.cache_at=null", "train.precision=float32")
"""Pixels are masked: a cache has none. Gradients are taken in float32."""
PLACES_SEED = 0
"""Of the random masks."""


def run_faithfulness(
    path: str | Path, config_file: str | None, overrides: Sequence[str], out: Path | None, *,
    area: float | None = None, explained: Explained = "predicted", at: str | None = None,
    console: Console | None = None, trust: bool = False,
) -> list[str]:  # fmt: skip
    """Measure the faithfulness of a run and write it: `faithfulness.md`, `.json` and `.csv`.

    Args:
        path: a checkpoint, or the folder of a run; of one over folds all are pooled.
        config_file: a configuration in place of the checkpoint's own.
        overrides: `key.sub=value`.
        out: folder of the results; None: `faithfulness` beside the checkpoint.
        area: share of each frame that is masked; None: that of the heads' own places.
        explained: the class whose probability is followed.
        at: stage of Grad-CAM and activation; None: the one that the heads look at.
        console: where progress is shown; None: nowhere.
        trust: run code that the checkpoint names.

    Returns:
        Lines to print.

    Raises:
        InputError: the checkpoint, a setting or the data are wrong, or there are neither heads nor
            an area.
    """
    if area is not None and not 0 < area < 1:
        raise InputError(f"--area must be a share of the frame in (0, 1), got {area}")
    (subject,) = subjects_of([path])
    folder = out or (Path(path) if Path(path).is_dir() else Path(path).parent) / "faithfulness"
    with locked_folder(folder):
        parts = []
        for member in subject.members:
            given = [*NO_CACHE, *overrides, *member.fold]
            opened = open_checkpoint(member.path, config_file, given, trust=trust)
            stage = _stage(opened.config, path, area=area, at=at)
            parts.append(FoldFaithfulness(opened.config, opened.listing, _measured(
                opened, stage, area=area, explained=explained, console=console
            )))  # fmt: skip
        videos, failures = _videos(parts)
        table = _pooled([part.found for part in parts], videos)
        lines = [f"{_protocol(parts, failures)}; {explained} class", *table.lines()]
        lines += [f"left out: {name}: {reason}" for name, reason in failures]
        write_csv(folder / "faithfulness.csv", _video_rows(table, videos))
        write_file(folder / "faithfulness.md", "\n".join(lines) + "\n")
        numbers = {"protocol": lines[0], **table.numbers(), "failures": failures}
        write_file(folder / "faithfulness.json", json.dumps(numbers, indent=1))
    return [*lines, f"written to {folder}"]


class FoldFaithfulness(NamedTuple):
    """The measurement of one checkpoint on the test videos of its fold."""

    config: Config
    listing: Listing
    found: Faithfulness


def _stage(config: Config, path: str | Path, *, area: float | None, at: str | None) -> str:
    """Return the stage that Grad-CAM uses.

    Raises:
        InputError: no stage is named, or there are neither heads nor an area to mask.
    """
    focus = config.model.focus
    if area is None and (focus is None or focus.heads == 0):
        raise InputError(
            f"{path}: there are no heads whose place could be masked; give --area SHARE"
        )
    stage = at or (focus.stages[0] if focus is not None else config.model.freeze_until)
    if stage is None:
        raise InputError(
            f"{path}: neither model.focus.at nor model.freeze_until names a stage whose map "
            "Grad-CAM could use; give --at STAGE"
        )
    return stage


def _measured(
    opened: OpenedCheckpoint, stage: str, *, area: float | None, explained: Explained,
    console: Console | None,
) -> Faithfulness:  # fmt: skip
    config, listing = opened.config, opened.listing
    if explained == "true" and listing.multi_label:
        raise InputError(
            f"--explain true: videos of {listing.name} have several labels; use --explain predicted"
        )
    if listing.positions > 1:
        raise InputError(
            f"{listing.name}: videos have a class at each of {listing.positions} positions; masks "
            "are compared for one class a video"
        )
    strategy = build_strategy("float32")
    network = strategy.place(opened.network)
    example = example_clip(config).to(strategy.device)
    if config.model.freeze_until is not None:  # of a trained stage too, as nothing is trained here
        noise = torch.randint(256, example.shape, generator=torch.Generator().manual_seed(0))
        network = folded_network(network, config.model.freeze_until, noise.to(example).byte())
    views = evaluation_dataset(config, listing.test, source=opened.source)
    batches = full_test_loader(config, views, strategy)
    outputs = [one.layout.output for one in network.placements if one.at == stage]
    cam = GradCam(network, stage, example, output=outputs[0] if outputs else None)
    shown = show_progress(
        batches, total=len(batches), what="masking", unit="batches", console=console,
        enabled=console is not None,
    )  # fmt: skip
    color = [float(round(value)) for value in backbone_spec(config.model.backbone).mean]
    return measure_faithfulness(
        network, shown, cam, fill=color, area=area, explained=explained,
        generator=torch.Generator().manual_seed(PLACES_SEED),
    )  # fmt: skip


def _videos(parts: Sequence[FoldFaithfulness]) -> tuple[list[Video], list[tuple[str, str]]]:
    """Return the videos of all parts in their order, and names and reasons of those that failed."""
    videos = [part.listing.test[index] for part in parts for index in part.found.video.tolist()]
    failures = [
        (part.listing.test[index].name, reason)
        for part in parts
        for index, reason in part.found.failures
    ]
    return videos, failures


def _pooled(parts: Sequence[Faithfulness], videos: Sequence[Video]) -> FaithfulnessTable:
    numbers: dict[str, int] = {}
    groups = [numbers.setdefault(video.group, len(numbers)) for video in videos]
    return FaithfulnessTable(
        parts[0].masks,
        groups=torch.tensor(groups),
        **{
            name: torch.cat([getattr(part, name) for part in parts])
            for name in ("probability", "drop", "kept", "area")
        },
    )


def _protocol(parts: Sequence[FoldFaithfulness], failures: Sequence[tuple[str, str]]) -> str:
    config, listing, _ = parts[0]
    if len(parts) > 1:
        listing = pooled_listing(config, [part.listing for part in parts])
    return protocol(config, listing, len(failures))


def _video_rows(table: FaithfulnessTable, videos: Sequence[Video]) -> Iterator[list[object]]:
    names = [f"{kind} {mask}" for mask in table.masks for kind in ("drop", "kept")]
    yield ["video", "group", "probability", "area", *names]
    for row, video in enumerate(videos):
        values = torch.stack([table.drop[row], table.kept[row]], dim=1).flatten()
        cells = [table.probability[row], table.area[row], *values]
        yield [video.name, video.group, *(f"{float(value):.6f}" for value in cells)]
