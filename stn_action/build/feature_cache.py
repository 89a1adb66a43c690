"""Frozen features on disk: made once, read in every epoch, fold, arm and seed.

A cache holds, for every video, the maps of one stage for a few augmented views and for the test
views, in float16, and knows what it was made from.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from stn_action.batch import Failure, Item, Sample
from stn_action.build.data import evaluation_dataset, loader, training_dataset
from stn_action.config.fingerprint import Fingerprint
from stn_action.config.schema import Config
from stn_action.data.clips import ClipDataset
from stn_action.data.listing import Video
from stn_action.errors import InputError
from stn_action.models.network import FocusedNetwork

META = "cache.json"
DEPENDS_ON = (
    "data.crop", "data.clip", "data.augment", "data.people", "data.tubes", "data.manifest",
    "data.reader", "model.backbone", "model.freeze_until", "model.weights", "train.cache_views",
    "eval.num_clips", "eval.num_crops",
)  # fmt: skip
"""Settings and sections that the stored maps depend on."""
CACHE_SEED = 0
"""Of the augmented views, the same for every run: caches are shared between seeds."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""(what, total) to a context that gives a function to tell how many more are done."""


class FeatureCache:
    """The stored maps of a list of videos; `fingerprint` tells what they depend on."""

    def __init__(self, folder: Path, videos: Sequence[Video], fingerprint: Fingerprint) -> None:
        """Open a cache, or prepare to fill one.

        Raises:
            InputError: the folder holds a cache that was made from something else.
        """
        self.folder = folder
        self.videos = tuple(videos)
        self.fingerprint = fingerprint
        self.complete = False
        if (folder / META).is_file():
            self._check(json.loads((folder / META).read_text(encoding="utf-8")))
            self.complete = True

    def fill(self, config: Config, network: FocusedNetwork, progress: Progress) -> None:
        """Compute and store everything; `cache.json` is written last.

        A network on a GPU computes there. Videos that cannot be read are noted and left out.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        test = evaluation_dataset(config, self.videos)
        rows = range(len(self.videos))
        failures = self._store("test", config, test, rows, network, progress)
        rows = [row for row in rows if row not in dict(failures)]
        views = config.train.cache_views
        train = training_dataset(
            config, [self.videos[row] for row in rows], views_per_video=views, seed=CACHE_SEED
        )
        failures += self._store("train", config, train, rows, network, progress)
        without_tube = test.source.alone.nonzero().flatten().tolist()
        meta = {
            "fingerprint": self.fingerprint.to_dict(),
            "failures": failures,
            "without_tube": without_tube,
        }
        temporary = self.folder / f"{META}.tmp"
        temporary.write_text(json.dumps(meta, indent=1), encoding="utf-8")
        temporary.replace(self.folder / META)
        self.complete = True

    def dataset(self, part: str, videos: Sequence[Video], *, seed: int) -> "CachedClips":
        """The stored views of some of the videos, as a dataset that takes `ClipDataset`'s place.

        Args:
            part: "train" (one random view an item) or "test" (all views).
            videos: those wanted, in this order.
            seed: of the random views.
        """
        meta = json.loads((self.folder / META).read_text(encoding="utf-8"))
        rows = {video.name: row for row, video in enumerate(self.videos)}
        return CachedClips(
            _open(self.folder, part),
            [rows[video.name] for video in videos],
            [video.label for video in videos],
            dict(meta["failures"]),
            without_tube=set(meta["without_tube"]),
            seed=seed if part == "train" else None,
        )

    def _store(
        self, part: str, config: Config, dataset: ClipDataset, rows: Sequence[int],
        network: FocusedNetwork, progress: Progress,
    ) -> list[Failure]:  # fmt: skip
        """Store the views of a dataset whose item i is video `rows[i]`; returns the failures."""
        stage = config.model.freeze_until
        assert stage is not None
        device = next(network.parameters()).device
        arrays: _Arrays | None = None
        failures: list[Failure] = []
        network.eval()
        batches = loader(config, dataset, batch_size=1, shuffle=False)
        with progress(f"caching {stage} ({part} views)", len(dataset)) as tell, torch.no_grad():
            for row, batch in zip(rows, batches, strict=True):
                tell(1)
                if batch.failures:  # the clips, if there are any, are of another video
                    failures.append((row, batch.failures[0][1]))
                    continue
                maps = network.stage_features(batch.clip.to(device), stage).half().cpu().numpy()
                if arrays is None:
                    shape = (len(self.videos), len(maps))
                    arrays = _create(self.folder, part, shape, maps, batch.frame_indices.shape[1])
                arrays.features[row] = maps
                arrays.frame_indices[row] = batch.frame_indices.numpy()
                arrays.boxes[row] = batch.boxes.numpy()
        if arrays is None:
            raise InputError(f"no video could be read, the first: {failures[0][1]}")
        for array in arrays:
            array.flush()
        return failures

    def _check(self, meta: dict[str, Any]) -> None:
        if changed := Fingerprint.from_dict(meta["fingerprint"]).compare(self.fingerprint):
            raise InputError(
                f"train.cache_folder: {self.folder} was made from other settings: {changed}"
                f"; delete the folder or give another train.cache_folder"
            )


class CachedClips(Dataset[Item]):
    """Stored maps in the form of clips: `Sample.clip` is (C, T, h, w) float32, of a stage."""

    def __init__(
        self,
        arrays: "_Arrays",
        rows: list[int],
        labels: list[int],
        failures: dict[int, str],
        *,
        without_tube: set[int],
        seed: int | None,
    ) -> None:
        self.arrays = arrays
        self.rows = rows
        self.labels = labels
        self.failures = failures
        self.seed = seed
        self.epoch = 0
        self.without_tube = sum(row in without_tube for row in rows)
        """Videos of which the whole frame is used though there are person boxes for others."""
        self._readable = [place for place, row in enumerate(rows) if row not in failures]

    def __len__(self) -> int:
        return len(self.rows)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random views of an epoch."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> Item:
        """One random view in training, all views in a test.

        As with `ClipDataset`, a video that could not be read has no view in a test, and another
        one takes its place in training.
        """
        if not 0 <= index < len(self.rows):
            raise IndexError(index)
        message = self.failures.get(self.rows[index])
        failures = [] if message is None else [(index, message)]
        num_views = self.arrays.features.shape[1]
        if self.seed is None:
            views = [] if failures else range(num_views)
            return [self._sample(index, view) for view in views], failures
        draw = np.random.default_rng([self.seed, self.epoch, index])
        if failures and not self._readable:
            return [], failures
        if failures:
            index = self._readable[int(draw.integers(len(self._readable)))]
        return [self._sample(index, int(draw.integers(num_views)))], failures

    def _sample(self, index: int, view: int) -> Sample:
        row = self.rows[index]
        return Sample(
            torch.from_numpy(self.arrays.features[row, view].astype(np.float32)),
            torch.tensor(self.labels[index]),
            index,
            view,
            torch.from_numpy(self.arrays.frame_indices[row, view].copy()),
            torch.from_numpy(self.arrays.boxes[row, view].copy()),
        )


def cache_fingerprint(config: Config, videos: Sequence[Video]) -> Fingerprint:
    """Return what the stored maps depend on."""
    random_trunk = config.model.weights is None
    lines = "\n".join(f"{video.name} {video.path.stat().st_size}" for video in videos)
    return Fingerprint.of(
        config,
        keys=DEPENDS_ON + (("train.seed",) if random_trunk else ()),
        extra={"videos": hashlib.sha256(lines.encode()).hexdigest()[:16]},
    )


def cache_for(config: Config, videos: Sequence[Video]) -> FeatureCache:
    """The cache of an experiment, filled or not."""
    backbone = config.model.backbone.replace("/", "-")
    folder = config.train.cache_folder or Path("runs/cache") / f"{config.data.name}-{backbone}"
    ordered = sorted(videos, key=lambda video: video.name)
    return FeatureCache(folder, ordered, cache_fingerprint(config, ordered))


class _Arrays(NamedTuple):
    features: np.memmap
    """(N, views, C, T, h, w) float16."""
    frame_indices: np.memmap
    """(N, views, T) int64."""
    boxes: np.memmap
    """(N, views, T, 4) float32."""


def _create(
    folder: Path, part: str, shape: tuple[int, int], maps: np.ndarray, num_frames: int
) -> _Arrays:
    def empty(name: str, inner: tuple[int, ...], dtype: str) -> np.memmap:
        path = folder / f"{part}_{name}.npy"
        return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=(*shape, *inner))

    return _Arrays(
        empty("features", maps.shape[1:], "float16"),
        empty("frame_indices", (num_frames,), "int64"),
        empty("boxes", (num_frames, 4), "float32"),
    )


def _open(folder: Path, part: str) -> _Arrays:
    return _Arrays(
        *(
            np.load(folder / f"{part}_{name}.npy", mmap_mode="r")
            for name in ("features", "frame_indices", "boxes")
        )
    )
