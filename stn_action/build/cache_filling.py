"""The filling of a feature cache: every video decoded once, all its views through the trunk."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from torch.utils.data import Subset

from stn_action.batch import Failure
from stn_action.build.data import evaluation_dataset, evaluation_loader, training_dataset
from stn_action.config.schema import Config
from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.joint_views import JointViews
from stn_action.data.source import ClipSource
from stn_action.data.video_table import VideoTable
from stn_action.data.view_arrays import ViewWriter
from stn_action.errors import InputError
from stn_action.models.stage_extractor import StageExtractor
from stn_action.progress import Progress

CACHE_SEED = 0
"""Of the augmented views, the same for every run: caches are shared between seeds."""


class Filling(NamedTuple):
    """What a filling found out about the videos, by row."""

    failures: list[Failure]
    """Those that cannot be read."""
    without_tube: list[int]
    """Those without a person, though there are boxes."""


def fill_arrays(
    config: Config, videos: VideoTable, source: ClipSource, extract: StageExtractor, folder: Path,
    *, label: str, console: Console,
) -> Filling:  # fmt: skip
    """Write the test views and the random views of all videos into the files of a folder.

    A video passes through the trunk alone: what is written depends neither on the number of
    processes nor on what an interrupted filling of the same label has done already.

    Args:
        config: the experiment.
        videos: one row each.
        source: of `open_source`.
        extract: from clips to maps.
        folder: where to.
        label: of `ViewWriter`.
        console: where progress is shown.

    Raises:
        InputError: no video can be read, or the disk is full.
    """
    dataset = joint_views(config, videos, source)
    num_frames = config.data.clip.num_frames
    clip_hw = config.data.crop.size if config.zooms else None
    views = {"test": dataset.num_test_views, "train": config.train.cache_views}
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                ViewWriter(
                    folder, part, (len(videos), number), extract.map_shape(num_frames), num_frames,
                    label, clip_hw,
                )
            )
            for part, number in views.items()
        ]  # fmt: skip
        missing = [
            row for row in range(len(videos)) if not all(writer.holds(row) for writer in writers)
        ]
        if done := len(videos) - len(missing):
            console.print(f"{done} videos were cached before, {len(missing)} are left")
        frames = num_frames * sum(views.values())
        progress = Progress(
            f"caching {extract.path}", frames * len(videos), unit="frames", console=console,
            done=frames * done,
        )  # fmt: skip
        with progress:
            failures = _fill_rows(config, dataset, missing, extract, writers, progress, frames)
        if len(failures) == len(videos):
            raise InputError(f"no video can be read, the first: {failures[0][1]}")
    return Filling(failures, dataset.test.source.without_person.nonzero().flatten().tolist())


def joint_views(config: Config, videos: VideoTable, source: ClipSource) -> JointViews:
    """Return the views of a cache; an item is a video."""
    test = evaluation_dataset(config, videos, source=source)
    train = training_dataset(
        config, videos, source=source, views_per_video=config.train.cache_views, seed=CACHE_SEED
    )
    assert isinstance(test, TestClips)  # digits have no cache
    assert isinstance(train, TrainClips)
    return JointViews(test, train)


def _fill_rows(
    config: Config, dataset: JointViews, rows: Sequence[int], extract: StageExtractor,
    writers: Sequence[ViewWriter], progress: Progress, frames: int,
) -> list[Failure]:  # fmt: skip
    failures: list[Failure] = []
    batches = evaluation_loader(config, Subset(dataset, rows), batch_size=1)
    for row, batch in zip(rows, batches, strict=True):
        if batch.failures:
            failures.append((row, batch.failures[0][1]))
        else:
            maps = extract(batch.clip)
            stored = maps, batch.frame_indices, batch.boxes, batch.extents, batch.clip
            parts = (slice(dataset.num_test_views), slice(dataset.num_test_views, None))
            for writer, part in zip(writers, parts, strict=True):
                writer.write(row, *(array[part] for array in stored))
        progress.advance(frames)
    return failures
