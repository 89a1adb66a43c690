"""Preview sheets of a network's input: the clips of a data set beside their source frames.

The clips are traced through the data sets of a run; nothing is cut here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stn_action.build.cache_filling import CACHE_SEED
from stn_action.build.data import (
    check_before_start,
    evaluation_dataset,
    open_data,
    training_dataset,
)
from stn_action.build.video_sets import pick_evenly
from stn_action.config.schema import Config
from stn_action.data.clips import ClipTrace, TestClips, TrainClips
from stn_action.data.digits.digit_clips import DigitClips
from stn_action.data.listing import Listing
from stn_action.data.source import ClipSource
from stn_action.data.video_files import passed_over_line
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError
from stn_action.person.video_people import VideoPeople
from stn_action.runs.digit_images import SHEET, preview_digits
from stn_action.runs.preview_words import (
    count_people,
    describe_clips,
    describe_crops,
    describe_people,
    describe_scene,
)
from stn_action.video.reader import VideoError
from stn_action.visualize.clip_sheet import draw_overview, draw_preview, draw_summary
from stn_action.visualize.focus_sheet import evenly_spaced
from stn_action.visualize.images import Image, save_png
from stn_action.visualize.preview_clip import PreviewClip

Part = Literal["train", "val", "test"]
OVERVIEW = "overview.png"
_PARTS = {"train": "Training", "val": "Validation", "test": "Test"}


def preview(
    config: Config, out: Path, *, part: Part = "train", limit: int = 6, draws: int = 3
) -> Iterator[str]:
    """Draw a sheet for each of a few videos and one overview; no network is built.

    Of digits there is one sheet.

    Args:
        config: the experiment; of the part with cached features the cached views are shown.
        out: folder; `01_<video>.png` and so on, and `overview.png`.
        part: "train": random clips, of the first epochs; "val", "test": the fixed views.
        limit: videos at most, evenly spaced over the part.
        draws: clips of each video at most.

    Yields:
        Lines to print: the files written, and the videos that could not be read.

    Raises:
        InputError: the configuration or the data are wrong, or no video can be read.
    """
    check_before_start(config)
    listing, source = open_data(config)
    if listing.passed_over:
        yield passed_over_line(listing.passed_over, config.data.root)
    videos: VideoTable = getattr(listing, part)
    if not videos:
        raise InputError(f"{listing.name} has no {part} videos; choose another part")
    ordered = _videos_in_order(config, listing, part)
    numbers = {name: number for number, name in enumerate(ordered.names())}
    dataset = _dataset(config, source, ordered, part)
    if isinstance(dataset, DigitClips):
        indices = [numbers[video.name] for video in pick_evenly(videos, limit)]
        save_png(out / SHEET, preview_digits(dataset, listing.classes, indices, draws))
        yield str(out / SHEET)
        return
    summaries: list[Image] = []
    failures: list[str] = []
    chosen = pick_evenly(videos, limit)
    for place, video in enumerate(chosen, start=1):
        index = numbers[video.name]
        try:
            found = dataset.source.people_in(index)
            shots = _shots(config, dataset, index, draws)
            clips = _preview_clips(dataset.source, index, found, shots)
        except VideoError as error:
            failures.append(f"cannot be read: {video.name}: {error}")
            yield failures[-1]
            continue
        title = f"{video.name}: {listing.label_text(video)}"
        notes = [
            f"{describe_people(config, found)} {describe_crops(config, part)}",
            describe_clips(config, part), *describe_scene(dataset.source, index),
        ]  # fmt: skip
        sheet = draw_preview(clips, title=title, notes=notes)
        file = out / f"{place:02d}_{video.name.replace('/', '_')}.png"
        save_png(file, sheet)
        count = f" ({count_people(found)})" if config.data.people is not None else ""
        summaries.append(draw_summary(clips, title=title + count))
        yield str(file)
    if not summaries:
        raise InputError(f"none of {len(chosen)} videos can be read; the first {failures[0]}")
    save_png(out / OVERVIEW, draw_overview(summaries, title=_overview_title(config, part)))
    yield str(out / OVERVIEW)


def _overview_title(config: Config, part: Part) -> str:
    crops = describe_crops(config, part) or describe_people(config, None)
    return f"{_PARTS[part]} videos: what the network gets. {crops}"


class _Shot(NamedTuple):
    """A clip to draw, and its name."""

    trace: ClipTrace
    name: str


def _videos_in_order(config: Config, listing: Listing, part: Part) -> VideoTable:
    """Return the videos in the order that their random draws depend on."""
    if part != "train":
        return getattr(listing, part)
    if config.train.cache_features:
        videos = listing.all_videos
        return videos.select(sorted(range(len(videos)), key=videos.names().__getitem__))
    return listing.train


def _dataset(
    config: Config, source: ClipSource, videos: VideoTable, part: Part
) -> TrainClips | TestClips | DigitClips:
    """Return the data set of a run, or the one that its cache is filled from."""
    if part != "train":
        return evaluation_dataset(config, videos, source=source)
    if config.train.cache_features:
        views = config.train.cache_views
        return training_dataset(
            config, videos, source=source, views_per_video=views, seed=CACHE_SEED
        )
    return training_dataset(config, videos, source=source)


def _shots(config: Config, dataset: TrainClips | TestClips, index: int, draws: int) -> list[_Shot]:
    """Return at most `draws` clips of a video.

    Raises:
        VideoError: it cannot be read.
    """
    if isinstance(dataset, TestClips):
        return _test_shots(dataset, index, draws)
    items = dataset.items_of(index)
    if config.train.cache_features:
        traces = dataset.trace(items[0])
        name = f"stored {{}} of {len(traces)}"  # short: "mirrored" has to fit behind it
        return [_Shot(trace, name.format(trace.sample.view + 1)) for trace in traces[:draws]]
    shots = []
    for draw in range(draws):
        dataset.set_epoch(draw + 1)  # as runs count them
        person = draw % len(items)
        who = f", person {person + 1} of {len(items)}" if len(items) > 1 else ""
        shots.append(_Shot(dataset.trace(items[person])[0], f"epoch {draw + 1}{who}"))
    return shots


def _test_shots(dataset: TestClips, index: int, draws: int) -> list[_Shot]:
    traces = dataset.trace(index, evenly_spaced(dataset.num_views(index), draws))
    persons = len(dataset.source.persons_of(index))
    shots = []
    for trace in traces:
        clip, crop = divmod(trace.sample.view, dataset.num_crops)
        person, clip = divmod(clip, dataset.num_clips)
        name = f"clip {clip + 1} of {dataset.num_clips}"
        name += f", crop {crop + 1} of {dataset.num_crops}" if dataset.num_crops > 1 else ""
        name += f", person {person + 1} of {persons}" if persons > 1 else ""
        shots.append(_Shot(trace, name))
    return shots


def _preview_clips(
    source: ClipSource, index: int, found: VideoPeople | None, shots: Sequence[_Shot]
) -> list[PreviewClip]:
    """Return the clips of one video with everything that is drawn of them."""
    needed = torch.cat([shot.trace.sample.frame_indices for shot in shots]).unique()
    with source.open(index) as opened:
        len(opened)  # counted, if need be: then all times are known
        seconds = torch.tensor([opened.seconds_at(index) for index in needed.tolist()]).double()
    clips = []
    for trace, name in shots:
        frames = torch.from_numpy(np.stack(trace.images)).permute(0, 3, 1, 2)  # (T, 3, H, W)
        indices = trace.sample.frame_indices
        clips.append(
            PreviewClip(
                frames, trace.sample.clip, indices, seconds[torch.searchsorted(needed, indices)],
                persons=_boxes(found, indices, (frames.shape[2], frames.shape[3])),
                person_boxes=trace.person_boxes, regions=trace.region.expand(len(frames), 4),
                edges=trace.sample.boxes, name=name,
            )
        )  # fmt: skip
    return clips


def _boxes(found: VideoPeople | None, indices: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return boxes (N, T, 4) of all persons found, NaN before the first and after the last box."""
    rows = [torch.empty(0, len(indices), 4)]
    for tube in found.tubes_in(size_hw) if found is not None else ():
        seen = (indices >= tube.frame_indices[0]) & (indices <= tube.frame_indices[-1])
        rows.append(tube.boxes_at(indices).where(seen[:, None], torch.nan)[None])
    return torch.cat(rows)
