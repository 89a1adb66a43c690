"""Distorted digits as clips of one frame: new distortions in each epoch, or fixed ones to test on.

Letters: h, w a digit, H, W the clip.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stn_action.batch import Batch, Item, Sample, collate
from stn_action.data.clips import ClipDataset, ClipTrace
from stn_action.data.data_choices import DistortionName
from stn_action.data.digits.distortions import DISTORTIONS, Draws, centered, distort
from stn_action.data.digits.idx_file import read_idx
from stn_action.data.frame_sampling import ClipSampling
from stn_action.data.source import ClipSource
from stn_action.geometry.extents import clip_extents


class DigitClips(ClipDataset):
    """Distorted digits, (3, 1, H, W): one in all channels, or two in red and green.

    What an item holds depends on `seed`, the digit's number in its file and the epoch alone; if
    `fixed`, not on the epoch.
    """

    def __init__(
        self,
        source: ClipSource,
        *,
        distortion: DistortionName | None,
        seed: int = 0,
        fixed: bool = False,
    ) -> None:
        """Read the digits.

        Args:
            source: of digits of one idx file, named `<part>/<number>`, or of pairs,
                `<part>/<number>+<number>`; its crop has the size of the canvas.
            distortion: None: the digits as they are, in the middle of the canvas.
            seed: of everything random.
            fixed: equal in each epoch.

        Raises:
            InputError: the file cannot be read, or the canvas is smaller than a digit.
        """
        super().__init__(source, ClipSampling(num_frames=1))
        videos = source.videos
        self.images = read_images(str(videos[0].path))
        """(M, h, w) uint8, all of the file."""
        self.numbers = torch.tensor([digit_numbers(name) for name in videos.names()])
        """(N, D) int64, those of each item's digits."""
        self.targets = videos.targets
        self.distortion: DistortionName | None = distortion
        self.size_hw = source.crop.size
        self.seed, self.fixed = seed, fixed
        self._device = torch.device("cpu")
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._drawn: tuple[int, list[Draws]] | None = None
        self._clips(torch.tensor([0]))  # refuses a small canvas now

    def compute_on(self, device: torch.device) -> None:
        """Distort on a device, where the clips then are; the random draws stay the same.

        On a GPU, which other processes cannot share, it is for a loader without workers.
        """
        self._device, self.images = device, self.images.to(device)

    def __len__(self) -> int:
        return len(self.numbers)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random draws of an epoch; workers that already run see it too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> Item:
        """Return the sample of a digit, and no failure."""
        one = self.__getitems__([index])
        frames, boxes, extents = one.frame_indices[0], one.boxes[0], one.extents[0]
        return [Sample(one.clip[0], one.target[0], index, 0, frames, boxes, extents)], []

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return several items as a batch, as a loader asks for them: far faster than single ones.

        Raises:
            IndexError: there is no such item.
        """
        if not indices:
            return collate([])
        self._require_item(min(indices))
        self._require_item(max(indices))
        rows = torch.tensor(indices, dtype=torch.int64)
        clips = self._clips(rows)[:, :, None].contiguous()  # (B, 3, 1, H, W)
        B, (H, W) = len(rows), self.size_hw
        edges, zeros = torch.tensor([[0.0, 0.0, W, H]]), torch.zeros_like(rows)
        extents = clip_extents(edges, self.size_hw, None)
        return Batch(
            clip=clips, target=self.targets[rows], video=rows, view=zeros,
            frame_indices=zeros[:, None], boxes=edges.repeat(B, 1, 1),
            extents=extents.repeat(B, 1, 1, 1), failures=[],
        )  # fmt: skip

    def num_views(self, index: int) -> int:
        """Return 1: a digit has one view."""
        self._require_item(index)
        return 1

    def trace(self, index: int, views: Collection[int] | None = None) -> list[ClipTrace]:
        """Return the clip of a digit with the canvas as its source frame; see `ClipDataset`."""
        if views is not None and 0 not in views:
            return []
        ((sample,), _) = self[index]
        image = sample.clip[:, 0].permute(1, 2, 0).contiguous().cpu().numpy()  # (H, W, 3)
        return [ClipTrace(sample, [image], None, sample.boxes[0])]

    def _clips(self, rows: Tensor) -> Tensor:
        """Return (B, 3, H, W) uint8."""
        canvases = [
            self._canvases(numbers, place) for place, numbers in enumerate(self.numbers[rows].T)
        ]
        if len(canvases) == 1:
            return canvases[0][:, None].expand(-1, 3, -1, -1)
        return torch.stack([*canvases, torch.zeros_like(canvases[0])], dim=1)

    def _canvases(self, numbers: Tensor, place: int) -> Tensor:
        """Return the distorted digits (B, H, W) uint8 that are the first or second of items."""
        digits = self.images[numbers.to(self._device)]
        if self.distortion is None:
            return centered(digits, self.size_hw)
        draws = Draws(*(one.to(self._device) for one in self._draws()[place].select(numbers)))
        return distort(self.distortion, digits, draws, self.size_hw, self.images)

    def _draws(self) -> list[Draws]:
        """Return the random numbers of all digits of the file in this epoch, for each place."""
        epoch = 0 if self.fixed else int(self._epoch)
        if self._drawn is None or self._drawn[0] != epoch:
            assert self.distortion is not None
            state = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
            generator = torch.Generator().manual_seed(int(state[0]))
            distortion, count = DISTORTIONS[self.distortion], len(self.images)
            places = range(self.numbers.shape[1])
            self._drawn = epoch, [distortion.draw(count, generator) for _ in places]
        return self._drawn[1]


def holds_digits(path: Path) -> bool:
    """Return whether a file is called like one of MNIST's with images, `...-idx3-ubyte(.gz)`."""
    return path.name.removesuffix(".gz").endswith("idx3-ubyte")


def digit_numbers(name: str) -> list[int]:
    """Return the rows of digits in their file: 17 and 4 of `train/00017+00004`."""
    return [int(number) for number in name.rpartition("/")[2].split("+")]


@lru_cache(maxsize=4)
def read_images(path: str) -> Tensor:
    """Return the images (N, h, w) uint8 of an idx file, read once in a process.

    Raises:
        InputError: as `read_idx`.
    """
    return read_idx(path, num_dimensions=3)
