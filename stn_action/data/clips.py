"""Labelled videos -> clips with their inverse map, and batches of them.

Letters: h, w size of the clip; the frames T of one clip; the clips C of one test video.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.data.augment import Augment
from stn_action.data.footage import read_footage
from stn_action.data.videos import Video
from stn_action.errors import InputError
from stn_action.person.crop import CropSpec, View, spread_views
from stn_action.person.store import TubeFolder
from stn_action.video.indices import random_dense_indices, segment_indices, uniform_dense_views
from stn_action.video.reader import VideoError, open_video

Failure = tuple[int, str]
"""Index of a video that could not be read, and why."""


class Sample(NamedTuple):
    """One clip."""

    clip: Tensor
    """(3, T, h, w) uint8 RGB."""
    label: int
    """Index of the class."""
    video: int
    """Index of the video in the data set's list."""
    view: int
    """Number of the view among those of its video."""
    frame_indices: Tensor
    """(T,) int64 source frames."""
    boxes: Tensor
    """(T, 4) float32, the inverse map: source pixels of the clip's edges, x0 > x1 if mirrored."""


Item = tuple[list[Sample], list[Failure]]


class Batch(NamedTuple):
    """The samples of several items; B may be 0 if none could be read."""

    clip: Tensor
    """(B, 3, T, h, w) uint8 RGB."""
    label: Tensor
    """(B,) int64."""
    video: Tensor
    """(B,) int64."""
    view: Tensor
    """(B,) int64."""
    frame_indices: Tensor
    """(B, T) int64."""
    boxes: Tensor
    """(B, T, 4) float32."""
    failures: list[Failure]
    """Videos that could not be read, in the order in which they were tried."""


@dataclass(frozen=True)
class ClipSampling:
    """Which frames of a video make a clip; a video with too few frames repeats its last one."""

    num_frames: int
    """T."""
    stride: int = 1
    """Dense: source frames from one clip frame to the next."""
    mode: Literal["dense", "segment"] = "dense"
    """`dense`: a run of frames; `segment`: one frame from each of T equal parts of the video."""

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.stride < 1:
            raise ValueError(f"num_frames and stride must be at least 1, got {self}")
        if self.mode not in ("dense", "segment"):
            raise ValueError(f"mode must be 'dense' or 'segment', got {self.mode!r}")

    def draw(self, video_length: int, generator: torch.Generator) -> Tensor:
        """Draw the frames of a training clip: (T,) int64."""
        if self.mode == "segment":
            return segment_indices(video_length, num_frames=self.num_frames, generator=generator)
        return random_dense_indices(
            video_length, num_frames=self.num_frames, stride=self.stride, generator=generator
        )

    def spread(self, video_length: int, num_clips: int) -> Tensor:
        """Return the frames of `num_clips` test clips: (C, T) int64.

        In segment mode every clip spans the video: clip c takes the frame at (c + 1/2) / C of each
        segment, which is the middle one for a single clip.
        """
        if self.mode == "segment":
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

    In training, item i holds `views_per_video` random clips of video i; a video that cannot be read
    is reported and replaced by another, drawn by the item's own generator. In a test, item i holds
    all `clips_per_video` x `crops` views of video i (view = clip * crops + crop); a video that
    cannot be read gives no sample and one failure. What an item holds depends on (`seed`, epoch, i)
    only, not on workers or order.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        *,
        sampling: ClipSampling,
        crop: CropSpec,
        train: bool,
        augment: Augment | None = None,
        people: TubeFolder | None = None,
        views_per_video: int = 1,
        clips_per_video: int = 1,
        crops: int = 1,
        seed: int = 0,
        backend: str = "auto",
        max_attempts: int = 10,
    ):
        """Find and check the person boxes of all videos; no video is opened yet.

        Args:
            videos: the list; a sample's `video` is an index into it.
            sampling: which frames make a clip.
            crop: region and size; its `jitter` applies in training only.
            train: random clips, or the fixed views of a test.
            augment: random view, side and colours in training; None: the centre view.
            people: person boxes; None, or none for a video: the whole frame is the region.
            views_per_video: training: clips drawn from a video each time it is opened.
            clips_per_video: test: clips at equal distances in time.
            crops: test: views at equal distances along the longer side of the region.
            seed: of everything random.
            backend: of `open_video`.
            max_attempts: training: videos that one item may try.

        Raises:
            InputError: boxes are malformed, two videos share a file of boxes, or the crops of a
                square region would be the same.
            ValueError: a count is not positive, or `videos` is empty.
        """
        if not videos:
            raise ValueError("videos must not be empty")
        for count in (views_per_video, clips_per_video, crops, max_attempts):
            if count < 1:
                raise ValueError(f"all counts must be at least 1, got {count}")
        if not train and crops > 1 and crop.view_share == 1:
            _require_distinct_crops(crop, crops, people)
        self.videos = tuple(videos)
        self.sampling, self.crop, self.augment = sampling, crop, augment
        self.train, self.seed, self.backend = train, seed, backend
        self.views_per_video, self.clips_per_video = views_per_video, clips_per_video
        self.crops, self.max_attempts = crops, max_attempts
        names = [video.name for video in videos]
        self._tube_paths = people.checked_paths(names) if people else [None] * len(videos)
        self.without_tube = self._tube_paths.count(None) if people else 0
        """Videos that `people` has no boxes for; 0 where no boxes are used at all."""
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.videos)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draws of an epoch; workers that already run see it too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Item:
        """Return the samples of an item and the failures on the way to them.

        Raises:
            VideoError: in training, `max_attempts` videos in a row cannot be read.
            InputError: a person box lies wholly outside its video's picture.
        """
        if not 0 <= index < len(self.videos):
            raise IndexError(f"index must be in [0, {len(self.videos)}), got {index}")
        if self.train:
            return self._training_item(index)
        try:
            return self._test_samples(index), []
        except VideoError as error:
            return [], [(index, str(error))]

    def _training_item(self, index: int) -> Item:
        entropy = np.random.SeedSequence([self.seed, int(self._epoch), index])
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1)[0]))
        failures: list[Failure] = []
        candidates = [other for other in range(len(self.videos)) if other != index]
        while True:
            try:
                return self._training_samples(index, generator), failures
            except VideoError as error:
                failures.append((index, str(error)))
                if len(failures) == self.max_attempts or not candidates:
                    raise VideoError(
                        f"{len(failures)} videos in a row cannot be read, the last of them: {error}"
                    ) from error
            draw = int(torch.randint(len(candidates), (), generator=generator))
            index = candidates.pop(draw)

    def _training_samples(self, index: int, generator: torch.Generator) -> list[Sample]:
        with open_video(self.videos[index].path, self.backend) as reader:
            draws = range(self.views_per_video)
            clips = torch.stack([self.sampling.draw(len(reader), generator) for _ in draws])
            footage = read_footage(reader, clips, self._tube_paths[index], self.crop)
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
        with open_video(self.videos[index].path, self.backend) as reader:
            clips = self.sampling.spread(len(reader), self.clips_per_video)
            footage = read_footage(reader, clips, self._tube_paths[index], self.crop)
        samples = []
        for number in range(self.clips_per_video):
            region = footage.region(number)
            for view in spread_views(region, self.crop.view_share, self.crops):
                clip, boxes = footage.cut(number, region, view)
                place = len(samples)
                samples.append(self._sample(index, place, clip, footage.clips[number], boxes))
        return samples

    def _sample(
        self, index: int, view: int, clip: Tensor, frame_indices: Tensor, boxes: Tensor
    ) -> Sample:
        label = self.videos[index].label
        return Sample(clip, label, index, view, frame_indices.contiguous(), boxes)


def collate(items: Sequence[Item]) -> Batch:
    """Put the samples of several items into one batch; without any sample, B and T are 0."""
    samples = [sample for item in items for sample in item[0]]
    failures = [failure for item in items for failure in item[1]]
    if not samples:
        none = torch.empty(0, dtype=torch.int64)
        clip = torch.empty((0, 3, 0, 0, 0), dtype=torch.uint8)
        return Batch(clip, none, none, none, none.reshape(0, 0), torch.empty(0, 0, 4), failures)
    return Batch(
        clip=torch.stack([sample.clip for sample in samples]),
        label=torch.tensor([sample.label for sample in samples]),
        video=torch.tensor([sample.video for sample in samples]),
        view=torch.tensor([sample.view for sample in samples]),
        frame_indices=torch.stack([sample.frame_indices for sample in samples]),
        boxes=torch.stack([sample.boxes for sample in samples]),
        failures=failures,
    )


def init_worker(worker_id: int) -> None:
    """Keep a `DataLoader` worker to one thread: pass it as `worker_init_fn`.

    Call `cv2.setNumThreads(1)` before the loader starts where OpenCV was used already: its threads
    do not survive a fork, and the worker would wait for them for ever.
    """
    del worker_id
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _require_distinct_crops(crop: CropSpec, crops: int, people: TubeFolder | None) -> None:
    if crop.aspect == "free" or people is not None:
        region = "a free region" if crop.aspect == "free" else "the square region of a person"
        raise InputError(
            f"{crops} crops of {region} are all the same with view_share 1; set view_share below 1 "
            "(0.875 is usual) or crops to 1"
        )
