"""The eight ways in which a display matrix turns and mirrors, with every reader."""

import doctest

import numpy as np
import pytest

from stn_action.video import orientation
from stn_action.video.backend_table import open_video
from stn_action.video.orientation import Orientation, matrix_orientation
from tests.video.clips import Clip, checksum, decode_all, write_clip, write_matrix

# a, b, c, d of the matrix, and the frame as it is shown: the decoded pixel (x, y) goes to
# (a x + c y, b x + d y)
SHOWN = {
    (1, 0, 0, 1): lambda image: image,
    (-1, 0, 0, 1): lambda image: image[:, ::-1],
    (1, 0, 0, -1): lambda image: image[::-1],
    (-1, 0, 0, -1): lambda image: image[::-1, ::-1],
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, 1, 0): lambda image: image.transpose(1, 0, 2)[::-1],
    (0, 1, -1, 0): lambda image: image.transpose(1, 0, 2)[:, ::-1],
    (0, -1, -1, 0): lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
}
by_corner = pytest.mark.parametrize("corner", SHOWN, ids=str)


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(orientation).failed == 0


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("upright"), Clip("a.mp4", size_hw=(66, 98)))


@pytest.mark.parametrize("backend", ["pyav", "opencv", "decord"])
@by_corner
def test_all_eight_orientations_are_shown_as_the_matrix_says(corner, backend, upright, tmp_path):
    if backend == "decord":
        pytest.importorskip("decord", reason="decord has no wheel for this machine")
    path = tmp_path / "turned.mp4"
    path.write_bytes(upright.read_bytes())
    write_matrix(path, corner)
    expected = [SHOWN[corner](image) for image in decode_all(path)]
    with open_video(path, backend) as video:
        assert video.size_hw == expected[0].shape[:2]
        images = video.read_images([41, 0])
        frames = video.read([41, 0]).data.permute(0, 2, 3, 1).numpy()
        streamed = [image for _, image, _ in video.stream(41)]
    assert checksum(images[0]) == checksum(frames[0]) == checksum(streamed[1])
    assert checksum(images[1]) == checksum(frames[1]) == checksum(streamed[0])
    tolerance = 2 if backend == "decord" else 0
    for image, number in zip(images, (41, 0), strict=True):
        assert np.abs(image.astype(int) - expected[number]).max() <= tolerance


@by_corner
def test_an_orientation_is_a_mirroring_and_then_a_turn(corner):
    a, b, c, d = corner
    image = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    shown = matrix_orientation([a, b, 0, c, d, 0, 0, 0, 1]).shown(image)
    np.testing.assert_array_equal(shown, SHOWN[corner](image))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 0, 0, 0, 0, 0, 0, 0, 0), Orientation()),
        ((131072, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), Orientation()),  # twice as wide
        ((0, -40000, 0, 65536, 0, 0, 0, 0, 1 << 30), Orientation(quarter_turns=1)),
        ((65000, 8000, 0, -8000, 65000, 0, 0, 0, 1 << 30), Orientation()),  # 7 degrees
    ],
)
def test_scales_and_other_angles_are_ignored(matrix, expected):
    assert matrix_orientation(matrix) == expected


@pytest.mark.parametrize("name", ["id", "hflip", "transpose"])
@pytest.mark.parametrize("backend", ["pyav", "opencv", "decord"])
def test_mirrored_files_come_out_right(name, backend, shared):
    corner = {"id": (1, 0, 0, 1), "hflip": (-1, 0, 0, 1), "transpose": (0, 1, 1, 0)}[name]
    path = shared / "cases" / "mirrored_display_matrix" / f"{name}.mp4"
    first = next(decode_all(path))
    with open_video(path, backend) as video:
        image = video.read_images([0])[0]
    assert np.abs(image.astype(int) - SHOWN[corner](first)).max() <= 2
