import doctest
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stn_action.checksum import checksum
from stn_action.data.video_table import Video
from stn_action.errors import InputError
from stn_action.jobs.reencode import forecast, reencoded_video
from stn_action.jobs.reencode.dataset_copy import copy_lists
from stn_action.jobs.reencode.forecast import late_clip
from stn_action.jobs.reencode.reencoded_video import (
    PeopleExtent,
    Recipe,
    ReencodedVideo,
    people_extent,
    people_in_copy,
    reencode_video,
)
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.backend_table import open_video
from stn_action.video.container import packet_index
from stn_action.video.writer import write_video
from tests.video.clips import CLIPS, images, number_shown, write_clip

SMALL = Recipe(short_side=32)


def reencoded(
    path: Path, folder: Path, recipe: Recipe = SMALL, people: PeopleExtent | None = None
) -> ReencodedVideo:
    video = Video("a/b", path, 0, "")
    return reencode_video(video, folder / "out/b.mp4", recipe, people, scratch=folder / "scratch")


def frames_of(path: Path) -> np.ndarray:
    with open_video(path) as reader:
        return np.stack([image for _, image, _ in reader.stream()])


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_every_frame_comes_back_under_its_number(clip, tmp_path):
    path = write_clip(tmp_path, clip)
    copy = reencoded(path, tmp_path, Recipe(short_side=1000))
    before, after = frames_of(path), frames_of(tmp_path / "out/b.mp4")
    assert copy.frames == len(before) == len(after) == len(clip.times)
    assert copy.shrunk_hw == copy.source_hw == before.shape[1:3]
    assert copy.size_hw == after.shape[1:3]
    height, width = copy.shrunk_hw
    assert np.abs(after[:, :height, :width].astype(int) - before).mean() < 6
    assert copy.bytes == (tmp_path / "out/b.mp4").stat().st_size
    assert copy.checksum == checksum(tmp_path / "out/b.mp4")
    assert copy.source_checksum == checksum(path)
    assert not any((tmp_path / "scratch").iterdir())
    with open_video(tmp_path / "out/b.mp4") as reader:
        assert reader.fps == pytest.approx(copy.fps, rel=1e-3)
    index = packet_index(tmp_path / "out/b.mp4")
    assert index is not None
    assert max(np.diff([*(start.rank for start in index.starts), copy.frames])) <= 16


def test_a_large_frame_is_averaged_over_areas(tmp_path):
    path = tmp_path / "large.mp4"
    write_video(path, images(20, (96, 150)), fps=30000 / 1001, crf=1)
    copy = reencoded(path, tmp_path, Recipe(short_side=48, crf=1))
    assert copy.size_hw == copy.shrunk_hw == (48, 76)
    after = frames_of(tmp_path / "out/b.mp4")
    expected = [
        cv2.resize(image, (76, 48), interpolation=cv2.INTER_AREA) for image in frames_of(path)
    ]
    assert np.abs(after.astype(int) - np.stack(expected)).mean() < 3
    assert copy.fps == pytest.approx(30000 / 1001, rel=1e-4)


@pytest.mark.parametrize(
    ("box", "size_hw", "margin", "kept"),
    [
        ((20.0, 10.0, 40.0, 30.0), None, 0.0, (20, 10, 40, 30)),
        ((20.0, 10.0, 40.0, 30.0), None, 0.5, (10, 0, 50, 40)),
        ((20.4, 10.4, 40.4, 30.4), None, 0.0, (20, 10, 42, 32)),  # 21 pixels are made even
        ((-5.0, 40.0, 70.0, 60.0), None, 0.0, (0, 40, 64, 48)),
        ((43.2, 10.0, 63.5, 20.0), None, 0.0, (42, 10, 64, 20)),
        ((40.0, 20.0, 80.0, 60.0), (96, 128), 0.0, (20, 10, 40, 30)),  # of twice the size
    ],
)
def test_a_crop_holds_the_people_and_a_margin(box, size_hw, margin, kept, tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, images(5, (48, 64)), fps=25, crf=1)
    recipe = Recipe(256, margin, crf=1)
    copy = reencoded(path, tmp_path, recipe, PeopleExtent(box, size_hw, None))
    assert copy.kept_xyxy == kept
    x0, y0, x1, y1 = kept
    assert copy.size_hw == (y1 - y0, x1 - x0)
    expected = frames_of(path)[:, y0:y1, x0:x1].astype(int)
    assert np.abs(frames_of(tmp_path / "out/b.mp4") - expected).mean() < 4


def tubes_of(*boxes: tuple[float, ...]) -> tuple[Tube, ...]:
    return tuple(
        Tube(torch.tensor([2 * i, 2 * i + 1]), torch.tensor([box, box]).float(), torch.ones(2))
        for i, box in enumerate(boxes)
    )


def test_boxes_go_where_their_pixels_went(tmp_path):
    image = np.zeros((96, 120, 3), np.uint8)
    image[40:60, 70:90] = 255
    path = tmp_path / "a.mp4"
    write_video(path, [image] * 4, fps=25, crf=1)
    people = VideoPeople(
        "a/b", tubes_of((70, 40, 90, 60), (50, 20, 100, 80)), labels=("wave", None)
    )
    found = people_extent(people)
    assert found == PeopleExtent((50.0, 20.0, 100.0, 80.0), None, None)
    copy = reencoded(path, tmp_path, Recipe(32, margin=0.1, crf=1), found)
    assert (copy.kept_xyxy, copy.shrunk_hw) == ((45, 14, 105, 86), (38, 32))
    fitted = people_in_copy(people, copy)
    white = (frames_of(tmp_path / "out/b.mp4")[0].mean(-1) > 128).nonzero()
    shown = [white[1].min(), white[0].min(), white[1].max() + 1, white[0].max() + 1]
    np.testing.assert_allclose(fitted.tubes[0].boxes[0], shown, atol=1)
    expected = [25 * 32 / 60, 26 * 38 / 72, 45 * 32 / 60, 46 * 38 / 72]
    np.testing.assert_allclose(fitted.tubes[0].boxes[1], expected, rtol=1e-5)
    assert (fitted.size_hw, fitted.num_frames, fitted.fps) == ((38, 32), 4, 25)
    assert (fitted.checksum, fitted.labels) == (copy.checksum, ("wave", None))
    assert fitted.tubes[1].frame_indices.tolist() == [2, 3]


def test_without_people_there_is_no_extent():
    assert people_extent(None) is None
    assert people_extent(VideoPeople("a", ())) is None


def test_without_people_the_full_frame_is_kept(tmp_path):
    path = write_clip(tmp_path, CLIPS[0])
    assert reencoded(path, tmp_path, Recipe(256, margin=0.5)).kept_xyxy == (0, 0, 64, 48)


def test_frames_before_the_damage_are_kept(tmp_path):
    path = write_clip(tmp_path, CLIPS[0])
    path.write_bytes(path.read_bytes()[:20_000])
    copy = reencoded(path, tmp_path)
    after = frames_of(tmp_path / "out/b.mp4")
    assert 0 < copy.frames == len(after) < 60


def test_a_source_that_cannot_be_re_encoded_leaves_nothing(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"broken.mp4: no backend can read this video"):
        reencoded(tmp_path / "broken.mp4", tmp_path)
    with pytest.raises(InputError, match=r"none.mp4: cannot be read \(No such file"):
        reencoded(tmp_path / "none.mp4", tmp_path)
    path = write_clip(tmp_path, CLIPS[0])
    recipe = Recipe(256, margin=0.5)
    with pytest.raises(InputError, match=r"the file has changed since people were detected in it"):
        reencoded(path, tmp_path, recipe, PeopleExtent((0, 0, 5, 5), None, "00ff"))
    with pytest.raises(InputError, match=r"is entirely outside the image"):
        reencoded(path, tmp_path, recipe, PeopleExtent((90, 0, 95, 5), None, None))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"short_side": 25}, r"--short-side must be even and at least 16, got 25"),
        ({"short_side": 8}, r"--short-side must be even"),
        ({"margin": -0.1}, r"--margin must not be negative, got -0.1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Recipe(**settings)


def test_fast_decoding_shows_the_same_frames(tmp_path):
    frames = list(images(20, (48, 64)))
    write_video(tmp_path / "plain.mp4", frames, fps=25)
    write_video(tmp_path / "fast.mp4", frames, fps=25, fast_decode=True)
    fast = frames_of(tmp_path / "fast.mp4")
    assert [number_shown(image) for image in fast] == list(range(20))
    assert (tmp_path / "plain.mp4").read_bytes() != (tmp_path / "fast.mp4").read_bytes()


def test_a_late_clip_ends_at_nine_tenths(tmp_path):
    path = write_clip(tmp_path, CLIPS[0])
    video = Video("a", path, 0, "")
    clip = late_clip(video, num_frames=3, stride=10, size_hw=(48, 64))
    assert [number_shown(frame.permute(1, 2, 0).numpy()) for frame in clip] == [33, 43, 53]
    clip = late_clip(video, (0, 0, 16, 16), num_frames=8, stride=30, size_hw=(16, 16))
    assert [number_shown(frame.permute(1, 2, 0).numpy()) for frame in clip] == [0] * 6 + [23, 53]


def test_lists_are_copied_and_boxes_are_not(tmp_path):
    root = tmp_path / "data/ucf101"
    for name in (
        "../ucfTrainTestlist/classInd.txt", "sample.json", "splits/a.txt", "people/a.csv",
        "mixed/a.txt", "mixed/a.mp4", ".hidden.txt", "clip.mp4", "annotations/train.csv",
        "annotations/clip.mp4", "labels/a.json", "../annotations/of_another_set.csv",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for _ in range(2):
        copy_lists(root, tmp_path / "out")
    copied = {p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*.*")}
    assert copied == {
        "ucfTrainTestlist/classInd.txt", "sample.json", "splits/a.txt", "annotations/train.csv",
        "labels/a.json",
    }  # fmt: skip


def test_examples_in_docstrings_hold():
    assert doctest.testmod(reencoded_video).failed == 0
    assert doctest.testmod(forecast).failed == 0


def test_a_real_video_is_re_encoded(shared, tmp_path):
    source = shared / "data/smoke_clips/mmaction2_test.avi"
    path = Path(shutil.copy(source, tmp_path))
    copy = reencoded(path, tmp_path, Recipe(128))
    assert (copy.frames, copy.source_hw, copy.size_hw) == (164, (240, 320), (128, 170))
