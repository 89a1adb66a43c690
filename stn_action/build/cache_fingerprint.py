"""What a feature cache depends on, and the folder that is named by it."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from stn_action.build.augment_settings import absent_steps
from stn_action.build.scene_pools import scene_keys, unused_keys
from stn_action.config.fingerprint import Fingerprint
from stn_action.config.schema import Config
from stn_action.data.video_files import is_present
from stn_action.data.video_table import Video, VideoTable
from stn_action.distributed import has_fast_bf16
from stn_action.precision_choices import StoredPrecision
from stn_action.video.content import video_state

DEPENDS_ON = (
    "data.crop", "data.clip", "data.augment", "data.people", "data.tubes", "data.manifest",
    "data.reader", "data.max_pixels", "model.backbone", "model.freeze_until", "model.weights",
    "train.cache_views", "eval.num_clips", "eval.num_crops",
)  # fmt: skip
"""Settings and sections that the stored maps depend on."""
OF_PEOPLE = (
    "data.crop.looseness", "data.crop.box_jitter", "data.crop.box_error", "data.crop.motion",
    "data.crop.smooth_window", "data.tubes",
)  # fmt: skip
"""Those among them that mean something only where there are person boxes."""
OF_LISTING = ("data.tubes.no_person",)
"""Those that only choose the videos, which are in the fingerprint."""
OWN_SETS = "folders", "csv"
"""Data sets that are not named by `data.name`."""
FORMAT = 4
"""Of the files; 4: of clips whose boxes are scaled in the decoder's planes."""


def default_folder(config: Config, fingerprint: Fingerprint) -> Path:
    """Return the folder of a cache: data set, trunk, stage, clip, and a digest of all it is of.

    One that is there with this digest is taken, whatever else its name tells.
    """
    data, digest = config.data, fingerprint.digest[:10]
    root = data.root.resolve()
    dataset = (root.stem if root.is_file() else root.name) if data.name in OWN_SETS else data.name
    backbone = config.model.backbone.rpartition("/")[2]
    stage = config.train.cache_at or config.model.freeze_until
    clip = "x".join(map(str, (data.clip.num_frames, *data.crop.size)))
    parts = [re.sub(r"[^\w.]+", "_", part)[:40] for part in (dataset, backbone, f"{stage}", clip)]
    folder = Path("runs/cache")
    return next(iter(sorted(folder.glob(f"*-{digest}"))), folder / "-".join([*parts, digest]))


def in_order(videos: VideoTable) -> VideoTable:
    """Return videos in the order of a cache: by name."""
    return videos.select(sorted(range(len(videos)), key=videos.names().__getitem__))


def stored_precision(config: Config) -> StoredPrecision:
    """Return the precision in which features are computed for a cache, on this machine."""
    precision = config.train.cache_precision
    if precision == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return "bf16" if has_fast_bf16(device) else "float32"
    return precision


def cache_fingerprint(config: Config, videos: Sequence[Video]) -> Fingerprint:
    """Return the fingerprint of everything that the stored maps depend on."""
    more = ["train.seed"] if config.model.weights is None else []  # of a random trunk
    more += ["train.cache_at"] if config.train.cache_at is not None else []
    more += ["model.temporal_shift"] if config.model.temporal_shift else []
    more += ["model.focus.look_size"] if config.zooms else []
    lines = "\n".join(f"{video.name} {_size(video.path)}{video.slice_label}" for video in videos)
    return Fingerprint.of(
        config,
        keys=(*DEPENDS_ON, *more, *scene_keys(config)),
        without=(OF_PEOPLE if config.data.people is None else OF_LISTING)
        + unused_keys(config)
        + absent_steps(config),
        extra={
            "videos": hashlib.sha256(lines.encode()).hexdigest()[:16],
            "precision": stored_precision(config),
            "format": FORMAT,
        },
    )


def _size(path: Path) -> int | str:
    """Return the bytes of a video, of all frames if it is a folder of them."""
    return video_state(path).bytes if is_present(path) else "unreadable"
