"""Configuration to videos, datasets and loaders."""

import importlib
from collections.abc import Sequence
from dataclasses import replace

import cv2
from torch.utils.data import DataLoader, Dataset

from stn_action.config import Config
from stn_action.data.augment import Augment
from stn_action.data.clips import ClipDataset, ClipSampling, Item, collate, init_worker
from stn_action.data.folders import load_folders
from stn_action.data.ucf101 import load_ucf101
from stn_action.data.ut_interaction import load_ut_interaction
from stn_action.data.videos import Split, Video
from stn_action.errors import InputError
from stn_action.person.crop import CropSpec
from stn_action.person.store import TubeFolder
from stn_action.video.reader import BACKENDS

FOLDS = {"ucf101": (1, 2, 3), "ut_interaction": tuple(range(1, 11))}


def load_split(config: Config) -> Split:
    """The labelled videos of `config.data`; its split must be a number.

    Raises:
        InputError: the data are not there, or not what they should be.
    """
    data = config.data
    if data.split == "all":
        raise InputError("data.split=all: one split is wanted here; give its number (data.split=N)")
    match data.name:
        case "ucf101":
            return load_ucf101(data.root, data.split, require_official=data.official)
        case "ut_interaction":
            return load_ut_interaction(data.root, data.split)
        case "sample" if not (data.root / "sample.json").is_file():
            raise InputError(
                f"data.root: {data.root} holds no finished sample data set (sample.json); write it "
                f"with `python tools/prepare_data.py sample --out {data.root}`"
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
    """One configuration for every fold of `data.split=all`, in order.

    Raises:
        InputError: the data set has no folds.
    """
    name = config.data.name
    if name not in FOLDS:
        raise InputError(f"data.split=all: {name} has one split only; leave data.split at 1")
    return [
        config.model_copy(update={"data": config.data.model_copy(update={"split": fold})})
        for fold in FOLDS[name]
    ]


def people_of(config: Config) -> TubeFolder | None:
    """The person boxes, or None where whole frames are used."""
    return TubeFolder(config.data.people) if config.data.people else None


def training_dataset(config: Config, videos: Sequence[Video], **settings: int) -> ClipDataset:
    """Random clips of training videos; `settings` go to `ClipDataset`."""
    augment = config.data.augment
    color = augment.color
    return ClipDataset(
        videos,
        sampling=_sampling(config),
        crop=_crop(config),
        train=True,
        augment=Augment(augment.scale, augment.mirror, color, color, color),
        people=people_of(config),
        backend=config.data.reader,
        **{"seed": config.train.seed, **settings},
    )


def evaluation_dataset(
    config: Config, videos: Sequence[Video], *, clips: int | None = None, crops: int | None = None
) -> ClipDataset:
    """The fixed views of test videos; by default as many as `config.eval` says."""
    return ClipDataset(
        videos,
        sampling=_sampling(config),
        crop=_crop(config),
        train=False,
        people=people_of(config),
        clips_per_video=config.eval.clips if clips is None else clips,
        crops=config.eval.crops if crops is None else crops,
        backend=config.data.reader,
    )


def loader(
    config: Config,
    dataset: Dataset[Item],
    *,
    batch_size: int,
    shuffle: bool,
    workers: int | None = None,
) -> DataLoader:
    """A loader of `data.clips.Batch`; `batch_size` counts items."""
    workers = config.data.workers if workers is None else workers
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
    items = max(1, config.eval.batch_size // (config.eval.clips * config.eval.crops))
    return loader(config, dataset, batch_size=items, shuffle=False, workers=workers)


def protocol(config: Config, split_name: str, num_videos: int, num_failed: int) -> str:
    """What a result was measured on and how, in one line."""
    data = config.data
    clip = f"{data.clip.num_frames}x{data.clip.stride} frames"
    if data.clip.sampling == "segment":
        clip = f"{data.clip.num_frames} segments"
    crop = "whole frame"
    if data.people is not None:
        crop = f"person crop (looseness {data.crop.looseness:g})"
    height, width = data.crop.size
    return (
        f"{split_name}: {num_videos} videos, {num_failed} failed; {clip} of {width}x{height}, "
        f"{config.eval.clips} clips x {config.eval.crops} crops, {crop}"
    )


def _sampling(config: Config) -> ClipSampling:
    clip = config.data.clip
    return ClipSampling(clip.num_frames, clip.stride, clip.sampling)


def _crop(config: Config) -> CropSpec:
    crop = config.data.crop
    return CropSpec(
        size_hw=crop.size,
        looseness=crop.looseness,
        jitter=crop.jitter,
        aspect=crop.aspect,
        motion=crop.motion,
        view_share=crop.view_share,
        smooth_window=crop.smooth_window,
    )
