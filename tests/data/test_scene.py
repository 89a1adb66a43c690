"""Another clip around the frames: which one, where it is placed, which of its frames are shown."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action.data.footage import Footage, read_views
from stn_action.data.scene import Backdrop, Scene, Scenes, mirrored_indices, relative_frame
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.person.crop import CropSpec
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.frame_array import FrameArray
from stn_action.video.reader import VideoError, VideoReader

NAMES = [f"{group}{number}" for group in "abc" for number in range(4)]
POOLS = [f"the group {name[0]}" for name in NAMES]


class NoVideos:
    """Names of videos without files."""

    def __init__(self, names: list[str]) -> None:
        self.videos = VideoTable(Video(name, Path(name), 0, name) for name in names)

    def open(self, index: int) -> VideoReader:
        raise VideoError(f"{index}: there is none")

    def people_in(self, index: int) -> VideoPeople | None:
        return None


def ramp(num_frames: int, height: int, width: int) -> np.ndarray:
    """Frames whose red is 10 x the frame's number, green the row and blue the column."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[..., 0] = 10 * np.arange(num_frames)[:, None, None]
    frames[..., 1] = np.arange(height)[:, None]
    frames[..., 2] = np.arange(width)
    return frames


def scene_of(frames: np.ndarray, *boxes: list[float], on_right: bool = True) -> Scene:
    """A scene with a person that has one box for each two frames."""
    tubes = ()
    if boxes:
        numbers = torch.arange(len(boxes)) * 2
        tubes = (Tube(numbers, torch.tensor(boxes), torch.ones(len(boxes))),)
    people = VideoPeople("other", tubes, frames.shape[1:3])
    return Scene("other", lambda: FrameArray(frames), people, on_right)


def test_elements_are_mirrored_at_both_ends_again_and_again():
    expected = [2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]
    assert mirrored_indices(-3, 9, 3).tolist() == expected
    assert mirrored_indices(-9, 9, 3).tolist() == [2, 1, 0, 0, 1, 2, *expected]
    assert mirrored_indices(-2, 2, 1).tolist() == [0] * 4


def test_first_and_last_frames_coincide():
    for own in (1, 2, 5, 30):
        for other in (1, 2, 9, 31):
            found = [relative_frame(frame, own, other) for frame in range(own)]
            shares = [frame / max(own - 1, 1) for frame in range(own)]
            expected = [int(share * (other - 1) + 0.5) for share in shares]
            assert found == expected
            assert found[0] == 0
            assert own == 1 or found[-1] == other - 1


def test_a_part_of_the_backdrop_is_that_of_the_mirrored_plane():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    backdrop = Backdrop([np.zeros_like(image), image], left=4)
    x0, y0, x1, y1 = box = (-9, -6, 20, 8)
    part = backdrop.part(1, box)
    plane = np.concatenate([np.flip(image, 1), image], axis=1)
    plane = np.concatenate([np.flip(plane, 0), plane], axis=0)
    for y in range(y0, y1):
        for x in range(x0, x1):
            expected = plane[(y + 5) % 10, (x - 4 + 7) % 14]
            assert (part[y - y0, x - x0] == expected).all()
    assert (backdrop.part(1, (4, 0, 11, 5)) == image).all()


@pytest.mark.parametrize(("on_right", "left"), [(True, 100 - 2 * 12), (False, -2 * 24)])
def test_people_stand_beside_the_frames_by_the_median_of_their_edges(on_right, left):
    frames = ramp(3, 20, 50)
    boxes = [10.0, 2, 20, 18], [14.0, 2, 28, 18]  # between them, in frame 1: 12 to 24
    backdrop = scene_of(frames, *boxes, on_right=on_right).backdrop([0, 8, 4], 9, (40, 100))
    assert backdrop.left == left
    assert [image.shape for image in backdrop.images] == [(40, 100, 3)] * 3
    assert [int(image[0, 0, 0]) for image in backdrop.images] == [0, 20, 10]


@pytest.mark.parametrize(("on_right", "left"), [(True, 30), (False, -50)])
def test_without_people_the_other_clip_begins_at_the_edge(on_right, left):
    backdrop = scene_of(ramp(4, 20, 50), on_right=on_right).backdrop([0], 2, (20, 30))
    assert backdrop.left == left
    assert (backdrop.images[0] == ramp(1, 20, 50)[0]).all()


def test_an_unreadable_scene_is_said_to_be_one():
    def fail() -> VideoReader:
        raise VideoError("b.mp4: is no video")

    with pytest.raises(VideoError, match=r"its scene \(data.crop.beyond\) is .*: b.mp4: is no v"):
        Scene("b", fail, None, on_right=True).backdrop([0], 1, (4, 4))


def test_clips_show_the_scene_beyond_the_frame_and_their_own_frame_inside():
    own = np.random.default_rng(1).integers(0, 256, (6, 24, 32, 3), dtype=np.uint8)
    tube = Tube(torch.arange(6), torch.tensor([[4.0, 4, 28, 20]] * 6), torch.ones(6))
    scene = scene_of(ramp(11, 24, 40), [5.0, 0, 15, 24])
    crop = CropSpec((48, 72), looseness=1, aspect="free", view_share=1, beyond="scene")
    footage = Footage(torch.tensor([[1, 5, 5]]), (24, 32), (tube,), "longest", crop, scene=scene)
    view = read_views(FrameArray(own), footage, footage.test_cuts(1))[0]
    x0, y0, x1, y1 = -20, -12, 52, 36  # three times the box: as large as the clip
    assert view.edges[0].tolist() == [x0, y0, x1, y1]
    clip = view.clip.permute(1, 2, 3, 0).numpy()
    backdrop = scene.backdrop([1, 5, 5], 6, (24, 32))
    assert backdrop.left == 32 - 5
    for time, frame in enumerate((1, 5, 5)):
        expected = backdrop.part(time, (x0, y0, x1, y1))
        assert (expected[..., 0] == 20 * frame).all()
        expected[-y0 : 24 - y0, -x0 : 32 - x0] = own[frame]
        assert (clip[time] == expected).all()
    image = torch.tensor([2 * 20 / 72 - 1, -0.5, 2 * 52 / 72 - 1, 0.5])  # its own picture
    torch.testing.assert_close(view.extents[:, 0], image.expand(3, 4))


def test_the_scene_is_not_opened_where_no_clip_leaves_the_frame():
    own = ramp(3, 24, 32)
    tube = Tube(torch.arange(3), torch.tensor([[8.0, 8, 24, 16]] * 3), torch.ones(3))
    crop = CropSpec((8, 8), looseness=0, aspect="free", beyond="scene")
    scene = Scene("b", lambda: NoVideos([]).open(0), None, on_right=True)
    footage = Footage(torch.tensor([[0, 2]]), (24, 32), (tube,), "longest", crop, scene=scene)
    assert len(read_views(FrameArray(own), footage, footage.test_cuts(1))) == 1


def test_each_video_is_surrounded_by_another_one_of_its_pool():
    scenes = Scenes(NoVideos(NAMES), POOLS)
    partners = [NAMES[row] for row in scenes.partners.tolist()]
    assert all(a[0] == b[0] and a != b for a, b in zip(NAMES, partners, strict=True))
    assert len(set(partners)) > 6
    assert {scenes.of(row).on_right for row in range(12)} == {True, False}
    assert scenes.of(0).name == partners[0]


def test_pairs_depend_on_seed_and_names_alone():
    scenes = Scenes(NoVideos(NAMES), POOLS)
    pairs = {name: scenes.of(row).name for row, name in enumerate(NAMES)}
    other = Scenes(NoVideos(NAMES[::-1]), POOLS[::-1])
    assert {name: other.of(11 - row).name for row, name in enumerate(NAMES)} == pairs
    without_c = Scenes(NoVideos(NAMES[:8]), POOLS[:8])
    assert [without_c.of(row).name for row in range(8)] == list(pairs.values())[:8]
    seeded = Scenes(NoVideos(NAMES), POOLS, seed=1)
    assert [seeded.of(row).name for row in range(12)] != list(pairs.values())
    rows = scenes.rows_of(NoVideos(["c1", "a2"]).videos)
    assert [NAMES[row] for row in rows.tolist()] == ["c1", "a2"]


def test_a_video_alone_has_no_scene():
    message = r"data.crop.beyond=scene: c0 is the only video of the group c, expected two at least"
    with pytest.raises(InputError, match=message):
        Scenes(NoVideos(NAMES[:9]), POOLS[:9])


def test_an_unknown_video_has_no_scene():
    with pytest.raises(InputError, match=r"scene: d0 is in no part of the data set, .* pad or shi"):
        Scenes(NoVideos(NAMES), POOLS).rows_of(NoVideos(["a0", "d0"]).videos)
