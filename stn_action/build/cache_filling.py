"""The filling of a feature cache: every video decoded once, all its views through the trunk."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from rich.console import Console
from torch.utils.data import Subset

from stn_action.batch import Failure
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


class Filling(NamedTuple):
    """What a filling found out about the videos, by row."""

    failures: list[Failure]
    """Those that cannot be read."""
    without_tube: list[int]
    """Those without a person, though there are boxes."""


def fill_arrays(
    config: Config, videos: VideoTable, source: ClipSource, extract: StageExtractor, folder: Path,
    *, label: str, console: Console, wanted: Rows | None = None, stored: Rows | None = None,
    failed: Sequence[Failure] = (),
) -> Filling:  # fmt: skip
    """Write the test views and the random views of videos into the files of a folder.

    The views of a part of a video pass through the trunk alone: what is written depends neither on
    the number of processes nor on what a filling of the same label has done before.

    Args:
        config: the experiment.
        videos: one row each, wanted or not.
        source: of `open_source`.
        extract: from clips to maps.
        folder: where to.
        label: of `ViewWriter`.
        console: where progress is shown.
        wanted: what is to be there; None: everything.
        stored: what the files hold already, which are extended; None: there are none.
        failed: the videos among these that could not be read.

    Raises:
        InputError: no video can be read, the disk is full, or files to extend are damaged.
    """
    dataset = joint_views(config, videos, source)
    num_frames = config.data.clip.num_frames
    every: Rows = {"train": range(len(videos)), "test": range(len(videos))}
    wanted = every if wanted is None else wanted
    clip_hw = config.data.crop.size if config.zooms else None
    views: dict[Part, int] = {"test": dataset.num_test_views, "train": config.train.cache_views}
    known = {part: {*rows, *(row for row, _ in failed)} for part, rows in (stored or {}).items()}
    new: dict[Part, list[int]] = {
        part: sorted({*wanted[part]} - known.get(part, set())) for part in views
    }
    with ExitStack() as stack:
        writers: dict[Part, ViewWriter] = {
            part: stack.enter_context(
                ViewWriter(
                    folder, part, (len(videos), number), extract.map_shape(num_frames), num_frames,
                    label, clip_hw, rows=new[part], extend=stored is not None,
                )
            )
            for part, number in views.items()
        }  # fmt: skip
        missing = _missing_views(new, writers)
        if done := len({*wanted["test"], *wanted["train"]}) - len(missing):
            console.print(f"{done} videos were cached before, {len(missing)} are left")
        left = sum(views[part] for one in missing for part in views if getattr(one, part))
        progress = Progress(
            f"caching {extract.path}", num_frames * left, unit="frames", console=console
        )
        with progress:
            failures = _fill_rows(config, dataset, missing, extract, writers, progress)
        failures = sorted([*failed, *failures])
        if len(failures) == len({*wanted["test"], *wanted["train"], *(row for row, _ in failed)}):
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


def _missing_views(new: Rows, writers: Mapping[Part, ViewWriter]) -> list[WantedViews]:
    """Return what the files do not hold yet, by video."""
    absent = {
        part: {row for row in rows if not writers[part].holds(row)} for part, rows in new.items()
    }
    return [
        WantedViews(row, test=row in absent["test"], train=row in absent["train"])
        for row in sorted(absent["test"] | absent["train"])
    ]


def _fill_rows(
    config: Config, dataset: JointViews, missing: Sequence[WantedViews], extract: StageExtractor,
    writers: Mapping[Part, ViewWriter], progress: Progress,
) -> list[Failure]:  # fmt: skip
    failures: list[Failure] = []
    chosen = Subset(dataset, cast(Any, missing))  # items of any kind
    batches = evaluation_loader(config, chosen, batch_size=1)
    for wanted, batch in zip(missing, batches, strict=True):
        number = dataset.num_test_views if wanted.test else 0
        parts: dict[Part, slice] = {"test": slice(number), "train": slice(number, None)}
        frames = config.data.clip.num_frames
        if batch.failures:
            failures.append((wanted.row, batch.failures[0][1]))
        for part, rows in parts.items():
            if not batch.failures and getattr(wanted, part):
                clips = batch.clip[rows]
                others = batch.frame_indices[rows], batch.boxes[rows], batch.extents[rows]
                writers[part].write(wanted.row, extract(clips), *others, clips)
        views = number + (config.train.cache_views if wanted.train else 0)
        progress.advance(frames * views)
    return failures
