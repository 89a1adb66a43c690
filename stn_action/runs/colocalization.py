"""Co-localization of digits: a transformer finds the digit that all images of a set hold.

The experiment of Jaderberg et al. 2015 (arXiv 1506.02025), appendix A.2. Neither labels nor boxes
are used in training but for one thing: the images of a set are those of one class.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from stn_action.build.model import config_of_checkpoint, network_from_checkpoint
from stn_action.checksum import path_checksum
from stn_action.config.fingerprint import HARMLESS, Fingerprint
from stn_action.config.schema import Config
from stn_action.data.datasets.mnist import CLASSES, list_mnist
from stn_action.data.digits.digit_canvases import (
    CANVAS_SIZE,
    PLACEMENTS,
    DigitCanvases,
    Placement,
    draw_canvases,
)
from stn_action.data.digits.digit_clips import digit_numbers, read_images
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.geometry.boxes import box_areas, shared_areas
from stn_action.models.centered_localization import CenteredLocalization
from stn_action.models.digit_embedding import DigitEmbedding
from stn_action.models.plain_localization import convolutional_localization
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.progress import Progress
from stn_action.runs.colocalization_record import (
    ColocalizationRecord,
    Overlaps,
    read_record,
    record_name,
    require_same,
    write_record,
    write_results,
)
from stn_action.runs.folder import locked_folder, writing_to
from stn_action.runs.run_checkpoint import has_checkpoint
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.checkpoint_content import check_trained
from stn_action.training.triplets import (
    MIN_IMAGES,
    ColocalizationSchedule,
    colocalize,
    predicted_boxes,
)
from stn_action.visualize.colocalization_sheet import draw_colocalization
from stn_action.visualize.images import save_png

NETWORK = "digits/cnn_28"
"""Of the embedding."""
MIN_IOU = 0.5
"""A window is correct above this overlap with the digit's box."""
MIN_SCALE, MAX_SCALE = 0.2, 0.6
"""Bounds of a window's side, as shares of the canvas."""
DRAWN_IMAGES = 6
CELLS, EMBEDDING = "classes", "embedding"
"""Folders: the files of each finished class, and the run of the classifier."""


@dataclass(frozen=True)
class ColocalizationPlan:
    """What is trained and how; the same for all classes but for the class."""

    config: Config
    """Of the classifier and of the digits, `data.root`."""
    out: Path
    placements: Sequence[Placement] = PLACEMENTS
    classes: Sequence[int] = tuple(range(len(CLASSES)))
    embedding: Path | None = None
    """Checkpoint of a trained classifier; None: one is trained in `out`."""
    num_images: int = 1000
    """Of a class to train on, the first of the training files."""
    canvas: int = CANVAS_SIZE
    """Height and width of an image, pixels."""
    seed: int = 0
    schedule: ColocalizationSchedule = field(default_factory=ColocalizationSchedule)
    starts: int = 3
    """Random starts of each class. The one with the lowest loss is kept, which needs no boxes: from
    some starts windows never move, or agree on the background."""

    def __post_init__(self) -> None:
        if self.starts < 1:
            raise InputError(f"--starts: expected at least 1, got {self.starts}")
        unknown = [str(one) for one in self.classes if one not in range(len(CLASSES))]
        if unknown or not self.classes:
            raise InputError(f"--classes: expected digits 0 to 9, got {', '.join(unknown)}")
        if self.num_images < MIN_IMAGES:
            raise InputError(f"--images: expected at least {MIN_IMAGES}, got {self.num_images}")
        if self.config.data.name != "mnist":
            raise InputError(f"data.name: expected mnist, got {self.config.data.name}")

    def fingerprint(self, embedding: Path) -> Fingerprint:
        """Return what the result of a class depends on, besides the class."""
        extra = {
            "--embedding": path_checksum(embedding) if self.embedding else None,
            "--images": self.num_images,
            "--canvas": self.canvas,
            "--seed": self.seed,
            "--starts": self.starts,
            "schedule": asdict(self.schedule),
        }
        without = (*HARMLESS, "data.root")
        return Fingerprint.of(self.config, without=without, extra=extra)


def run_colocalization(
    plan: ColocalizationPlan, *, command: str = "", console: Console | None = None
) -> list[ColocalizationRecord]:
    """Train a transformer for each class; a class that is finished is not repeated.

    Args:
        plan: what is trained.
        command: recorded with the results.
        console: where to print; the standard output by default.

    Returns:
        The results of all classes of the plan.

    Raises:
        InputError: a setting, the digits or the embedding are wrong, or the folder holds results of
            other settings.
    """
    console = console or Console(soft_wrap=True, highlight=False)
    listing = list_mnist(plan.config.data.root)
    digits = _Digits(listing.train, listing.test, plan)
    if plan.embedding is not None:
        load_embedding(plan.embedding)
    with locked_folder(plan.out):
        checkpoint = plan.embedding or plan.out / EMBEDDING / "last.pt"
        require_same(plan.out / CELLS, own := plan.fingerprint(checkpoint))
        if plan.embedding is None:
            _train_embedding(plan, console)
        embedding = load_embedding(checkpoint)
        records = []
        for placement in plan.placements:
            for digit in plan.classes:
                path = plan.out / CELLS / f"{record_name(placement, digit)}.json"
                if not path.is_file():
                    record = _run_class(plan, digits, placement, digit, embedding, console)
                    write_record(path.parent, record, own)
                records.append(read_record(path))
        write_results(records, own, plan.out, command)
    return records


def load_embedding(path: Path) -> DigitEmbedding:
    """Load the classifier whose activations describe crops.

    Raises:
        InputError: no checkpoint, or of another network.
    """
    content = load_checkpoint(path)
    check_trained(content, path)
    config = config_of_checkpoint(content, path, own_files=False)
    if config.model.backbone != NETWORK or config.model.focus is not None:
        heads = "" if config.model.focus is None else " with heads"
        raise InputError(
            f"{path}: expected a classifier {NETWORK} without heads, got "
            f"{config.model.backbone}{heads}; train one by configs/paper/colocalization.yaml"
        )
    return DigitEmbedding(network_from_checkpoint(content, config, path))


def overlaps_of(windows: Tensor, boxes: Tensor) -> Overlaps:
    """Compare windows (N, 4) with true boxes (N, 4), both xyxy in pixels."""
    shared = shared_areas(windows, boxes)
    iou = shared / (box_areas(windows) + box_areas(boxes) - shared)
    correct = (iou > MIN_IOU).double().mean()
    return Overlaps(len(iou), float(correct), float(iou.double().mean()))


class _Digits:
    """The digits of all classes, and the canvases of one."""

    def __init__(self, train: VideoTable, test: VideoTable, plan: ColocalizationPlan) -> None:
        self.plan = plan
        self.others = read_images(str(train[0].path))
        """Digits that clutter is taken of."""
        self.parts = train, test
        least = math.floor(self.others.shape[1] / MAX_SCALE) + 1
        if plan.canvas < least:
            raise InputError(
                f"--canvas: expected at least {least} pixels for digits of "
                f"{self.others.shape[1]}, got {plan.canvas}"
            )
        for digit in plan.classes:
            for part, least, name in ((train, plan.num_images, "--images"), (test, 1, "held out")):
                count = int((part.targets == digit).sum())
                if count < least:
                    raise InputError(
                        f"{name}: expected {least} digits of class {digit}, but "
                        f"{part[0].path} has {count}"
                    )

    def canvases(self, placement: Placement, digit: int) -> tuple[DigitCanvases, DigitCanvases]:
        """Draw the images that are trained on, and those that are held out."""
        drawn = []
        for number, part in enumerate(self.parts):
            rows = (part.targets == digit).nonzero().flatten()
            rows = rows[: self.plan.num_images] if number == 0 else rows
            images = read_images(str(part[0].path))
            numbers = [digit_numbers(part[row].name)[0] for row in rows.tolist()]
            size_hw = self.plan.canvas, self.plan.canvas
            generator = _generator(self.plan.seed, placement, digit, number)
            drawn.append(
                draw_canvases(
                    images[numbers], self.others, placement, size_hw=size_hw, generator=generator
                )
            )
        return drawn[0], drawn[1]


def _run_class(
    plan: ColocalizationPlan, digits: _Digits, placement: Placement, digit: int,
    embedding: DigitEmbedding, console: Console,
) -> ColocalizationRecord:  # fmt: skip
    started = time.perf_counter()
    train_on, held_out = digits.canvases(placement, digit)
    pixels, steps = _pixels(train_on), plan.schedule.steps
    runs = []
    for start in range(plan.starts):
        title = f"{placement}, class {digit}, start {start + 1} of {plan.starts}"
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(_seed(plan.seed, placement, digit, 2 + 2 * start))
            transformer = _transformer(plan.canvas, digits.others.shape[1])
        generator = _generator(plan.seed, placement, digit, 3 + 2 * start)
        training = colocalize(transformer, embedding, pixels, plan.schedule, generator=generator)
        runs.append(_followed(training, transformer, pixels, steps, title, console))
    best = min(runs, key=lambda run: run.loss)
    final = overlaps_of(best.windows[steps], train_on.boxes)
    sheet = draw_colocalization(
        train_on.images[:DRAWN_IMAGES], train_on.boxes[:DRAWN_IMAGES],
        {f"step {step}": boxes[:DRAWN_IMAGES] for step, boxes in best.windows.items()},
    )  # fmt: skip
    save_png(plan.out / CELLS / f"{record_name(placement, digit)}.png", sheet)
    held = overlaps_of(predicted_boxes(best.transformer, _pixels(held_out)), held_out.boxes)
    seconds = time.perf_counter() - started
    console.print(
        f"{placement}, class {digit}: {100 * final.correct:.1f} % correct, held out "
        f"{100 * held.correct:.1f} %, {seconds:.0f} s", markup=False,
    )  # fmt: skip
    return ColocalizationRecord(
        placement, digit, best.loss, [run.loss for run in runs],
        overlaps_of(best.windows[0], train_on.boxes), final, held, round(seconds, 1),
    )  # fmt: skip


class _Start(NamedTuple):
    """A transformer trained from one random start."""

    transformer: SpatialTransformer
    windows: dict[int, Tensor]
    """Boxes (N, 4) of the images at some steps."""
    loss: float
    """The mean over the last tenth of the steps."""


def _followed(
    training: Iterator[float], transformer: SpatialTransformer, pixels: Tensor, steps: int,
    title: str, console: Console,
) -> _Start:  # fmt: skip
    """Go through a training; note the windows before it, halfway and at its end."""
    windows = {0: predicted_boxes(transformer, pixels)}
    losses: list[float] = []
    with Progress(title, steps, unit="steps", console=console) as progress:
        for step, loss in enumerate(training, 1):
            losses.append(loss)
            if step in (steps // 2, steps):
                windows[step] = predicted_boxes(transformer, pixels)
            progress.advance(note=f"loss {loss:.3f}")
    return _Start(transformer, windows, float(np.mean(losses[-max(1, steps // 10) :])))


def _transformer(canvas: int, digit: int) -> SpatialTransformer:
    """Build a transformer whose windows start in the middle, as large as a digit."""
    raw_numbers = 3  # scale, x, y
    localization = convolutional_localization(1, (canvas, canvas), raw_numbers)
    return SpatialTransformer(
        1, "attention", (digit, digit), bounded=True, start_scale=digit / canvas,
        min_scale=MIN_SCALE, max_scale=MAX_SCALE,
        localization=CenteredLocalization(localization, raw_numbers),
    )  # fmt: skip


def _train_embedding(plan: ColocalizationPlan, console: Console) -> None:
    folder = plan.out / EMBEDDING
    if not (folder / "test.json").is_file():
        config = writing_to(plan.config, folder)
        train(config, console=console, resume=has_checkpoint(folder))


def _pixels(canvases: DigitCanvases) -> Tensor:
    return canvases.images[:, None].float() / 255  # (N, 1, H, W)


def _generator(seed: int, placement: Placement, digit: int, use: int) -> torch.Generator:
    return torch.Generator().manual_seed(_seed(seed, placement, digit, use))


def _seed(seed: int, placement: Placement, digit: int, use: int) -> int:
    """Return a seed that depends on the class and the use alone, not on what ran before."""
    numbers = [seed, PLACEMENTS.index(placement), digit, use]
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
