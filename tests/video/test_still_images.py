"""Images as videos of one frame."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from stn_action.data.video_table import Video
from stn_action.jobs.inspection import inspect_video
from stn_action.video.backend_table import open_video
from stn_action.video.orientation import Orientation, photo_orientation
from stn_action.video.reader import VideoError

EXACT = 3
"""Largest difference of two decoders of one JPEG whose colors are not subsampled."""


def colors(height: int, width: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    red, green = x * 255 // width, y * 255 // height
    return Image.fromarray(np.stack([red, green, (red + green) // 2], axis=2).astype(np.uint8))


@pytest.mark.parametrize("backend", ["auto", "pyav", "opencv"])
@pytest.mark.parametrize("size_hw", [(48, 64), (47, 63), (5, 7)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_a_video_of_one_frame(mode, size_hw, backend, tmp_path):
    path = tmp_path / "a.jpg"
    colors(*size_hw).convert(mode).save(path, quality=95, subsampling=0)
    with open_video(path, backend) as video:
        assert (len(video), video.size_hw, video.fps) == (1, size_hw, 25.0)
        (image,) = video.read_images([0])
    expected = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert np.abs(image - expected).max() <= EXACT


@pytest.mark.parametrize("backend", ["auto", "pyav", "opencv"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_a_png_is_read_exactly(mode, backend, tmp_path):
    path = tmp_path / "a.png"
    colors(33, 17).convert(mode).save(path)
    with open_video(path, backend) as video:
        assert len(video) == 1
        (image,) = video.read_images([0])
    np.testing.assert_array_equal(image, np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("backend", ["auto", "pyav", "opencv"])
@pytest.mark.parametrize("value", range(10))
def test_a_photo_is_turned_as_its_exif_tells(value, backend, tmp_path):
    """0 and 9 are no orientations; every other is one of the eight."""
    path, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = value
    colors(48, 64).save(path, quality=95, subsampling=0, exif=exif.tobytes())
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path))).astype(int)
    with open_video(path, backend) as video:
        assert video.size_hw == expected.shape[:2]
        (image,) = video.read_images([0])
    assert np.abs(image - expected).max() <= EXACT


def test_an_entry_of_a_manifest_tells_the_turn_of_a_photo(tmp_path):
    path, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = 8
    colors(48, 64).save(path, exif=exif.tobytes())
    entry = inspect_video(Video("photo", path, 0, "photo")).entry
    assert (entry.frames, entry.rotation, entry.error) == (1, 90, "")


def test_a_file_that_is_no_image_has_no_photo_orientation(tmp_path):
    (tmp_path / "a.mov").write_bytes(b"moov")
    assert photo_orientation(tmp_path / "a.mov") is None
    colors(4, 5).save(tmp_path / "a.png")
    assert photo_orientation(tmp_path / "a.png") == Orientation()


def test_decord_refuses_images_by_name(tmp_path):
    pytest.importorskip("decord", reason="decord has no wheel for this machine")
    colors(48, 64).save(tmp_path / "a.jpg")
    with pytest.raises(VideoError, match=r"decord cannot open still images; use data.reader=pyav"):
        open_video(tmp_path / "a.jpg", "decord")


def test_half_an_image_is_an_error_and_no_crash(tmp_path):
    path = tmp_path / "a.png"
    colors(48, 64).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(VideoError, match=r"a.png: no frame of this video can be decoded"):
        open_video(path)
