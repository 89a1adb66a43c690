"""Configuration to videos, datasets and loaders."""

import importlib
from collections.abc import Sequence
from dataclasses import replace

import cv2
from torch.utils.data import DataLoader, Dataset

from stn_action.batch import Item, collate
from stn_action.build.people import people_of, tubes_of, with_people
from stn_action.config.schema import Config
from stn_action.data.augment import Augment
from stn_action.data.clips import ClipDataset, ClipSampling, init_worker
from stn_action.data.datasets.folders import load_folders
from stn_action.data.datasets.ucf101 import load_ucf101
from stn_action.data.datasets.ut_interaction import load_ut_interaction
from stn_action.data.listing import Listing
from stn_action.data.manifest import Manifest
from stn_action.data.source import FootageSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.person.crop import CropSpec
from stn_action.video.backend_table import BACKENDS

FOLDS = {"ucf101": (1, 2, 3), "ut_interaction": tuple(range(1, 11))}


def load_listing(config: Config) -> Listing:
    """The labelled videos of `config.data` that are used; its split must be a number.

    Raises:
        InputError: the data or the person boxes are not there, or not what they should be.
    """
    return with_people(read_listing(config), config)


def read_listing(config: Config) -> Listing:
    """The labelled videos of `config.data`, whatever is known of the people in them.

    Raises:
        InputError: the data are not there, or not what they should be.
    """
    data = config.data
    if data.fold == "all":
        raise InputError("data.fold=all: one split is wanted here; give its number (data.fold=N)")
    match data.name:
        case "ucf101":
            return load_ucf101(data.root, data.fold, require_official=data.official)
        case "ut_interaction":
            return load_ut_interaction(data.root, data.fold)
        case "sample" if not (data.root / "sample.json").is_file():
            raise InputError(
                f"data.root: {data.root} holds no finished sample data set (sample.json); write it "
                f"with `python tools/make_sample.py --out {data.root}`"
            )
    return replace(load_folders(data.root), name=data.name)


def check_before_start(config: Config) -> None:
    """Find out now what would otherwise end a run when it is half done.

    Raises:
        InputError: the reader is not installed, or the folder of regions holds none.
    """
    if config.data.reader != "auto":
        module, _, package = BACKENDS[config.data.reader]
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(
                f"data.reader={config.data.reader}: not installed ({error}); run `pip install "
                f"{package}`, or choose another reader"
            ) from None
    regions = config.data.regions
    if regions is not None and not any(regions.rglob("*.csv")):
        raise InputError(
            f"data.regions: there is no CSV file below {regions}; give the folder of the deciding "
            "regions' boxes, or null where they are not known"
        )


def fold_configs(config: Config) -> list[Config]:
    """One configuration for every fold of `data.fold=all`, in order.

    Raises:
        InputError: the data set has no folds.
    """
    name = config.data.name
    if name not in FOLDS:
        raise InputError(f"data.fold=all: {name} has one split only; leave data.fold at 1")
    return [
        config.model_copy(update={"data": config.data.model_copy(update={"fold": fold})})
        for fold in FOLDS[name]
    ]


def training_dataset(config: Config, videos: Sequence[Video], **settings: int) -> ClipDataset:
    """Random clips of training videos; `settings` go to `ClipDataset`."""
    return ClipDataset(
        _source(config, videos),
        sampling=ClipSampling(**dict(config.data.clip)),
        train=True,
        augment=Augment(**dict(config.data.augment)),
        **{"seed": config.train.seed, **settings},
    )


def evaluation_dataset(
    config: Config, videos: Sequence[Video], *, clips: int | None = None, crops: int | None = None
) -> ClipDataset:
    """The fixed views of test videos; by default as many as `config.eval` says."""
    return ClipDataset(
        _source(config, videos),
        sampling=ClipSampling(**dict(config.data.clip)),
        train=False,
        clips_per_video=config.eval.num_clips if clips is None else clips,
        crops=config.eval.num_crops if crops is None else crops,
    )


def loader(
    config: Config,
    dataset: Dataset[Item],
    *,
    batch_size: int,
    shuffle: bool,
    workers: int | None = None,
) -> DataLoader:
    """A loader of `batch.Batch`; `batch_size` counts items."""
    workers = config.data.num_workers if workers is None else workers
    if workers:  # a process forked while OpenCV's threads are there waits for them for ever
        cv2.setNumThreads(1)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=shuffle,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=init_worker,
        persistent_workers=shuffle and workers > 0,
    )


def full_test_loader(
    config: Config, dataset: Dataset[Item], *, workers: int | None = None
) -> DataLoader:
    """A loader of all views: as many whole videos as `eval.batch_size` views are, one at least."""
    items = max(1, config.eval.batch_size // (config.eval.num_clips * config.eval.num_crops))
    return loader(config, dataset, batch_size=items, shuffle=False, workers=workers)


def protocol(config: Config, listing: Listing, num_failed: int) -> str:
    """What a result was measured on and how, in one line."""
    data = config.data
    clip = f"{data.clip.num_frames}x{data.clip.stride} frames"
    if data.clip.sampling == "segment":
        clip = f"{data.clip.num_frames} segments"
    height, width = data.crop.size
    skipped = f", {listing.skipped} without a person left out" if listing.skipped else ""
    views = f"{config.eval.num_clips} clips x {config.eval.num_crops} crops"
    return (
        f"{listing.name}: {len(listing.test)} videos, {num_failed} failed{skipped}; "
        f"{clip} of {width}x{height}, {views}, "
        f"{_crop_words(config, listing)}"
    )


def _crop_words(config: Config, listing: Listing) -> str:
    data = config.data
    if data.people is None:
        return "whole frame"
    tubes = "" if data.tubes.select == "longest" else f"{data.tubes.select}, "
    jitter = f", jitter {data.crop.box_jitter:g} in training" if data.crop.box_jitter else ""
    alone = (
        f"; whole frame of {listing.whole_frame} without a person" if listing.whole_frame else ""
    )
    return f"person crop ({tubes}looseness {data.crop.looseness:g}{jitter}{alone})"


def _source(config: Config, videos: Sequence[Video]) -> FootageSource:
    data = config.data
    return FootageSource(
        videos if isinstance(videos, VideoTable) else VideoTable(videos),
        CropSpec(**dict(data.crop)),
        people=people_of(config),
        tubes=tubes_of(config),
        manifest=Manifest.open(data.manifest) if data.manifest is not None else None,
        backend=data.reader,
    )
