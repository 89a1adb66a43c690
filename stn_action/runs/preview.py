"""What a network will really see: the clips of a data set beside what they were cut from.

Nothing is cut here: the clips come from the datasets of `loading`, whose source is watched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from stn_action.batch import Sample
from stn_action.build.data import (
    check_before_start,
    evaluation_dataset,
    load_listing,
    training_dataset,
)
from stn_action.build.feature_cache import CACHE_SEED
from stn_action.build.video_sets import pick_evenly
from stn_action.config.schema import Config
from stn_action.data.clips import ClipDataset
from stn_action.data.footage import Footage
from stn_action.data.listing import Listing
from stn_action.data.source import DrawClips, FootageSource
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.person.select import select_boxes
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError
from stn_action.visualize.clip_sheet import PreviewClip, draw_overview, draw_preview, draw_summary
from stn_action.visualize.focus_sheet import evenly_spaced
from stn_action.visualize.images import Image, save_png

Part = Literal["train", "test"]
OVERVIEW = "overview.png"


def preview(
    config: Config, out: Path, *, part: Part = "train", limit: int = 6, draws: int = 3
) -> Iterator[str]:
    """Draw a sheet for each of a few videos and one overview; no network is built.

    Args:
        config: the experiment; of the part with cached features the cached views are shown.
        out: folder; `01_<video>.png` and so on, and `overview.png`.
        part: "train": random clips, of the first epochs; "test": the fixed views.
        limit: videos at most, evenly spaced over the part.
        draws: clips of each video at most.

    Yields:
        Lines to print: the files written, and the videos that could not be read.

    Raises:
        InputError: the configuration or the data are wrong, or no video can be read.
    """
    check_before_start(config)
    listing = load_listing(config)
    videos = listing.train if part == "train" else listing.test
    numbers = {video.name: number for number, video in enumerate(_listed(config, listing, part))}
    dataset, source = _watched(config, listing, part)
    summaries: list[Image] = []
    failures: list[str] = []
    chosen = pick_evenly(videos, limit)
    for place, video in enumerate(chosen, start=1):
        index = numbers[video.name]
        try:
            shots = _shots(config, dataset, source, index, draws)
            cuts = _cuts(config, source, index, shots)
        except VideoError as error:
            failures.append(f"cannot be read: {video.name}: {error}")
            yield failures[-1]
            continue
        title = f"{video.name}: {', '.join(listing.classes[label] for label in video.labels)}"
        found = _people_of(source, index)
        sheet = draw_preview(cuts, title=title, notes=[_who(config, found), _how(config, part)])
        file = out / f"{place:02d}_{video.name.replace('/', '_')}.png"
        save_png(file, sheet)
        count = f" ({_count(found)})" if source.people is not None else ""
        summaries.append(draw_summary(cuts, title=title + count))
        yield str(file)
    if not summaries:
        raise InputError(f"none of {len(chosen)} videos can be read; the first {failures[0]}")
    title = f"{listing.name}, {part}: {_crop_words(config)}"
    save_png(out / OVERVIEW, draw_overview(summaries, title=title))
    yield str(out / OVERVIEW)


class WatchedSource(FootageSource):
    """A source that keeps what was read of the last videos, and which regions were cut of it."""

    def __init__(self, source: FootageSource) -> None:
        super().__init__(
            source.videos, source.crop, people=source.people, tubes=source.tubes,
            manifest=source.manifest, backend=source.backend,
        )  # fmt: skip
        self.footage: list[WatchedFootage] = []
        """In the order of reading."""

    def read(self, index: int, draw: DrawClips, person: int = 0) -> Footage:
        """As `FootageSource.read`."""
        footage = WatchedFootage(**vars(super().read(index, draw, person)))
        self.footage.append(footage)
        return footage


@dataclass(frozen=True, eq=False)
class WatchedFootage(Footage):
    """Footage that remembers the regions it gave."""

    regions: dict[int, Tensor] = field(default_factory=dict)
    """Number of the clip to (R, 4)."""

    def region(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """As `Footage.region`."""
        self.regions[number] = super().region(number, generator)
        return self.regions[number]


class _Shot(NamedTuple):
    """A sample and where it comes from."""

    sample: Sample
    footage: WatchedFootage
    number: int
    """Of its clip in the footage."""
    name: str


def _listed(config: Config, listing: Listing, part: Part) -> Sequence[Video]:
    """The videos in the order that their random draws depend on."""
    if part == "test":
        return listing.test
    if config.train.cache_features:
        return sorted([*listing.train, *listing.test], key=lambda video: video.name)
    return listing.train


def _watched(config: Config, listing: Listing, part: Part) -> tuple[ClipDataset, WatchedSource]:
    """The dataset of a run, or the one that its cache is filled from."""
    videos = _listed(config, listing, part)
    if part == "test":
        dataset = evaluation_dataset(config, videos)
    elif config.train.cache_features:
        views = config.train.cache_views
        dataset = training_dataset(config, videos, views_per_video=views, seed=CACHE_SEED)
    else:
        dataset = training_dataset(config, videos)
    dataset.source = source = WatchedSource(dataset.source)
    return dataset, source


def _shots(
    config: Config, dataset: ClipDataset, source: WatchedSource, index: int, draws: int
) -> list[_Shot]:
    """At most `draws` clips of a video.

    Raises:
        VideoError: it cannot be read.
    """
    persons = len(source.persons_of(index))
    if not dataset.train:
        samples = _samples(dataset, source, index)
        picked = evenly_spaced(len(samples), draws)
        return [_test_shot(dataset, source, samples[place], persons) for place in picked]
    first = sum(len(source.persons_of(before)) for before in range(index))
    if config.train.cache_features:
        samples = _samples(dataset, source, first)
        name = f"view {{}} of {len(samples)} in the cache"
        return [
            _Shot(sample, source.footage[0], sample.view, name.format(sample.view + 1))
            for sample in samples[:draws]
        ]
    shots = []
    for draw in range(draws):
        dataset.set_epoch(draw + 1)  # as runs count them
        sample = _samples(dataset, source, first + draw % persons)[0]
        who = f", person {draw % persons + 1} of {persons}" if persons > 1 else ""
        shots.append(_Shot(sample, source.footage[0], 0, f"epoch {draw + 1}{who}"))
    return shots


def _test_shot(dataset: ClipDataset, source: WatchedSource, sample: Sample, persons: int) -> _Shot:
    clip, crop = divmod(sample.view, dataset.crops)
    person, clip = divmod(clip, dataset.clips_per_video)
    name = f"clip {clip + 1} of {dataset.clips_per_video}"
    name += f", crop {crop + 1} of {dataset.crops}" if dataset.crops > 1 else ""
    name += f", person {person + 1} of {persons}" if persons > 1 else ""
    return _Shot(sample, source.footage[person], clip, name)


def _samples(dataset: ClipDataset, source: WatchedSource, item: int) -> list[Sample]:
    """The samples of an item; in training another video's would take the place of an unreadable."""
    source.footage.clear()
    samples, failures = dataset[item]
    if failures:
        raise VideoError(failures[0][1])
    return samples


def _cuts(
    config: Config, source: WatchedSource, index: int, shots: Sequence[_Shot]
) -> list[PreviewClip]:
    """All that is drawn of the clips of one video."""
    needed = torch.cat([shot.sample.frame_indices for shot in shots]).unique()
    with source.videos[index].open(config.data.reader) as reader:
        seconds = reader.read(needed.tolist()).seconds
    found = _people_of(source, index)
    cuts = []
    for sample, footage, number, name in shots:
        pictures = np.stack([footage.pictures[place] for place in footage.places[number].tolist()])
        frames = torch.from_numpy(pictures).permute(0, 3, 1, 2)  # (T, 3, H, W)
        indices = sample.frame_indices
        whom = None
        if footage.tubes:
            window = footage.crop.smooth_window
            whom = select_boxes(footage.tubes, indices, footage.select, window)
        cuts.append(
            PreviewClip(
                frames, sample.clip, indices, seconds[torch.searchsorted(needed, indices)],
                persons=_boxes(found, indices, (frames.shape[2], frames.shape[3])),
                person_boxes=whom, regions=footage.regions[number].expand(len(frames), 4),
                edges=sample.boxes, name=name,
            )
        )  # fmt: skip
    return cuts


def _people_of(source: FootageSource, index: int) -> VideoPeople | None:
    return source.people.find(source.videos[index].name) if source.people is not None else None


def _boxes(found: VideoPeople | None, indices: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(N, T, 4) of everybody found, NaN before the first and after the last box."""
    rows = [torch.empty(0, len(indices), 4)]
    for tube in found.tubes_in(size_hw) if found is not None else ():
        seen = (indices >= tube.frame_indices[0]) & (indices <= tube.frame_indices[-1])
        rows.append(tube.boxes_at(indices).where(seen[:, None], torch.nan)[None])
    return torch.cat(rows)


def _count(found: VideoPeople | None) -> str:
    count = 0 if found is None else len(found.tubes)
    return "1 person" if count == 1 else f"{count or 'no'} people"


def _who(config: Config, found: VideoPeople | None) -> str:
    """Whom the clips are about."""
    data = config.data
    if data.people is None:
        return "whole frame: data.people is null, no person boxes are used"
    kept = sum(tube.span >= data.tubes.min_span for tube in found.tubes) if found else 0
    short = f", {kept} of them seen for {data.tubes.min_span} frames or more"
    count = _count(found) + (short if found and kept < len(found.tubes) else "")
    return f"{count}: {'whole frame, nobody to cut out' if not kept else _crop_words(config)}"


def _crop_words(config: Config) -> str:
    data, crop = config.data, config.data.crop
    if data.people is None:
        return f"whole frame, aspect {crop.aspect}"
    return (
        f"select {data.tubes.select}, looseness {crop.looseness:g}, jitter {crop.box_jitter:g} in "
        f"training, aspect {crop.aspect}, motion {crop.motion}"
    )


def _how(config: Config, part: Part) -> str:
    """Frames and views."""
    data, augment = config.data, config.data.augment
    frames = f"{data.clip.num_frames} frames, {data.clip.stride} apart"
    if data.clip.sampling == "segment":
        frames = f"{data.clip.num_frames} frames, one from each of equal parts"
    if part == "test":
        return (
            f"test: {frames}; {config.eval.num_clips} clips x {config.eval.num_crops} crops, view "
            f"{data.crop.view_share:g} of the region's shorter side"
        )
    low, high = augment.scale
    mirror = f"{augment.hflip:.0%} of the clips mirrored" if augment.hflip else "never mirrored"
    return (
        f"training: {frames}; view {low:g} to {high:g} of the region's shorter side, {mirror}, "
        f"colours changed by up to {augment.color_jitter:g}"
    )
