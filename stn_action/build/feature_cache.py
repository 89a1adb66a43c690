"""Frozen features on disk: computed once, read in every epoch, fold, arm and seed.

A cache holds, for every video, the maps of one stage for a few augmented views and for the test
views, in float16, and knows what it was made from.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from stn_action.batch import Batch, Failure
from stn_action.build.data import evaluation_dataset, evaluation_loader, training_dataset
from stn_action.build.model import example_clip
from stn_action.checksum import slice_label
from stn_action.config.fingerprint import Fingerprint
from stn_action.config.schema import Config
from stn_action.data.clips import ClipDataset
from stn_action.data.source import ClipSource
from stn_action.data.stored_views import StoredViews
from stn_action.data.video_table import Video, VideoTable
from stn_action.data.view_arrays import ViewArrays, ViewWriter
from stn_action.disk.atomic_file import write_file
from stn_action.disk.file_lock import FileLock
from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork
from stn_action.progress import show_progress

META, LOCK = "cache.json", "cache.lock"
DEPENDS_ON = (
    "data.crop", "data.clip", "data.augment", "data.people", "data.tubes", "data.manifest",
    "data.reader", "model.backbone", "model.freeze_until", "model.weights", "train.cache_views",
    "eval.num_clips", "eval.num_crops",
)  # fmt: skip
"""Settings and sections that the stored maps depend on."""
FORMAT = 2
"""Of the files; 2: with the extents of every view."""
CACHE_SEED = 0
"""Of the augmented views, the same for every run: caches are shared between seeds."""


class FeatureCache:
    """The stored maps of a stage: data sets of them, and the network that takes them.

    It takes the place of `ClipData` (`build/run_data.py`) where stages are frozen.
    """

    def __init__(self, config: Config, videos: VideoTable) -> None:
        """Open the cache of an experiment, complete or not.

        Args:
            config: the experiment; `model.freeze_until` is the stage.
            videos: all that are trained or tested on, in any order.

        Raises:
            InputError: the folder holds a cache that was made from something else.
        """
        assert config.model.freeze_until is not None
        self.config = config
        self.stage = config.model.freeze_until
        order = sorted(range(len(videos)), key=videos.names().__getitem__)
        self.videos = videos.select(order)
        backbone = config.model.backbone.replace("/", "-")
        default = Path("runs/cache") / f"{config.data.name}-{backbone}"
        self.folder = config.train.cache_folder or default
        self.fingerprint = cache_fingerprint(config, self.videos)
        self.complete = self._is_complete()

    def fill(self, network: FocusedNetwork, source: ClipSource, console: Console) -> None:
        """Compute and store everything, unless another process does; `cache.json` is written last.

        The network computes where it is. Videos that cannot be read are recorded and left out.
        While another process fills the same folder, this one waits, and then uses what is there.

        Args:
            network: the complete one.
            source: of `open_source`.
            console: where progress is shown.

        Raises:
            InputError: no video can be read, the disk is full, or another process has filled the
                folder with something else.
        """
        with suppress(FileExistsError):  # the lock names what is in the way
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK, f"train.cache_folder: {self.folder}", "")
        lock.wait(partial(console.print, markup=False))
        with lock:
            self.complete = self._is_complete()
            if not self.complete:
                where = f"{len(self.videos)} videos in {self.folder}"
                console.print(f"caching the features of {self.stage} of {where}", markup=False)
                self._fill(network, source, console)
                self.complete = True

    def train(self, videos: VideoTable, *, seed: int) -> StoredViews:
        """Return a data set with one random view of each of some videos, in this order."""
        return self._dataset("train", videos, seed)

    def test(self, videos: VideoTable) -> StoredViews:
        """Return a data set with all test views of each of some videos, in this order."""
        return self._dataset("test", videos, None)

    def network_behind(self, network: FocusedNetwork) -> FocusedNetwork:
        """Return the part of a network that takes the stored maps; it shares all parameters.

        Raises:
            InputError: the network cannot be cut there.
        """
        data = self.config.data
        clip_thw = (data.clip.num_frames, *data.crop.size)
        return network.behind(self.stage, example_clip(self.config), clip_thw=clip_thw)

    def _dataset(self, part: str, videos: VideoTable, seed: int | None) -> StoredViews:
        meta = self._meta()
        row_of = {video.name: row for row, video in enumerate(self.videos)}
        rows = [row_of[video.name] for video in videos]
        return StoredViews(
            ViewArrays.open(self.folder, part),
            rows,
            videos.targets,
            dict(meta["failures"]),
            without_tube=len(set(meta["without_tube"]).intersection(rows)),
            seed=seed,
        )

    def _fill(self, network: FocusedNetwork, source: ClipSource, console: Console) -> None:
        test = evaluation_dataset(self.config, self.videos, source=source)
        rows = range(len(self.videos))
        with ExitStack() as stack:
            writers = _Writers(self.folder, len(rows), self.config.train.cache_views, stack)
            failures = self._store("test", test, rows, network, writers, console)
            if not writers:
                raise InputError(f"no video can be read, the first: {failures[0][1]}")
            rows = [row for row in rows if row not in dict(failures)]
            readable = self.videos.select(rows)
            views = self.config.train.cache_views
            train = training_dataset(
                self.config, readable, source=source, views_per_video=views, seed=CACHE_SEED
            )
            failures += self._store("train", train, rows, network, writers, console)
        meta = {
            "fingerprint": self.fingerprint.to_dict(),
            "failures": failures,
            "without_tube": test.source.without_person.nonzero().flatten().tolist(),
        }
        content = json.dumps({"checksum": _checksum_of(meta), **meta}, indent=1)
        write_file(self.folder / META, content)

    def _store(
        self, part: str, dataset: ClipDataset, rows: Sequence[int], network: FocusedNetwork,
        writers: "_Writers", console: Console,
    ) -> list[Failure]:  # fmt: skip
        """Store the views of a data set whose item i is video `rows[i]`; return the failures."""
        device = next(network.parameters()).device
        failures: list[Failure] = []
        network.eval()
        batches = evaluation_loader(self.config, dataset, batch_size=1)
        batches = show_progress(
            batches, total=len(dataset), what=f"caching {self.stage} ({part} views)",
            console=console,
        )  # fmt: skip
        with torch.no_grad():
            for row, batch in zip(rows, batches, strict=True):
                if batch.failures:  # the clips, if there are any, are of another video
                    failures.append((row, batch.failures[0][1]))
                    continue
                maps = network.stage_features(batch.clip.to(device), self.stage).half().cpu()
                writer = writers.of(part, batch, maps)
                writer.write(row, maps, batch.frame_indices, batch.boxes, batch.extents)
        return failures

    def _is_complete(self) -> bool:
        """Return whether the folder holds all features of this experiment.

        Raises:
            InputError: it holds those of another one.
        """
        if not (self.folder / META).is_file():
            return False
        self._require_same(Fingerprint.from_dict(self._meta()["fingerprint"]))
        return True

    def _meta(self) -> dict[str, Any]:
        path = self.folder / META
        try:
            meta = json.loads(path.read_bytes())
            checksum = meta.pop("checksum", None)
        except (ValueError, AttributeError):
            meta, checksum = None, None
        if meta is None or checksum != _checksum_of(meta):
            raise InputError(
                f"train.cache_folder: {path} is damaged, or of another version of stn_action; "
                "delete the folder, and it is filled again"
            )
        return meta

    def _require_same(self, was: Fingerprint) -> None:
        if changed := was.compare(self.fingerprint):
            raise InputError(
                f"train.cache_folder: {self.folder} was made from other settings: {changed}; "
                "delete the folder or give another train.cache_folder"
            )


class _Writers:
    """The files of both parts, which are created when the first map shows its size."""

    def __init__(self, folder: Path, num_videos: int, train_views: int, stack: ExitStack) -> None:
        self._folder, self._num_videos, self._train_views = folder, num_videos, train_views
        self._stack = stack
        self._writers: dict[str, ViewWriter] = {}

    def __bool__(self) -> bool:
        return bool(self._writers)

    def of(self, part: str, batch: Batch, maps: Tensor) -> ViewWriter:
        """Return the files of a part; the space of both is taken before much is computed."""
        if not self._writers:
            num_frames = batch.frame_indices.shape[1]
            for name, views in (("test", len(maps)), ("train", self._train_views)):
                writer = ViewWriter(
                    self._folder, name, (self._num_videos, views), maps.shape[1:], num_frames
                )
                self._writers[name] = self._stack.enter_context(writer)
        return self._writers[part]


def cache_fingerprint(config: Config, videos: Sequence[Video]) -> Fingerprint:
    """Return the fingerprint of everything that the stored maps depend on."""
    random_trunk = config.model.weights is None
    lines = "\n".join(
        f"{video.name} {video.path.stat().st_size if video.path.is_file() else 'unreadable'}"
        + slice_label(video.start_seconds, video.end_seconds)
        for video in videos
    )
    return Fingerprint.of(
        config,
        keys=DEPENDS_ON + (("train.seed",) if random_trunk else ()),
        extra={"videos": hashlib.sha256(lines.encode()).hexdigest()[:16], "format": FORMAT},
    )


def _checksum_of(meta: dict[str, Any]) -> str:
    text = json.dumps(meta, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
