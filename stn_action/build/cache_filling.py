"""The filling of a feature cache: every video decoded once, all its views through the trunk."""

from collections.abc import Iterator, Mapping, Sequence
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

    What is written depends neither on the number of processes nor on what a filling of the same
    label has done before: all passes through the trunk are of one size.

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
            failures = _fill_rows(config, dataset, missing, extract, writers, progress, left)
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
    writers: Mapping[Part, ViewWriter], progress: Progress, num_views: int,
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

    def decoded() -> Iterator[tuple[tuple[Part, Batch], Tensor]]:
        for wanted, batch in zip(missing, batches, strict=True):
            number = dataset.num_test_views if wanted.test else 0
            parts: dict[Part, slice] = {"test": slice(number), "train": slice(number, None)}
            if batch.failures:
                failures.append((wanted.row, batch.failures[0][1]))
                views = number + (config.train.cache_views if wanted.train else 0)
                progress.advance(config.data.clip.num_frames * views)
                continue
            for part, rows in parts.items():
                if getattr(wanted, part):
                    own = batch.rows(rows)
                    yield (part, own), own.clip

    for (part, own), maps in extract.stream(decoded()):
        row = int(own.video[0])
        writers[part].write(row, maps, own.frame_indices, own.boxes, own.extents, own.clip)
        progress.advance(config.data.clip.num_frames * len(maps))
    return failures
