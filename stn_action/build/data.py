"""Configuration to videos, datasets and loaders."""

import importlib
from collections.abc import Sequence, Sized
from typing import Any, cast

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from stn_action.batch import Item, collate
from stn_action.build.augment_settings import augment_of
from stn_action.build.crop_settings import crop_of, mean_color_of
from stn_action.build.people import people_of, tubes_of, with_people
from stn_action.build.scene_pools import with_scenes
from stn_action.config.schema import Config
from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.digits.digit_clips import DigitClips, holds_digits
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.global_batches import GlobalBatches, class_balanced_weights
from stn_action.data.listing import Listing, hold_out_groups
from stn_action.data.manifest import Manifest
from stn_action.data.source import ClipSource
from stn_action.data.video_table import Video, VideoTable
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.extras import missing_extra
from stn_action.person.store.tube_folder import read_tube_csv
from stn_action.video.backend_table import BACKENDS
from stn_action.workers.worker_process import set_up_loader_worker


def load_listing(config: Config) -> Listing:
    """Return the labeled videos of `config.data` that are used; its fold must be a number.

    Raises:
        InputError: the data or the person boxes are missing, or not what they should be.
    """
    listing = read_listing(config)  # first: without videos no boxes are missed
    people = people_of(config)
    source = ClipSource(VideoTable(), crop_of(config), people=people, tubes=tubes_of(config))
    return with_people(listing, config, source)


def open_data(config: Config) -> tuple[Listing, ClipSource]:
    """Return the labeled videos that are used, and the source of all their clips.

    Raises:
        InputError: as `load_listing`; or the manifest is wrong, or a video has no scene.
    """
    listing = read_listing(config)  # first: without videos no boxes are missed
    source = open_source(config)
    listing = with_people(listing, config, source)
    return listing, with_scenes(source, config, listing)


def read_listing(config: Config, *, require_files: bool = True) -> Listing:
    """Return all labeled videos of `config.data`, with or without person boxes.

    Args:
        config: its fold must be a number. `data.val_share` takes groups out of the training videos
            where the data set has no validation part of its own.
        require_files: refuse, or leave out, videos that the disk lacks.

    Raises:
        InputError: the data are missing, or not what they should be.
    """
    data = config.data
    if data.fold == "all":
        raise InputError("data.fold=all: one fold is needed here; give its number (data.fold=N)")
    spec = DATASETS[data.name]
    listing = spec.read(
        data.root, data.fold, folds=data.folds, fold_seed=data.fold_seed,
        require_official=data.official,
    )  # fmt: skip
    listing = listing.with_frames_fps(data.frames_fps)
    if data.val_share and not listing.val:
        listing = hold_out_groups(listing, data.val_share, seed=config.train.seed)
    return spec.keep_present(listing, data.root) if require_files else listing


def check_before_start(config: Config) -> None:
    """Check for mistakes that would otherwise end a run after hours.

    Raises:
        InputError: videos are mirrored whose labels are not, clips of tubes would not show them,
            the reader is not installed, the folder of regions holds none, or one is malformed.
    """
    hflip, spec = config.data.augment.hflip, DATASETS[config.data.name]
    select = config.data.tubes.select
    if spec.of_tubes and config.data.people is not None and select != "all":
        raise InputError(
            f"data.tubes.select={select}: a sample of {spec.name} is a tube, and its clips would "
            "show other frames of the video; set data.tubes.select to all"
        )
    if hflip and spec.mirrors_labels:
        raise InputError(
            f"data.augment.hflip={hflip:g}: a mirrored video of {config.data.name} shows another "
            'class ("from left to right") than its label; set data.augment.hflip to 0'
        )
    if config.data.reader != "auto":
        module, _ = BACKENDS[config.data.reader]
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(
                f"data.reader={config.data.reader}: {missing_extra(error) or error}; or choose "
                "another reader"
            ) from None
    regions = config.data.regions
    if regions is None:
        return
    files = sorted(regions.rglob("*.csv"))
    for file in files:
        read_tube_csv(file)
    if not files:
        raise InputError(
            f"data.regions: there is no CSV file below {regions}; give the folder of the deciding "
            "regions' boxes, or null where they are not known"
        )


def fold_configs(config: Config) -> list[Config]:
    """Return one configuration for every fold of `data.fold=all`, in order.

    Raises:
        InputError: the data set has no folds, or cannot be split into them.
    """
    spec = DATASETS[config.data.name]
    numbers = spec.fold_numbers(config.data.root, config.data.folds)
    if len(numbers) == 1:
        remedy = ", or set data.folds" if spec.user_folds else ""
        raise InputError(
            f"data.fold=all: {spec.name} has one fold only; leave data.fold at 1{remedy}"
        )
    return [
        config.model_copy(update={"data": config.data.model_copy(update={"fold": fold})})
        for fold in numbers
    ]


def open_source(config: Config) -> ClipSource:
    """Return the source of clips, without videos yet: `select` gives it those of a data set.

    Raises:
        InputError: the person boxes or the manifest are missing, or not what they should be.
    """
    data = config.data
    return ClipSource(
        VideoTable(),
        crop_of(config),
        mean_color=mean_color_of(config),
        people=people_of(config),
        tubes=tubes_of(config),
        manifest=Manifest.open(data.manifest) if data.manifest is not None else None,
        backend=data.reader,
        max_pixels=data.max_pixels,
    )


def training_dataset(
    config: Config,
    videos: VideoTable | Sequence[Video],
    *,
    source: ClipSource | None = None,
    **settings: int,
) -> TrainClips | DigitClips:
    """Return random clips of training videos, or distorted digits.

    Args:
        config: the experiment.
        videos: to train on.
        source: shared with other data sets; None: people and manifest are opened.
        settings: go to `TrainClips`.
    """
    selected = _selected(config, videos, source)
    if holds_digits(selected.videos[0].path):
        return DigitClips(selected, distortion=config.data.distortion, seed=config.train.seed)
    return TrainClips(
        selected,
        sampling=ClipSampling(**dict(config.data.clip)),
        augment=augment_of(config),
        **{"seed": config.train.seed, **settings},
    )


def evaluation_dataset(
    config: Config,
    videos: VideoTable | Sequence[Video],
    *,
    source: ClipSource | None = None,
    clips: int | None = None,
    crops: int | None = None,
) -> TestClips | DigitClips:
    """Return the fixed views of test videos; by default as many as `config.eval` sets."""
    selected = _selected(config, videos, source)
    if holds_digits(selected.videos[0].path):
        return DigitClips(selected, distortion=config.data.distortion, fixed=True)
    return TestClips(
        selected,
        sampling=ClipSampling(**dict(config.data.clip)),
        num_clips=config.eval.num_clips if clips is None else clips,
        num_crops=config.eval.num_crops if crops is None else crops,
        keep_source=config.eval.zoom_from == "source",
    )


def training_loader(
    config: Config, dataset: Dataset[Item], strategy: Strategy, *, workers: int | None = None
) -> DataLoader:
    """Return a loader of a process's shares of the training batches.

    Its `batch_sampler` is a `GlobalBatches`: set the epoch there.
    """
    train, weights = config.train, None
    if train.sampling == "class_balanced":
        weights = class_balanced_weights(cast(Any, dataset).targets)
    batches = GlobalBatches(
        len(cast(Sized, dataset)),
        train.batch_size // train.repeated,
        seed=train.seed,
        rank=strategy.rank,
        num_processes=strategy.num_processes,
        weights=weights,
    )
    alone = (config.data.num_workers if workers is None else workers) == 0
    if alone and isinstance(dataset, DigitClips):
        dataset.compute_on(strategy.device)
    return _loader(config, dataset, batches, workers=workers)


def evaluation_loader(
    config: Config,
    dataset: Dataset[Item],
    strategy: Strategy | None = None,
    *,
    batch_size: int,
    workers: int | None = None,
) -> DataLoader:
    """Return a loader of all items in order, each on one process.

    Args:
        config: the experiment.
        dataset: of test views.
        strategy: of the run; None: one process takes all.
        batch_size: items of a batch. A batch holds the same ones whatever the number of processes.
        workers: that load; None: as many as `data.num_workers`.
    """
    every, first = (strategy.num_processes, strategy.rank) if strategy else (1, 0)
    items = range(len(cast(Sized, dataset)))
    batches = [list(items[start : start + batch_size]) for start in items[::batch_size]]
    return _loader(config, dataset, batches[first::every], workers=workers)


def full_test_loader(
    config: Config, dataset: Dataset[Item], strategy: Strategy, *, workers: int | None = None
) -> DataLoader:
    """Return a loader of all views, with as many videos as make `eval.batch_size` views."""
    items = max(1, config.eval.batch_size // (config.eval.num_clips * config.eval.num_crops))
    return evaluation_loader(config, dataset, strategy, batch_size=items, workers=workers)


def _loader(
    config: Config,
    dataset: Dataset[Item],
    batches: GlobalBatches | list[list[int]],
    *,
    workers: int | None,
) -> DataLoader:
    workers = config.data.num_workers if workers is None else workers
    if workers:  # a process forked while OpenCV's threads exist waits for them forever
        cv2.setNumThreads(1)
    return _ClipLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=set_up_loader_worker,
        generator=torch.Generator().manual_seed(config.train.seed),  # not the global one: dropout's
        persistent_workers=isinstance(batches, GlobalBatches) and workers > 0,
    )


class _ClipLoader(DataLoader):
    """A loader without a warning of more processes than cores, which are slower and no fault."""

    def check_worker_number_rationality(self) -> None:
        """Do not warn."""


def _selected(
    config: Config, videos: VideoTable | Sequence[Video], source: ClipSource | None
) -> ClipSource:
    table = videos if isinstance(videos, VideoTable) else VideoTable(videos)
    return (source or open_source(config)).select(table)
