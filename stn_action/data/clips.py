"""Labelled videos -> clips with their inverse map, and batches of them.

Letters: h, w size of the clip; the frames T of one clip; the clips C of one test video.
"""

from dataclasses import dataclass
from typing import get_args

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.batch import Failure, Item, Sample
from stn_action.data.augment import Augment
from stn_action.data.data_choices import FrameSampling
from stn_action.data.source import FootageSource
from stn_action.errors import InputError
from stn_action.person.crop import View
from stn_action.video.indices import random_dense_indices, segment_indices, uniform_dense_views
from stn_action.video.reader import VideoError


@dataclass(frozen=True)
class ClipSampling:
    """Which frames of a video make a clip; a video with too few frames repeats its last one."""

    num_frames: int = 16
    """T."""
    stride: int = 4
    """Dense: source frames from one clip frame to the next."""
    sampling: FrameSampling = "dense"
    """`dense`: a run of frames; `segment`: one frame from each of T equal parts of the video."""

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.stride < 1:
            raise ValueError(f"num_frames and stride must be at least 1, got {self}")
        if self.sampling not in get_args(FrameSampling):
            raise ValueError(f"sampling must be 'dense' or 'segment', got {self.sampling!r}")

    def draw(self, video_length: int, generator: torch.Generator) -> Tensor:
        """Draw the frames of a training clip: (T,) int64."""
        if self.sampling == "segment":
            return segment_indices(video_length, num_frames=self.num_frames, generator=generator)
        return random_dense_indices(
            video_length, num_frames=self.num_frames, stride=self.stride, generator=generator
        )

    def spread(self, video_length: int, num_clips: int) -> Tensor:
        """Return the frames of `num_clips` test clips: (C, T) int64.

        In segment mode every clip spans the video: clip c takes the frame at (c + 1/2) / C of each
        segment, which is the middle one for a single clip.
        """
        if self.sampling == "segment":
            if video_length < self.num_frames:
                frames = segment_indices(video_length, num_frames=self.num_frames)
                return frames.repeat(num_clips, 1)
            parts = self.num_frames * num_clips
            centers = (2 * torch.arange(parts) + 1) * video_length // (2 * parts)
            return centers.reshape(self.num_frames, num_clips).T
        return uniform_dense_views(
            video_length, num_frames=self.num_frames, stride=self.stride, num_clips=num_clips
        )


class ClipDataset(Dataset[Item]):
    """The clips of a list of videos; an item is everything that one opened video gives.

    In training, item i holds `views_per_video` random clips of video i, or of one person in a video
    where each is a sample of their own; a video that cannot be read is reported and replaced by
    another item, drawn by the item's own generator. In a test, item i holds all `clips_per_video` x
    `crops` views of video i (of every person in it); a video that cannot be read gives no sample
    and one failure. What an item holds depends on (`seed`, epoch, i) only, not on workers or order.
    """

    def __init__(
        self,
        source: FootageSource,
        *,
        sampling: ClipSampling,
        train: bool,
        augment: Augment | None = None,
        views_per_video: int = 1,
        clips_per_video: int = 1,
        crops: int = 1,
        seed: int = 0,
        max_attempts: int = 10,
    ):
        """Say what an item holds; no video is opened yet.

        Args:
            source: the videos and their people; a sample's `video` is an index into its list. The
                `box_jitter` of its crop applies in training only.
            sampling: which frames make a clip.
            train: random clips, or the fixed views of a test.
            augment: random view, side and colours in training; None: the centre view.
            views_per_video: training: clips drawn from a video each time it is opened.
            clips_per_video: test: clips at equal distances in time.
            crops: test: views at equal distances along the longer side of the region.
            seed: of everything random.
            max_attempts: training: videos that one item may try.

        Raises:
            InputError: the crops of a square region would be the same.
            ValueError: a count is not positive, or there is no video.
        """
        if not source.videos:
            raise ValueError("there must be a video, got none")
        for count in (views_per_video, clips_per_video, crops, max_attempts):
            if count < 1:
                raise ValueError(f"all counts must be at least 1, got {count}")
        if not train and crops > 1 and source.crop.view_share == 1:
            _require_distinct_crops(source, crops)
        self.source, self.crop = source, source.crop
        self.sampling, self.augment = sampling, augment
        self.train, self.seed = train, seed
        self.views_per_video, self.clips_per_video = views_per_video, clips_per_video
        self.crops, self.max_attempts = crops, max_attempts
        self._items = _items(source) if train else None
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def without_tube(self) -> int:
        """Videos of which the whole frame is used though there are person boxes for others."""
        return self.source.without_tube

    def __len__(self) -> int:
        return len(self.source.videos) if self._items is None else len(self._items)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draws of an epoch; workers that already run see it too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Item:
        """Return the samples of an item and the failures on the way to them.

        Raises:
            VideoError: in training, `max_attempts` videos in a row cannot be read.
            InputError: a person box lies wholly outside its video's picture.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        if self.train:
            return self._training_item(index)
        try:
            return self._test_samples(index), []
        except VideoError as error:
            return [], [(index, str(error))]

    def _training_item(self, item: int) -> Item:
        assert self._items is not None
        entropy = np.random.SeedSequence([self.seed, int(self._epoch), item])
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))
        failures: list[Failure] = []
        tried: set[int] = set()
        while True:
            index, person = self._items[item].tolist()
            tried.add(item)
            try:
                return self._training_samples(index, person, generator), failures
            except VideoError as error:
                failures.append((index, str(error)))
                if len(tried) in (self.max_attempts, len(self)):
                    raise VideoError(
                        f"{len(failures)} videos in a row cannot be read, the last of them: {error}"
                    ) from error
            while item in tried:
                item = int(torch.randint(len(self), (), generator=generator))

    def _training_samples(
        self, index: int, person: int, generator: torch.Generator
    ) -> list[Sample]:
        draws = range(self.views_per_video)

        def draw(num_frames: int) -> Tensor:
            return torch.stack([self.sampling.draw(num_frames, generator) for _ in draws])

        footage = self.source.read(index, draw, person)
        samples = []
        for number in draws:
            region = footage.region(number, generator)
            view = View(self.crop.view_share)
            if self.augment is not None:
                view = self.augment.draw_view(generator)
            clip, boxes = footage.cut(number, region, view)
            if self.augment is not None:
                frames = self.augment.jitter_colours(clip.transpose(0, 1), generator)
                clip = frames.transpose(0, 1).contiguous()
            samples.append(self._sample(index, number, clip, footage.clips[number], boxes))
        return samples

    def _test_samples(self, index: int) -> list[Sample]:
        def spread(num_frames: int) -> Tensor:
            return self.sampling.spread(num_frames, self.clips_per_video)

        samples = []
        for person in self.source.persons_of(index):
            footage = self.source.read(index, spread, person)
            for number, clip, boxes in footage.test_views(self.crops):
                place = len(samples)
                samples.append(self._sample(index, place, clip, footage.clips[number], boxes))
        return samples

    def _sample(
        self, index: int, view: int, clip: Tensor, frame_indices: Tensor, boxes: Tensor
    ) -> Sample:
        target = self.source.videos.target(index)
        return Sample(clip, target, index, view, frame_indices.contiguous(), boxes)


def init_worker(worker_id: int) -> None:
    """Keep a `DataLoader` worker to one thread: pass it as `worker_init_fn`.

    Call `cv2.setNumThreads(1)` before the loader starts where OpenCV was used already: its threads
    do not survive a fork, and the worker would wait for them for ever.
    """
    del worker_id
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _items(source: FootageSource) -> Tensor:
    """(items, 2) int64: video and person of each training item."""
    if source.tubes.select != "all":
        videos = torch.arange(len(source.videos))
        return torch.stack([videos, torch.zeros_like(videos)], dim=1)
    pairs = [
        (index, person)
        for index in range(len(source.videos))
        for person in source.persons_of(index)
    ]
    return torch.tensor(pairs)


def _require_distinct_crops(source: FootageSource, crops: int) -> None:
    free = source.crop.aspect == "free"
    if free or source.people is not None:
        region = "a free region" if free else "the square region of a person"
        raise InputError(
            f"{crops} crops of {region} are all the same with view_share 1; set view_share below 1 "
            "(0.875 is usual) or crops to 1"
        )
