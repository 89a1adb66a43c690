"""Frozen features on disk: computed once, read in every epoch, fold, arm and seed.

A cache holds the maps of one stage in float16: of videos that were trained on for a few augmented
views, of others for the test views; and it knows what it was made from. It grows where a run needs
views of more videos. Of networks that look twice it holds the maps of the first look, and the
pixels for the second one.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from rich.console import Console

from stn_action.build.cache_filling import CacheFiles, Part, Rows, fill_arrays
from stn_action.build.cache_fingerprint import (
    cache_fingerprint,
    default_folder,
    in_order,
    stored_precision,
)
from stn_action.build.model import example_clip
from stn_action.config.fingerprint import Fingerprint
from stn_action.config.schema import Config
from stn_action.data.source import ClipSource
from stn_action.data.stored_views import StoredViews
from stn_action.data.video_table import VideoTable
from stn_action.data.view_arrays import ViewArrays
from stn_action.disk.atomic_file import write_file
from stn_action.disk.file_lock import FileLock
from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork
from stn_action.models.stage_extractor import StageExtractor
from stn_action.precision_choices import StoredPrecision

PARTS: tuple[Part, ...] = "train", "test"
META, LOCK = "cache.json", "cache.lock"


class UsedVideos(NamedTuple):
    """The videos that a run takes views of."""

    train: VideoTable
    """Those whose random views it takes."""
    test: VideoTable
    """Those whose test views it takes."""


class FeatureCache:
    """The stored maps of a stage: data sets of them, and the network that takes them.

    It takes the place of `ClipData` (`build/run_data.py`) where stages are frozen.
    """

    def __init__(self, config: Config, videos: VideoTable, used: UsedVideos | None = None) -> None:
        """Open the cache of an experiment, complete or not.

        Args:
            config: the experiment; `train.cache_at` or `model.freeze_until` is the stage, and those
                of `train.cache_also` are filled in the same pass.
            videos: all of the data set, in any order.
            used: those whose views are needed; None: all views of all videos.

        Raises:
            InputError: the folder holds a cache that was made from something else.
        """
        assert config.model.freeze_until is not None
        self.config = config
        self.stage = config.train.cache_at or config.model.freeze_until
        self.videos = in_order(videos)
        self._row_of = {name: row for row, name in enumerate(self.videos.names())}
        self.used = self._rows_of(UsedVideos(self.videos, self.videos) if used is None else used)
        self.precision: StoredPrecision = stored_precision(config)
        self.fingerprint = cache_fingerprint(config, self.videos)
        self.folder = config.train.cache_folder or default_folder(config, self.fingerprint)
        self.complete = self._is_complete()
        self.others = [
            FeatureCache(_config_of_stage(config, stage), videos, used)
            for stage in config.train.cache_also
        ]

    @property
    def all_complete(self) -> bool:
        """Whether the caches of further stages are complete too."""
        return self.complete and all(cache.complete for cache in self.others)

    def fill(self, network: FocusedNetwork, source: ClipSource, console: Console) -> None:
        """Compute and store what is used, unless another process does; `cache.json` comes last.

        The network computes where it is. Videos that cannot be read are recorded and left out. A
        filling that was interrupted goes on where it was. What is there of other videos is kept.
        While another process fills the same folder, this one waits, and then uses what is there.

        Args:
            network: the complete one.
            source: of `open_source`.
            console: where progress is shown.

        Raises:
            InputError: no video can be read, the disk is full, the stage is not frozen, or another
                process has filled the folder with something else.
        """
        caches = [self, *self.others]
        self._require_frozen(network)
        for cache in self.others:
            cache._require_frozen(network, "train.cache_also")
        with ExitStack() as stack:
            for cache in sorted(
                caches, key=lambda cache: cache.folder
            ):  # the same in all processes
                stack.enter_context(cache._locked(console))
            for cache in caches:
                cache.complete = cache._is_complete()
            if lacking := [cache for cache in caches if not cache.complete]:
                for cache in lacking:
                    where = f"{len(cache.videos)} videos in {cache.folder}"
                    what = f"caching the features of {cache.stage} of {where}, {cache.precision}"
                    console.print(f"{what}: {cache._views_line()}", markup=False)
                _fill_together(lacking, network, source, console)

    def train(self, videos: VideoTable, *, seed: int) -> StoredViews:
        """Return a data set with one random view of each of some videos, in this order."""
        return self._dataset("train", videos, seed)

    def test(self, videos: VideoTable) -> StoredViews:
        """Return a data set with all test views of each of some videos, in this order."""
        return self._dataset("test", videos, None)

    def arrays(self, part: Part) -> ViewArrays:
        """Return the stored views of all videos, "train" or "test"."""
        return ViewArrays.open(
            self.folder, part, self.fingerprint.digest, with_clips=self.config.zooms
        )

    @property
    def failures(self) -> dict[int, str]:
        """Row to reason, of the videos that could not be read."""
        return dict(self._meta()["failures"])

    def network_behind(self, network: FocusedNetwork) -> FocusedNetwork:
        """Return the part of a network that takes the stored maps; it shares all parameters.

        Raises:
            InputError: the network cannot be cut there, or the stage is not frozen.
        """
        self._require_frozen(network)
        data = self.config.data
        clip_thw = (data.clip.num_frames, *data.crop.size)
        return network.behind(
            self.stage, example_clip(self.config), clip_thw=clip_thw, precision=self.precision
        )

    def _require_frozen(self, network: FocusedNetwork, key: str = "train.cache_at") -> None:
        if not network.is_frozen(self.stage):
            raise InputError(
                f"{key}: {self.stage!r} is not frozen, its features change in training; "
                f"give a stage up to model.freeze_until ({self.config.model.freeze_until})"
            )

    def _dataset(self, part: Part, videos: VideoTable, seed: int | None) -> StoredViews:
        meta = self._meta()
        rows = [self._row_of[name] for name in videos.names()]
        return StoredViews(
            self.arrays(part),
            rows,
            videos.targets,
            dict(meta["failures"]),
            without_tube=len(set(meta["without_tube"]).intersection(rows)),
            seed=seed,
        )

    def _views_line(self) -> str:
        """Return which views of how many videos are needed."""
        evaluation = self.config.eval
        views = {"train": self.config.train.cache_views,
                 "test": evaluation.num_clips * evaluation.num_crops}  # fmt: skip
        kinds = {"train": "random", "test": "test"}
        return ", ".join(
            f"{views[part]} {kinds[part]} view{'s' if views[part] > 1 else ''} of "
            f"{len(self.used[part])}"
            for part in PARTS
        )

    def _rows_of(self, used: UsedVideos) -> dict[Part, list[int]]:
        parts: dict[Part, VideoTable] = {"train": used.train, "test": used.test}
        return {
            part: sorted({self._row_of[name] for name in videos.names()})
            for part, videos in parts.items()
        }

    @contextmanager
    def _locked(self, console: Console) -> Iterator[None]:
        """Hold the folder; wait for a process that does."""
        with suppress(FileExistsError):  # the lock names what is in the way
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK, f"train.cache_folder: {self.folder}", "")
        lock.wait(partial(console.print, markup=False))
        with lock:
            yield

    def _before(self) -> dict[str, Any] | None:
        """Return what `cache.json` holds; None: there is none."""
        return self._meta() if (self.folder / META).is_file() else None

    def _files(self) -> CacheFiles:
        before, label = self._before(), self.fingerprint.digest
        if before is None:
            return CacheFiles(self.folder, label)
        failed = [(row, text) for row, text in before["failures"]]
        return CacheFiles(self.folder, label, self._stored(before), failed)

    def _finish(self, found: dict[str, Any]) -> None:
        """Write `cache.json`: all that is used is there."""
        before = self._before()
        stored = {} if before is None else self._stored(before)
        rows = {part: sorted({*self.used[part], *stored.get(part, ())}) for part in PARTS}
        meta = {"fingerprint": self.fingerprint.to_dict(), **found, "rows": rows}
        content = json.dumps({"checksum": checksum_of(meta), **meta})
        write_file(self.folder / META, content)
        self.complete = True

    def _is_complete(self) -> bool:
        """Return whether the folder holds all features that are used.

        Raises:
            InputError: it holds those of another experiment.
        """
        if not (self.folder / META).is_file():
            return False
        meta = self._meta()
        self._require_same(Fingerprint.from_dict(meta["fingerprint"]))
        stored = self._stored(meta)
        return all({*self.used[part]} <= {*stored[part]} for part in PARTS)

    def _stored(self, meta: dict[str, Any]) -> Rows:
        """Return the videos of which a part is stored: all, before caches held parts."""
        every = range(len(self.videos))
        return meta.get("rows", {"train": every, "test": every})

    def _meta(self) -> dict[str, Any]:
        path = self.folder / META
        try:
            meta = json.loads(path.read_bytes())
            checksum = meta.pop("checksum", None)
        except (ValueError, AttributeError):
            meta, checksum = None, None
        if meta is None or checksum != checksum_of(meta):
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


def checksum_of(meta: dict[str, Any]) -> str:
    """Return the checksum of what `cache.json` holds besides it."""
    text = json.dumps(meta, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _config_of_stage(config: Config, stage: str) -> Config:
    """Return the configuration of a run whose stored features are of another stage."""
    own = None if stage == config.model.freeze_until else stage
    train = config.train.model_copy(update={"cache_at": own, "cache_also": ()})
    return config.model_copy(update={"train": train})


def _fill_together(
    caches: Sequence[FeatureCache], network: FocusedNetwork, source: ClipSource, console: Console
) -> None:
    """Fill caches that differ in their stage alone, from one pass over the videos."""
    first, *others = caches
    config, evaluation = first.config, first.config.eval
    views = evaluation.num_clips * evaluation.num_crops + config.train.cache_views
    known = [
        before["channels_last"]
        for cache in caches
        if "channels_last" in (before := cache._before() or {})
    ]
    extract = StageExtractor(
        network, first.stage, example_clip(config), first.precision,
        num_views=len(first.videos) * views, channels_last=known[0] if known else None,
        more=[cache.stage for cache in others],
    )  # fmt: skip
    filling = fill_arrays(
        config, first.videos, source, extract, [cache._files() for cache in caches],
        console=console, wanted=first.used,
    )  # fmt: skip
    for cache, failures in zip(caches, filling.failures, strict=True):
        found = {"failures": failures, "without_tube": filling.without_tube}
        cache._finish({**found, "channels_last": extract.channels_last})
