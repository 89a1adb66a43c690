"""Frozen features on disk: computed once, read in every epoch, fold, arm and seed.

A cache holds the maps of one stage in float16: of videos that were trained on for a few augmented
views, of others for the test views; and it knows what it was made from. It grows where a run needs
views of more videos. Of networks that look twice it holds the maps of the first look, and the
pixels for the second one.
"""

import hashlib
import json
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from rich.console import Console

from stn_action.build.cache_filling import Part, Rows, fill_arrays
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
            config: the experiment; `train.cache_at` or `model.freeze_until` is the stage.
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
        self._require_frozen(network)
        with suppress(FileExistsError):  # the lock names what is in the way
            self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / LOCK, f"train.cache_folder: {self.folder}", "")
        lock.wait(partial(console.print, markup=False))
        with lock:
            self.complete = self._is_complete()
            if not self.complete:
                where = f"{len(self.videos)} videos in {self.folder}"
                what = f"caching the features of {self.stage} of {where}, {self.precision}"
                console.print(f"{what}: {self._views_line()}", markup=False)
                self._fill(network, source, console)
                self.complete = True

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

    def _require_frozen(self, network: FocusedNetwork) -> None:
        if not network.is_frozen(self.stage):
            raise InputError(
                f"train.cache_at: {self.stage!r} is not frozen, its features change in training; "
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

    def _fill(self, network: FocusedNetwork, source: ClipSource, console: Console) -> None:
        before = self._meta() if (self.folder / META).is_file() else None
        evaluation = self.config.eval
        views = evaluation.num_clips * evaluation.num_crops + self.config.train.cache_views
        extract = StageExtractor(
            network, self.stage, example_clip(self.config), self.precision,
            num_views=len(self.videos) * views,
            channels_last=None if before is None else before.get("channels_last"),
        )  # fmt: skip
        stored = None if before is None else self._stored(before)
        filling = fill_arrays(
            self.config, self.videos, source, extract, self.folder, label=self.fingerprint.digest,
            console=console, wanted=self.used, stored=stored,
            failed=[] if before is None else [(row, text) for row, text in before["failures"]],
        )  # fmt: skip
        rows = {part: sorted({*self.used[part], *(stored or {}).get(part, ())}) for part in PARTS}
        meta = {
            "fingerprint": self.fingerprint.to_dict(), **filling._asdict(), "rows": rows,
            "channels_last": extract.channels_last,
        }  # fmt: skip
        content = json.dumps({"checksum": checksum_of(meta), **meta})
        write_file(self.folder / META, content)

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
