"""Data sets of clips: random ones to train on, fixed ones to test on.

Letters: h, w size of the clip; T frames of a clip; R as in `person/crop.py`.
"""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.batch import Failure, Item, Sample
from stn_action.data.augment import Augment
from stn_action.data.footage import ClipView
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.global_batches import Redraw
from stn_action.data.random_views import RandomViews, random_views
from stn_action.data.source import ClipSource
from stn_action.data.view_choice import ViewChoice, fixed_views
from stn_action.errors import InputError
from stn_action.video.reader import VideoError


class ClipTrace(NamedTuple):
    """A clip with the images and boxes it was made from."""

    sample: Sample
    images: list[np.ndarray]
    """T source frames (H, W, 3) uint8 RGB."""
    person_boxes: Tensor | None
    """See `Cut.person_boxes`."""
    region: Tensor
    """See `Cut.region`."""


class ClipDataset(Dataset[Item]):
    """Base class of `TrainClips` and `TestClips`; an item holds the samples of one opened video."""

    def __init__(self, source: ClipSource, sampling: ClipSampling) -> None:
        """Store the source of the clips; no video is opened yet.

        Raises:
            ValueError: there is no video.
        """
        if not source.videos:
            raise ValueError("there must be a video, got none")
        self.source, self.sampling = source, sampling

    @property
    def without_tube(self) -> int:
        """Number of videos whose full frame is used though there are person boxes for others."""
        return self.source.without_tube

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def trace(self, index: int) -> list[ClipTrace]:
        """Return the clips of item `index` with the images and boxes they were made from.

        Raises:
            IndexError: there is no such item.
            VideoError: its video cannot be used.
        """

    def samples(self, video: int, views: Sequence[ClipView]) -> list[Sample]:
        """Return views of a video as samples, numbered from 0."""
        return [self._sample(video, number, view) for number, view in enumerate(views)]

    def _require_item(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")

    def _sample(self, video: int, number: int, view: ClipView) -> Sample:
        """Return view `number` of a video."""
        return view.sample(self.source.videos.target(video), video, number)

    def _trace(self, video: int, number: int, view: ClipView) -> ClipTrace:
        sample, cut = self._sample(video, number, view), view.cut
        return ClipTrace(sample, view.images, cut.person_boxes, cut.region)


class TrainClips(ClipDataset):
    """Random clips of a video, or of one person in it if each is a sample.

    A video that cannot be read is reported and replaced by another item, drawn by the item's own
    generator. What an item holds depends on (`seed`, epoch, index) only, not on workers or order; a
    `Redraw` is a further draw of an item.
    """

    def __init__(
        self,
        source: ClipSource,
        *,
        sampling: ClipSampling,
        augment: Augment | None = None,
        views_per_video: int = 1,
        seed: int = 0,
        max_attempts: int = 10,
    ):
        """Store the content of items; no video is opened yet.

        Args:
            source: the videos and their people; a sample's `video` is an index into its table.
            sampling: which frames make a clip.
            augment: random view, mirroring and changes of pixels; None: the center view.
            views_per_video: clips drawn from a video each time it is opened.
            seed: of everything random.
            max_attempts: number of videos that one item may try.

        Raises:
            ValueError: a count is not positive, or there is no video.
        """
        super().__init__(source, sampling)
        _require_positive(views_per_video, max_attempts)
        self.augment, self.seed = augment, seed
        self.views_per_video, self.max_attempts = views_per_video, max_attempts
        self._items = _training_items(source)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self._items)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draws of an epoch; workers that already run see it too."""
        self._epoch.fill_(epoch)

    def items_of(self, video: int) -> list[int]:
        """Return the items of a video: one, or one for each person."""
        return (self._items[:, 0] == video).nonzero().flatten().tolist()

    @property
    def targets(self) -> Tensor:
        """(items,), or (items, classes) of several labels: see `VideoTable.targets`."""
        return self.source.videos.targets[self._items[:, 0]]

    def __getitem__(self, index: int | Redraw) -> Item:
        """Return the samples of an item, replaced by another one if unreadable, and the failures.

        Raises:
            VideoError: `max_attempts` videos in a row cannot be used.
        """
        item, number = index if isinstance(index, Redraw) else (index, 0)
        self._require_item(item)
        generator = self._generator(item, number)
        failures: list[Failure] = []
        tried: set[int] = set()
        while True:
            tried.add(item)
            try:
                views = self._read(item, self._drawn_by(generator))
                return self.samples(int(self._items[item, 0]), views), failures
            except VideoError as error:
                failures.append((int(self._items[item, 0]), str(error)))
                if len(tried) in (self.max_attempts, len(self)):
                    raise VideoError(
                        f"{len(failures)} videos in a row cannot be read, the last of them: {error}"
                    ) from error
            while item in tried:
                item = int(torch.randint(len(self), (), generator=generator))

    def trace(self, index: int) -> list[ClipTrace]:
        """Return the clips of item `index`, as `ClipDataset.trace`; no other video replaces it."""
        self._require_item(index)
        views = self._read(index, self.draw(index, keep_images=True))
        video = int(self._items[index, 0])
        return [self._trace(video, number, view) for number, view in enumerate(views)]

    def draw(self, index: int, *, keep_images: bool = False) -> RandomViews:
        """Return the choice of the views of item `index`, which are drawn when it is read."""
        return self._drawn_by(self._generator(index), keep_images=keep_images)

    def _generator(self, item: int, number: int = 0) -> torch.Generator:
        again = [number] if number else []
        entropy = np.random.SeedSequence([self.seed, int(self._epoch), item, *again])
        return torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))

    def _drawn_by(self, generator: torch.Generator, *, keep_images: bool = False) -> RandomViews:
        number, share = self.views_per_video, self.source.crop.view_share
        return random_views(
            self.sampling, self.augment, share, number, generator, keep_images=keep_images
        )

    def _read(self, item: int, views: RandomViews) -> list[ClipView]:
        video, person = self._items[item].tolist()
        return views.change(self.source.read(video, views.choice, person))


class TestClips(ClipDataset):
    """All fixed views of a video, of every person in it if each is a sample.

    A video that cannot be read gives no sample and one failure.
    """

    __test__ = False  # pytest takes it for a class of tests

    def __init__(
        self,
        source: ClipSource,
        *,
        sampling: ClipSampling,
        num_clips: int = 1,
        num_crops: int = 1,
        keep_source: bool = False,
    ):
        """Store the content of items; no video is opened yet.

        Args:
            source: the videos and their people; a sample's `video` is an index into its table. The
                `box_jitter` of its crop is not applied.
            sampling: which frames make a clip.
            num_clips: clips of a video, at equal distances in time.
            num_crops: views of a clip, at equal distances along the longer side of the region.
            keep_source: see `Sample.source`.

        Raises:
            InputError: the crops of a square region would be the same.
            ValueError: a count is not positive, or there is no video.
        """
        super().__init__(source, sampling)
        _require_positive(num_clips, num_crops)
        if num_crops > 1 and source.crop.view_share == 1:
            _require_distinct_crops(source, num_crops)
        self.num_clips, self.num_crops = num_clips, num_crops
        self.keep_source = keep_source

    def __len__(self) -> int:
        return len(self.source.videos)

    def __getitem__(self, index: int) -> Item:
        """Return the samples of a video, or its failure."""
        self._require_item(index)
        try:
            return self.samples(index, self._views(index)), []
        except VideoError as error:
            return [], [(index, str(error))]

    def num_views(self, index: int) -> int:
        """Return the number of views of video `index`, unless it cannot be read."""
        return len(self.source.persons_of(index)) * self.num_clips * self.num_crops

    def trace(self, index: int, views: Collection[int] | None = None) -> list[ClipTrace]:
        """Return the clips of video `index`, as `ClipDataset.trace`.

        Args:
            index: of the video.
            views: numbers of those wanted, in [0, `num_views`); None: all. Only their frames are
                kept.
        """
        self._require_item(index)
        per_person = self.num_clips * self.num_crops
        traces = []
        for person in self.source.persons_of(index):
            own = range(person * per_person, (person + 1) * per_person)
            wanted = [view for view in own if views is None or view in views]
            if wanted:
                choice = fixed_views(
                    self.sampling, self.num_clips, self.num_crops,
                    only=[view - own.start for view in wanted], keep_images=True,
                )  # fmt: skip
                found = self.source.read(index, choice, person)
                traces += map(self._trace, repeat(index), wanted, found)
        return traces

    def choice(self) -> ViewChoice:
        """Return the choice of the views of a video, or of each person in it."""
        return fixed_views(
            self.sampling, self.num_clips, self.num_crops, keep_source=self.keep_source
        )

    def _views(self, index: int) -> list[ClipView]:
        choice = self.choice()
        persons = self.source.persons_of(index)
        return [view for person in persons for view in self.source.read(index, choice, person)]


def _training_items(source: ClipSource) -> Tensor:
    """Return (items, 2) int64: video and person of each training item."""
    if source.tubes.select != "all":
        videos = torch.arange(len(source.videos))
        return torch.stack([videos, torch.zeros_like(videos)], dim=1)
    pairs = [
        (index, person)
        for index in range(len(source.videos))
        for person in source.persons_of(index)
    ]
    return torch.tensor(pairs)


def _require_positive(*counts: int) -> None:
    for count in counts:
        if count < 1:
            raise ValueError(f"all counts must be at least 1, got {count}")


def _require_distinct_crops(source: ClipSource, num_crops: int) -> None:
    free = source.crop.aspect == "free"
    if free or source.people is not None:
        region = "a free region" if free else "the square region of a person"
        raise InputError(
            f"{num_crops} crops of {region} are all the same with view_share 1; set view_share "
            "below 1 (0.875 is usual) or num_crops to 1"
        )
