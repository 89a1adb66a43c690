"""The filling of a feature cache: every video decoded once, all its views through the trunk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from rich.console import Console
from torch import Tensor
from torch.utils.data import Subset

from stn_action.batch import Batch, Failure
from stn_action.build.data import evaluation_dataset, evaluation_loader, training_dataset
from stn_action.config.schema import Config
from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.joint_views import JointViews, WantedViews
from stn_action.data.source import ClipSource
from stn_action.data.video_table import VideoTable
from stn_action.data.view_arrays import ViewWriter
from stn_action.errors import InputError
from stn_action.models.stage_extractor import StageExtractor
from stn_action.progress import Progress

Part = Literal["train", "test"]
"""The random views, or the test views."""
Rows = Mapping[Part, Sequence[int]]
"""Videos of which the views of a part are stored, or are wanted."""
CACHE_SEED = 0
"""Of the augmented views, the same for every run: caches are shared between seeds."""


MEASURED_FROM = 200
"""Passes through the trunk that are left: for fewer, timing both memory layouts takes longer than
the better one saves."""


class CacheFiles(NamedTuple):
    """The files of the maps of one stage."""

    folder: Path
    label: str
    """Of `ViewWriter`."""
    stored: Rows | None = None
    """What they hold already, which is extended; None: there are none."""
    failed: Sequence[Failure] = ()
    """The videos among these that could not be read."""


class Filling(NamedTuple):
    """What a filling found out about the videos, by row."""

    failures: list[list[Failure]]
    """Those that cannot be read, by stage: of all fillings of its files."""
    without_tube: list[int]
    """Those without a person, though there are boxes."""


class _Writers(NamedTuple):
    """The open files of a stage, and the videos of which they lack a part."""

    files: Mapping[Part, ViewWriter]
    absent: Mapping[Part, set[int]]

    def lacks(self, row: int) -> bool:
        """Return whether a part of a video is not there."""
        return any(row in rows for rows in self.absent.values())


def fill_arrays(
    config: Config, videos: VideoTable, source: ClipSource, extract: StageExtractor,
    files: Sequence[CacheFiles], *, console: Console, wanted: Rows | None = None,
) -> Filling:  # fmt: skip
    """Write the test views and the random views of videos into the files of some stages.

    What is written depends neither on the number of processes nor on what a filling of the same
    label has done before: all passes through the trunk are of one size.

    Args:
        config: the experiment.
        videos: one row each, wanted or not.
        source: of `open_source`.
        extract: from clips to maps, of one stage or several.
        files: of each stage of `extract`, in that order.
        console: where progress is shown.
        wanted: what is to be there; None: everything.

    Raises:
        InputError: no video can be read, the disk is full, or files to extend are damaged.
    """
    dataset = joint_views(config, videos, source)
    every: Rows = {"train": range(len(videos)), "test": range(len(videos))}
    wanted = every if wanted is None else wanted
    views: dict[Part, int] = {"test": dataset.num_test_views, "train": config.train.cache_views}
    rows = {*wanted["test"], *wanted["train"]}
    with ExitStack() as stack:
        writers = [
            _open_writers(config, one, views, wanted, len(videos), extract.map_shape(
                config.data.clip.num_frames, stage), stack)
            for stage, one in enumerate(files)
        ]  # fmt: skip
        missing = _missing_views(writers)
        if done := len(rows) - len(missing):
            console.print(f"{done} videos were cached before, {len(missing)} are left")
        left = sum(views[part] for one in missing for part in views if getattr(one, part))
        progress = Progress(
            f"caching {', '.join(extract.paths)}", config.data.clip.num_frames * left,
            unit="frames", console=console,
        )  # fmt: skip
        with progress:
            new = _fill_rows(config, dataset, missing, extract, writers, progress, left)
        failures = [
            sorted({*one.failed, *(failure for failure in new if own.lacks(failure[0]))})
            for one, own in zip(files, writers, strict=True)
        ]
        for of_stage, one in zip(failures, files, strict=True):
            if len(of_stage) == len({*rows, *(row for row, _ in one.failed)}):
                raise InputError(f"no video can be read, the first: {of_stage[0][1]}")
    return Filling(failures, dataset.test.source.without_person.nonzero().flatten().tolist())


def _open_writers(
    config: Config, files: CacheFiles, views: Mapping[Part, int], wanted: Rows, num_videos: int,
    map_shape: tuple[int, int, int, int], stack: ExitStack,
) -> _Writers:  # fmt: skip
    """Open the files of a stage until the stack ends, and find out what they lack."""
    stored, failed = files.stored or {}, {row for row, _ in files.failed}
    clip_hw = config.data.crop.size if config.zooms else None
    writers: dict[Part, ViewWriter] = {}
    absent: dict[Part, set[int]] = {}
    for part, number in views.items():
        new = {*wanted[part]}
        if files.stored is not None:
            new -= {*stored[part], *failed}
        writers[part] = stack.enter_context(
            ViewWriter(
                files.folder, part, (num_videos, number), map_shape, config.data.clip.num_frames,
                files.label, clip_hw, rows=sorted(new), extend=files.stored is not None,
            )
        )  # fmt: skip
        absent[part] = {row for row in new if not writers[part].holds(row)}
    return _Writers(writers, absent)


def joint_views(config: Config, videos: VideoTable, source: ClipSource) -> JointViews:
    """Return the views of a cache; an item is a video."""
    test = evaluation_dataset(config, videos, source=source)
    train = training_dataset(
        config, videos, source=source, views_per_video=config.train.cache_views, seed=CACHE_SEED
    )
    assert isinstance(test, TestClips)  # digits have no cache
    assert isinstance(train, TrainClips)
    return JointViews(test, train)


def _missing_views(writers: Sequence[_Writers]) -> list[WantedViews]:
    """Return what the files of some stage do not hold yet, by video."""
    test, train = (
        set().union(*(one.absent[part] for one in writers)) for part in ("test", "train")
    )
    return [WantedViews(row, test=row in test, train=row in train) for row in sorted(test | train)]


def _fill_rows(
    config: Config, dataset: JointViews, missing: Sequence[WantedViews], extract: StageExtractor,
    writers: Sequence[_Writers], progress: Progress, num_views: int,
) -> list[Failure]:  # fmt: skip
    """Decode the missing views and write their maps; return the videos that cannot be read."""
    failures: list[Failure] = []
    clip_shape = 3, config.data.clip.num_frames, *config.data.crop.size
    chosen = Subset(dataset, cast(Any, missing))  # items of any kind
    batches = iter(evaluation_loader(config, chosen, batch_size=1))  # decoding starts
    if extract.num_passes((num_views, *clip_shape)) >= MEASURED_FROM:
        line = extract.choose_layout(clip_shape)
        if line is not None:
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
    parts = _parts(dataset, zip(missing, batches, strict=True), failures)
    for (part, own), maps in extract.stream(parts):
        row = int(own.video[0])
        for one, of_stage in zip(writers, maps, strict=True):
            if row in one.absent[part]:
                others = own.frame_indices, own.boxes, own.extents, own.clip
                one.files[part].write(row, of_stage, *others)
        progress.advance(config.data.clip.num_frames * len(own.clip))
    return failures


def _parts(
    dataset: JointViews, batches: Iterable[tuple[WantedViews, Batch]], failures: list[Failure]
) -> Iterator[tuple[tuple[Part, Batch], Tensor]]:
    """Yield the parts of each video with their clips, and note the videos that have failed."""
    for wanted, batch in batches:
        if batch.failures:
            failures.append((wanted.row, batch.failures[0][1]))
            continue
        number = dataset.num_test_views if wanted.test else 0
        parts: dict[Part, slice] = {"test": slice(number), "train": slice(number, None)}
        for part, rows in parts.items():
            if getattr(wanted, part):
                own = batch.rows(rows)
                yield (part, own), own.clip
