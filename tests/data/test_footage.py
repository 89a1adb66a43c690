"""Frames are cut while they are decoded: the same to the last bit, and none is kept."""

import itertools
import weakref
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from stn_action.data.footage import Cut, Footage, read_views
from stn_action.geometry.extents import clip_extents
from stn_action.person.crop import CropSpec, View, inverse_map, view_boxes
from stn_action.person.image_crop import crop_images
from stn_action.person.select import select_boxes
from stn_action.person.tube import Tube
from stn_action.video.frame_array import FrameArray
from stn_action.video.source_frame import SourceFrame
from tests.pairs import cover_pairs

LENGTH, HEIGHT, WIDTH = 40, 54, 96


class CountedFrames(FrameArray):
    """Frames of which each is a new array when it is decoded; counts those that are alive."""

    def __init__(self, frames: np.ndarray) -> None:
        super().__init__(frames)
        self.alive = self.most_alive = self.decoded = 0

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        image, seconds = super()._image_at(index)
        image = image.copy()
        weakref.finalize(image, self._forget)
        self.alive += 1
        self.decoded += 1
        self.most_alive = max(self.most_alive, self.alive)
        return image, seconds

    def _forget(self) -> None:
        self.alive -= 1


class FramesThatAreRenumbered(FrameArray):
    """Frames that are first visited in part with wrong images, as in a file damaged further on."""

    def visit_frames(
        self, indices: Sequence[int], visit: Callable[[int, SourceFrame], object]
    ) -> None:
        for place in range(len(indices) // 2 + 1):
            visit(place, SourceFrame(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
        super().visit_frames(indices, visit)


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (LENGTH, HEIGHT, WIDTH, 3), dtype=np.uint8)


def person() -> Tube:
    numbers = torch.arange(3, LENGTH - 4)
    boxes = torch.tensor([10.0, 5.0, 34.0, 50.0]) + torch.tensor([1.0, 0, 1, 0]) * numbers[:, None]
    return Tube(numbers, boxes, torch.ones(len(numbers)))


def footage_of(clips: torch.Tensor, crop: CropSpec, *, has_person: bool) -> Footage:
    tubes = (person(),) if has_person else ()
    return Footage(clips, (HEIGHT, WIDTH), tubes, "longest", crop)


CLIPS = torch.tensor([[0, 5, 10, 15], [10, 15, 20, 25], [37, 38, 39, 39], [7, 7, 7, 7]])
CASES = cover_pairs(
    ("fixed", "follow"), ("square", "free"), (True, False), (True, False), (1.0, 0.6), (20, 70)
)


@pytest.mark.parametrize(("motion", "aspect", "has_person", "mirror", "share", "height"), CASES)
def test_views_are_cut_as_from_frames_that_are_kept(
    motion, aspect, has_person, mirror, share, height, frames
):
    crop = CropSpec((height, 40), motion=motion, aspect=aspect, smooth_window=5)
    footage = footage_of(CLIPS, crop, has_person=has_person)
    generator = torch.Generator().manual_seed(1)
    cuts = []
    for number, place in itertools.product((2, 0, 1, 3), (0.0, 0.7)):
        boxes = footage.person_boxes(number)
        region = footage.region(boxes, generator)
        view = View(share, (place, 1 - place), mirror, ratio=0.8 if mirror else 1.0)
        cuts.append(Cut(number, boxes, region, view))
    for reader in (FrameArray(frames), FramesThatAreRenumbered(frames)):
        views = read_views(reader, footage, cuts, keep_images=True)
        assert [view.cut for view in views] == cuts
        for view, (number, _, region, part) in zip(views, cuts, strict=True):
            images = [*frames[CLIPS[number].numpy()]]
            boxes = view_boxes(region, part, crop.aspect)
            expected = crop_images(images, boxes, crop.size, part.mirror)
            assert torch.equal(view.clip, expected)
            assert torch.equal(view.edges, inverse_map(boxes.expand(4, 4), part.mirror))
            extents = clip_extents(view.edges, (HEIGHT, WIDTH), footage.person_boxes(number))
            assert torch.equal(view.extents, extents)
            assert torch.equal(view.frame_indices, CLIPS[number])
            assert all(map(np.array_equal, view.images, images))


@pytest.mark.parametrize("has_person", [False, True])
def test_no_frame_is_kept_however_many_views_a_test_has(frames, has_person):
    clips = torch.stack([start + torch.arange(8) * 2 for start in range(0, LENGTH - 14, 2)])
    footage = footage_of(clips, CropSpec((16, 16)), has_person=has_person)
    cuts = footage.test_cuts(3)
    assert len(cuts) == 3 * len(clips) == 39
    reader = CountedFrames(frames)
    views = read_views(reader, footage, cuts)
    assert len(views) == 39
    assert reader.decoded == len(clips.unique()) == 20
    assert reader.most_alive <= 2
    assert reader.alive == 0
    assert all(view.images == [] for view in views)
    asked = read_views(reader, footage, cuts, keep_images=True)
    assert reader.alive == 20
    assert all(map(torch.equal, (v.clip for v in views), (v.clip for v in asked)))


def test_the_people_of_a_clip_are_those_of_its_frames(frames):
    footage = footage_of(CLIPS, CropSpec((16, 16), smooth_window=3), has_person=True)
    expected = select_boxes(footage.tubes, CLIPS[1], "longest", 3)
    (view, *_) = [view for view in footage.test_cuts(1) if view.number == 1]
    assert view.person_boxes is not None
    assert torch.equal(view.person_boxes, expected)
