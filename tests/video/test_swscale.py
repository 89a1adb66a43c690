"""libswscale is called on memory as it is; it writes nothing beside it."""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stn_action.video import stored_planes, swscale
from stn_action.video.orientation import Orientation
from stn_action.video.planar_frame import PlanarFrame
from stn_action.video.plane_converter import PlaneConverter
from stn_action.video.swscale import BY_AREA, ScalerKind, load_library, scale_planes
from tests.video.stored_frames import stored_frame

needs_library = pytest.mark.skipif(
    load_library() is None, reason="PyAV here has no libswscale whose functions can be found"
)


def kind_of(source_hw: tuple[int, int], result_hw: tuple[int, int]) -> ScalerKind:
    return ScalerKind(source_hw, "gray", result_hw, "gray", BY_AREA, 2, True, (0, 0))


def scaled(image: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    height, width = image.shape
    source = np.zeros((height + 1, width + 64), np.uint8)
    source[:height, :width] = image
    result = np.zeros((size_hw[0] + 1, size_hw[1] + 64), np.uint8)
    rows = [(array.ctypes.data, array.strides[0]) for array in (source, result)]
    scale_planes(kind_of((height, width), size_hw), rows[:1], rows[1:])
    return result[: size_hw[0], : size_hw[1]]


@needs_library
def test_areas_are_averaged():
    image = np.random.default_rng(0).integers(0, 256, (24, 40), dtype=np.uint8)
    means = image.reshape(12, 2, 10, 4).mean((1, 3))
    assert np.abs(scaled(image, (12, 10)) - means).max() <= 1


@needs_library
@pytest.mark.parametrize("box", [(0, 0, 160, 120), (31, 17, 150, 120), (2, 4, 58, 42)])
@pytest.mark.parametrize("width", [3, 7, 16, 20, 31, 32, 48, 50])
def test_nothing_is_written_beside_the_result(width, box):
    frame = PlanarFrame(stored_frame("yuv420p", (120, 160)), PlaneConverter(), Orientation())
    results = []
    for guard in (7, 9):
        room = np.full((3, 5, 30, width), guard, np.uint8)
        assert frame.shrink(box, room[:, 2])
        assert (np.delete(room, 2, axis=1) == guard).all()
        results.append(room[:, 2])
    np.testing.assert_array_equal(*results)


@needs_library
def test_only_the_scalers_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(swscale, "MAX_IDLE", 2)
    monkeypatch.setattr(swscale, "_idle", OrderedDict())
    image = np.zeros((8, 8), np.uint8)
    for size in (2, 3, 4, 3, 5):
        scaled(image, (size, 4))
    assert list(swscale._idle) == [kind_of((8, 8), (3, 4)), kind_of((8, 8), (5, 4))]


@needs_library
def test_threads_share_no_scaler():
    images = np.random.default_rng(0).integers(0, 256, (8, 120, 160), dtype=np.uint8)
    expected = [scaled(image, (30, 40)) for image in images]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: scaled(images[number % 8], (30, 40)), range(160)))
    for number, result in enumerate(found):
        np.testing.assert_array_equal(result, expected[number % 8])


@needs_library
def test_what_it_cannot_do_is_refused():
    with pytest.raises(ValueError, match="libswscale cannot do this"):
        scaled(np.zeros((8, 8), np.uint8), (0, 4))


def test_without_the_library_frames_are_converted_first(monkeypatch):
    stored = stored_frame("yuv420p", (120, 160))
    with_library = PlanarFrame(stored, PlaneConverter(), Orientation()).part((3, 5, 90, 70))
    monkeypatch.setattr(stored_planes, "load_library", lambda: None)
    frame = PlanarFrame(stored, PlaneConverter(), Orientation())
    assert not frame.shrink((0, 0, 160, 120), np.empty((3, 30, 40), np.uint8))
    np.testing.assert_array_equal(frame.part((3, 5, 90, 70)), with_library)
