"""Frames that are decoded one by one are those that are read together."""

from pathlib import Path

import numpy as np
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoError
from tests.person.scene import crossing, write_damaged_scene
from tests.video.clips import checksum

NAMES = ["h264_b.mp4", "h264_open_gop.mkv", "mpeg4_b.avi", "turned_1.mp4", "transport.ts"]
WANTED = [0, 1, 2, 11, 12, 30, 31, 44]


def visited(path: Path, wanted: list[int], backend: str = "auto", **settings) -> list[int]:
    """The checksums of the images, each at its place; the last visit of a place counts."""
    seen: dict[int, int] = {}

    def visit(place: int, image: np.ndarray) -> None:
        seen[place] = checksum(image)

    with open_video(path, backend, **settings) as video:
        video.visit_images(wanted, visit)
    assert [*seen] == [*range(len(wanted))]
    return [*seen.values()]


@pytest.mark.parametrize("start", [None, 0.4])
@pytest.mark.parametrize("backend", ["pyav", "opencv"])
@pytest.mark.parametrize("name", NAMES)
def test_images_are_those_that_are_read_together(name, backend, start, clip_folder):
    path = clip_folder / name
    with open_video(path, backend, start_seconds=start) as video:
        expected = [checksum(image) for image in video.read_images(WANTED)]
    assert visited(path, WANTED, backend, start_seconds=start) == expected


@pytest.mark.parametrize("start", [None, 0.3])
def test_all_are_visited_again_where_damage_renumbers_them(start, tmp_path):
    path = write_damaged_scene(tmp_path / "odd.mp4", crossing())
    with open_video(path, start_seconds=start) as video:
        images = [checksum(image) for _, image, _ in video.stream()]
    wanted = [*range(0, len(images), 2)]
    assert visited(path, wanted, start_seconds=start) == images[::2]


def test_a_frame_behind_the_end_is_an_error_before_any_is_visited(clip_folder):
    calls: list[int] = []
    with (
        open_video(clip_folder / "h264_b.mp4") as video,
        pytest.raises(VideoError, match="frame 60 does not exist"),
    ):
        video.visit_images([3, 60], lambda place, image: calls.append(place))
    assert calls == []
