"""Clips that are cut out of videos, against bare decoders and against others that do the same work.

A video is opened, 16 frames at stride 4 are read from its start and from its end, a square box is
cut from each and resized by areas: a fixed one, or one that moves and breathes as a person's does.
The bare decoder (PyAV, at its best) converts all of the same frames to RGB and cuts nothing. The
others cut and resize, with OpenCV, what their library returns. Times are those of the processor,
which other processes on the machine disturb least. Ours is read with the index that a manifest has;
in parentheses without. A rate with a star is that of a library that
returned other frames than it was asked for.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.other_decoders import Bare, OtherProcess, find_decoders
from benchmarks.timing import processor_medians
from stn_action.data.footage import Cut, Footage, read_views
from stn_action.data.video_table import Video
from stn_action.jobs.inspection import inspect_video
from stn_action.person.crop import CropSpec, View, view_boxes
from stn_action.person.image_crop import crop_images
from stn_action.video.backend_table import open_video
from stn_action.video.file_index import FileIndex

SIZES = 112, 224
WHOLE = View()
SAME_FRAME = 3.0
"""Mean difference, in levels, that two converters may have on the same frame."""
COLUMNS = "video", "size", "box", "clip", "bare ms", "clip / bare (no index)", "pyav, cut after"


def compare_crops(
    paths: dict[str, Path],
    bare: dict[str, Bare],
    indices_of: Callable[[int], dict[str, list[int]]],
    repeats: int,
    decord2: Path | None = None,
) -> None:
    """Print a table: times of the bare decoder and of the others, relative to our own.

    Args:
        paths: videos by name.
        bare: libraries by name, PyAV first.
        indices_of: the length of a video, to the frames of clips by name.
        repeats: of each measurement.
        decord2: the folder that has decord2 as its module `decord`.
    """
    found, lines = find_decoders()
    bare = bare | found
    other = None if decord2 is None else OtherProcess(decord2)
    lines.append(other.versions if other else "decord2 is not compared: --decord2 is not given")
    print("\n" + "; ".join(lines))
    others = [*bare, "decord2"] if other else [*bare]
    columns = [*COLUMNS, *others[1:]]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for (name, path), size in product(paths.items(), SIZES):
        with open_video(path) as reader:
            clips, size_hw = indices_of(len(reader)), reader.size_hw
        regions = _regions(size_hw, len(clips["early"]))
        for (motion, region), (place, indices) in product(regions.items(), clips.items()):
            wrong = _wrong(path, indices, bare, other)
            variants = _variants(path, indices, size, region, bare, other)
            seconds = processor_medians(variants, repeats=repeats)
            cells = [name, str(size), motion, place, f"{1e3 * seconds['bare']:.1f}"]
            without = seconds["bare"] / seconds["no index"]
            cells.append(f"{seconds['bare'] / seconds['own']:.2f} ({without:.2f})")
            for variant in others:
                ratio = seconds[variant] / seconds["own"]
                cells.append(f"{ratio:.2f}{'*' if variant in wrong else ''}")
            print("| " + " | ".join(cells) + " |", flush=True)
    if other:
        other.close()


def _variants(
    path: Path,
    indices: list[int],
    size: int,
    region: Tensor,
    bare: dict[str, Bare],
    other: OtherProcess | None,
) -> dict[str, Callable[[], object]]:
    crop = CropSpec((size, size), motion="follow")
    boxes = view_boxes(region, WHOLE, crop.aspect)
    packed = inspect_video(Video("a", path, 0, "")).packed_index
    variants: dict[str, Callable[[], object]] = {
        "own": partial(_own_clip, path, torch.tensor([indices]), crop, region, packed),
        "no index": partial(_own_clip, path, torch.tensor([indices]), crop, region, None),
        "bare": partial(bare["pyav"], path, indices),
        **{
            name: partial(_cut_after, read, path, indices, boxes, size)
            for name, read in bare.items()
        },
    }
    if other:
        arguments = bare["decord"], path, indices, boxes, size
        variants["decord2"] = partial(other.measure, _cut_after, *arguments)
    return variants


def _wrong(
    path: Path, indices: list[int], bare: dict[str, Bare], other: OtherProcess | None
) -> set[str]:
    """Return the libraries whose frames are not those of PyAV."""
    frames = {name: read(path, indices) for name, read in bare.items()}
    if other:
        frames["decord2"] = other.result(bare["decord"], path, indices)
    right = np.stack(list(frames["pyav"])).astype(float)
    return {
        name
        for name, images in frames.items()
        if np.abs(np.stack(list(images)) - right).mean((1, 2, 3)).max() > SAME_FRAME
    }


def _regions(size_hw: tuple[int, int], count: int) -> dict[str, Tensor]:
    """Return a fixed box (1, 4) and moving ones (count, 4), seven eighths of the height large."""
    height, width = size_hw
    side = 0.875 * height
    steps = torch.linspace(0, 1, count)
    sides = side * (1 + 0.1 * torch.sin(6 * steps))
    x, y = steps * (width - sides), (height - sides) / 2
    moving = torch.stack([x, y, x + sides, y + sides], dim=1)
    x, y = (width - side) / 2, (height - side) / 2
    return {"fixed": torch.tensor([[x, y, x + side, y + side]]), "moving": moving}


def _own_clip(
    path: Path, clips: Tensor, crop: CropSpec, region: Tensor, packed: bytes | None
) -> Tensor:
    known = None if packed is None else FileIndex.unpacked(packed)
    with open_video(path, known=known) as reader:
        footage = Footage(clips, reader.size_hw, (), "longest", crop)
        return read_views(reader, footage, [Cut(0, None, region, WHOLE)])[0].clip


def _cut_after(read: Bare, path: Path, indices: list[int], boxes: Tensor, size: int) -> Tensor:
    return crop_images(list(read(path, indices)), boxes, (size, size))
