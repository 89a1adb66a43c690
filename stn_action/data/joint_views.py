"""The test views and some random views of each video, from one pass over it.

Letters: V clips of a video, T frames of a clip.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from stn_action.batch import Item
from stn_action.data.clips import TestClips, TrainClips
from stn_action.data.footage import Cut, Footage
from stn_action.data.view_choice import ViewChoice
from stn_action.video.reader import VideoError


class WantedViews(NamedTuple):
    """Which views of a video are wanted."""

    row: int
    test: bool = True
    """All test views."""
    train: bool = True
    """All random views."""


class JointViews(Dataset[Item]):
    """What a feature cache stores: an item is a video, its test views first, then random ones.

    They are those of the two data sets. A video that cannot be read has no samples and a failure.
    """

    def __init__(self, test: TestClips, train: TrainClips) -> None:
        """Join two data sets of one source, in which a video is one sample."""
        assert test.source is train.source
        assert len(test) == len(train)
        self.test, self.train = test, train

    def __len__(self) -> int:
        return len(self.test)

    @property
    def num_test_views(self) -> int:
        """Number of the samples of an item that are test views."""
        return self.test.num_clips * self.test.num_crops

    def __getitem__(self, index: int | WantedViews) -> Item:
        """Return the samples of a video, or its failure; each part is numbered from 0."""
        wanted = index if isinstance(index, WantedViews) else WantedViews(index)
        row, drawn = wanted.row, self.train.draw(wanted.row)
        choice = self.test.choice() if wanted.test else drawn.choice
        if wanted.test and wanted.train:
            choice = joint_choice(choice, drawn.choice)
        try:
            views = self.test.source.read(row, choice)
        except VideoError as error:
            return [], [(row, str(error))]
        number = self.num_test_views if wanted.test else 0
        samples = self.test.samples(row, views[:number])
        if wanted.train:
            samples += self.train.samples(row, drawn.change(views[number:]))
        return samples, []


def joint_choice(first: ViewChoice, second: ViewChoice) -> ViewChoice:
    """Return the choice of all views of two choices, in this order."""
    counts: list[int] = []  # of the clips of each

    def clips(num_frames: int) -> Tensor:
        parts = first.clips(num_frames), second.clips(num_frames)
        counts[:] = map(len, parts)
        return torch.cat(parts)  # (V, T)

    def cuts(footage: Footage) -> list[Cut]:
        own, other = (replace(footage, clips=part) for part in footage.clips.split(counts))
        later = [cut._replace(number=cut.number + counts[0]) for cut in second.cuts(other)]
        return [*first.cuts(own), *later]

    return ViewChoice(clips, cuts, first.keep_images or second.keep_images)
