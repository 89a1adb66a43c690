"""Clips near the end of original and re-encoded videos: clips per second at equal output.

python tools/benchmark.py reencoded [--repeats 15] [--clips FOLDER]

A clip of 16 frames is read near the end of a video and resized to 224x224: of the original, the
crop is what the re-encoded file holds. Each ratio is that of interleaved medians.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.timing import medians
from stn_action.data.video_files import find_video_files
from stn_action.data.video_table import Video
from stn_action.jobs.reencode.forecast import late_clip
from stn_action.jobs.reencode.reencoded_video import (
    PeopleExtent,
    PixelBox,
    Recipe,
    ReencodedVideo,
    reencode_video,
)
from stn_action.video.backend_table import open_video
from stn_action.video.writer import write_video

SMOKE_CLIPS = Path(__file__).parents[2] / "shared/data/smoke_clips"
PERSON = (0.35, 0.2, 0.6, 0.8)
"""The assumed box of the person, xyxy as shares of the frame."""
STRIDES = (1, 4)


@dataclass(frozen=True)
class Variant:
    """One file that a clip is read from."""

    path: Path
    box: PixelBox | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, re-encode, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--clips", type=Path, default=SMOKE_CLIPS, help="folder of more videos")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    ratios = [f"x, {what}, stride {s}" for what in ("short side 256", "person") for s in STRIDES]
    table = Table(
        "original", "frames", "MB", *(f"clips/s, stride {stride}" for stride in STRIDES),
        "MB re-encoded", *ratios,
        title="late clips of 16 frames of 224x224; x: times as many clips per second",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for path in _originals(Path(folder), options.clips):
            table.add_row(*_row(path, Path(folder), options.repeats))
    columns = [
        [float(str(cell)) for cell in column.cells] for column in table.columns[-len(ratios) :]
    ]
    middle = [f"{statistics.median(column):.1f}" for column in columns]
    table.add_row("median", "", "", "", "", "", *middle)
    Console(width=190).print(table)


def _originals(folder: Path, more: Path) -> Iterator[Path]:
    for number, gop in enumerate((250, 60)):
        path = folder / f"generated_gop{gop}_340x256.mp4"
        write_video(path, _scene(240, (256, 340), seed=number), fps=30, crf=23, gop=gop)
        yield path
    if more.is_dir():
        yield from find_video_files(more).videos


def _row(path: Path, folder: Path, repeats: int) -> list[str]:
    full = _reencode(path, folder / "full.mp4", Recipe(), None)
    person = _reencode(path, folder / "person.mp4", Recipe(margin=0.5), _person(path))
    pairs = [
        (Variant(path, None), Variant(folder / "full.mp4", None)),
        (Variant(path, person.kept_xyxy), Variant(folder / "person.mp4", None)),
    ]
    rates, ratios = [], []
    for pair in pairs:
        for stride in STRIDES:
            runs = {
                name: partial(late_clip, Video(name, one.path, 0, ""), one.box, stride=stride)
                for name, one in zip(("before", "after"), pair, strict=True)
            }
            seconds = medians(runs, repeats=repeats)
            rates.append(f"{1 / seconds['before']:.0f}")
            ratios.append(f"{seconds['before'] / seconds['after']:.1f}")
    megabytes = f"{full.bytes / 1e6:.2f}, {person.bytes / 1e6:.2f}"
    size = f"{path.stat().st_size / 1e6:.2f}"
    return [path.name, str(full.frames), size, *rates[: len(STRIDES)], megabytes, *ratios]


def _reencode(
    path: Path, target: Path, recipe: Recipe, people: PeopleExtent | None
) -> ReencodedVideo:
    video = Video(path.stem, path, 0, "")
    return reencode_video(video, target, recipe, people, scratch=target.parent)


def _person(path: Path) -> PeopleExtent:
    with open_video(path) as reader:
        height, width = reader.size_hw
    x0, y0, x1, y1 = PERSON
    return PeopleExtent((x0 * width, y0 * height, x1 * width, y1 * height), None, None)


def _scene(frames: int, size_hw: tuple[int, int], seed: int) -> Iterator[np.ndarray]:
    """A smooth random background that wanders, a moving square, and the noise of a camera."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    coarse = random.integers(0, 256, (18, 32, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    for number in range(frames):
        x, y = number % width, int(20 + 20 * np.sin(number / 15))
        frame = wide[y : y + height, x : x + width].astype(np.int16)
        left = 40 + number % 150
        frame[90:170, left : left + 50] = (240, 200, 40)
        frame += random.integers(-6, 7, frame.shape, dtype=np.int16)
        yield frame.clip(0, 255).astype(np.uint8)
