"""Boxes are scaled in the planes of a frame before their colors are converted."""

import av
import numpy as np
import pytest

from stn_action.person.image_crop import crop_frame
from stn_action.video.backend_table import open_video
from stn_action.video.orientation import Orientation
from stn_action.video.planar_frame import PlanarFrame
from stn_action.video.plane_converter import PlaneConverter
from stn_action.video.source_frame import SourceFrame
from stn_action.video.stored_planes import plane_layout
from tests.pairs import cover_pairs
from tests.video.stored_frames import FULL, LIMITED, slowly_shrunk, stored_frame

SIZE_HW = 120, 160
BOXES = [(0, 0, 160, 120), (1, 1, 104, 104), (31, 17, 150, 120), (57, 0, 160, 101), (2, 4, 58, 42)]
FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le")
UPRIGHT = Orientation()


def planar(
    frame: av.VideoFrame, codec: str = "", orientation: Orientation = UPRIGHT
) -> PlanarFrame:
    return PlanarFrame(frame, PlaneConverter(codec), orientation)


def shrunk(frame: SourceFrame, box: tuple[int, int, int, int], size_hw: tuple[int, int]):
    out = np.zeros((3, *size_hw), dtype=np.uint8)
    assert frame.shrink(box, out)
    return out


CASES = cover_pairs(FORMATS, (1, 2, 5, 9), (LIMITED, FULL), ("", "mjpeg"))


@pytest.mark.parametrize(("name", "colorspace", "color_range", "codec"), CASES)
def test_smooth_colors_come_out_within_two_levels(name, colorspace, color_range, codec):
    color_range = FULL if name.startswith("yuvj") else color_range
    colors = {"colorspace": colorspace, "color_range": color_range}
    stored = stored_frame(name, SIZE_HW, **colors, centered=codec == "mjpeg")
    frame = planar(stored, codec)
    for box in BOXES:
        for size_hw in ((28, 28), (31, 17), (40, 48), (20, 60), (80, 16)):
            expected = slowly_shrunk(stored, box, size_hw, centered=codec == "mjpeg")
            error = shrunk(frame, box, size_hw) - expected
            assert np.abs(error).max() <= 2
            assert np.abs(error.mean()) <= 0.5


@pytest.mark.parametrize("name", [*FORMATS, "yuv411p"])
def test_a_part_is_converted_as_with_all_of_the_frame(name):
    frame = stored_frame(name, SIZE_HW)
    expected = planar(frame).image
    for x0, y0, x1, y1 in [*BOXES, (70, 50, 71, 51), (159, 119, 160, 120)]:
        np.testing.assert_array_equal(planar(frame).part((x0, y0, x1, y1)), expected[y0:y1, x0:x1])


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "gray", "nv12", "rgb24", "yuv420p16le"])
@pytest.mark.parametrize("size_hw", [(49, 63), (1, 1), (2, 90)])
def test_any_frame_of_any_size_can_be_cut(name, size_hw):
    frame = av.VideoFrame(size_hw[1], size_hw[0], name)
    generator = np.random.default_rng(0)
    for plane in frame.planes:
        plane.update(generator.integers(118, 139, plane.buffer_size, dtype=np.uint8).tobytes())
    height, width = size_hw
    box = width // 3, height // 3, width, height
    expected = planar(frame).image[box[1] :, box[0] :]
    np.testing.assert_array_equal(planar(frame).part(box), expected)
    out = np.zeros((3, 1, 1), dtype=np.uint8)
    crop_frame(planar(frame), box, out)
    assert np.abs(out[:, 0, 0] - expected.mean((0, 1))).max() <= 3


def test_what_does_not_become_smaller_is_left_to_the_caller():
    frame = planar(stored_frame("yuv420p", SIZE_HW))
    assert not frame.shrink((0, 0, 40, 30), np.empty((3, 30, 40), np.uint8))
    assert not frame.shrink((0, 0, 40, 30), np.empty((3, 60, 40), np.uint8))
    assert not SourceFrame(frame.image).shrink((0, 0, 40, 30), np.empty((3, 3, 4), np.uint8))


@pytest.mark.parametrize("name", ["nv12", "rgb24", "gbrp", "yuva420p", "yuv420p10be", "pal8"])
def test_other_formats_are_converted_first(name):
    assert plane_layout(name) is None


def test_shrinking_averages_what_it_leaves_out():
    frame = stored_frame("yuv444p", SIZE_HW)
    noise = np.random.default_rng(0).integers(30, 220, (120, 160), dtype=np.uint8)
    rows = np.full((120, frame.planes[0].line_size), 128, dtype=np.uint8)
    for number in (1, 2):
        frame.planes[number].update(rows)
    rows[:, :160] = noise
    frame.planes[0].update(rows)
    frame.color_range = FULL
    means = noise.reshape(30, 4, 40, 4).mean((1, 3))
    error = shrunk(planar(frame), (0, 0, 160, 120), (30, 40)) - means
    assert np.abs(error).max() <= 1.5
    colors = np.full((120, frame.planes[0].line_size), 128, dtype=np.uint8)
    colors[:, ::4] = 228  # every fourth column: an average of 153, single samples of 128 or 228
    frame.planes[2].update(colors)
    red = shrunk(planar(frame), (0, 0, 160, 120), (30, 40))[0] - means - 1.402 * 25
    assert np.abs(red[:, 1:-1]).max() <= 2.5


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_chroma_is_where_its_codec_puts_it(codec):
    """Ramps of chroma that are sited in the other way are seen half a pixel off."""
    for centered in (False, True):
        frame = stored_frame("yuv420p", SIZE_HW, color_range=LIMITED, centered=centered)
        ramp = np.zeros((60, frame.planes[1].line_size), dtype=np.uint8)
        ramp[:, :80] = np.clip(64 + 4 * np.arange(-20, 60), 0, 255)  # 0.25 samples are a level
        frame.planes[1].update(ramp)
        blue = shrunk(planar(frame, codec), (40, 0, 120, 120), (60, 40))[2].astype(float)
        y = np.frombuffer(frame.planes[0], np.uint8).reshape(120, -1)[:, 40:120]
        luma = 255 / 219 * (y.reshape(60, 2, 40, 2).mean((1, 3)) - 16)
        u = (blue - luma) / (1.772 * 255 / 224)  # from 128
        x = 40 + (np.arange(40) + 0.5) * 2
        own = 4 * ((x - 1) / 2 if codec == "mjpeg" else (x - 0.5) / 2) - 144
        inner = (blue > 0) & (blue < 255)
        assert np.abs((u - own)[inner].mean()) < 0.2  # the other place is one away


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_turned_frames_are_cut_where_they_are_shown(turns, mirrored):
    frame = planar(stored_frame("yuv420p", SIZE_HW), orientation=Orientation(mirrored, turns))
    height, width = frame.size_hw
    for box in [(3, 5, 90, 101), (11, 0, width, height)]:
        expected = np.empty((3, 24, 32), np.uint8)
        crop_frame(SourceFrame(frame.image), box, expected)
        fresh = planar(frame._frame, orientation=frame._orientation)
        np.testing.assert_array_equal(
            fresh.part(box), frame.image[box[1] : box[3], box[0] : box[2]]
        )
        error = shrunk(fresh, box, (24, 32)).astype(int) - expected
        assert np.abs(error).max() <= 5  # the colors range over 120; the reference itself errs by 4
        assert np.abs(error).mean() <= 1.5


BEYOND = [(-20, -31, 100, 110), (3, -40, 181, 130), (101, 61, 230, 200), (-300, -301, 400, 400)]
FILL = 124, 116, 104


def seen_alone(start: int, end: int, size: int, source: int) -> tuple[np.ndarray, np.ndarray]:
    """Of a box beyond a frame, in one direction: results of the frame alone, and of beyond it."""
    edges = start + np.arange(size + 1) * (end - start) / size
    inner = (edges[:-1] >= 2) & (edges[1:] <= source - 2)
    return inner, (edges[1:] <= 0) | (edges[:-1] >= source)


@pytest.mark.parametrize(
    ("name", "colorspace", "color_range", "codec"),
    cover_pairs(FORMATS, (2, 9), (LIMITED, FULL), ("", "mjpeg")),
)
def test_boxes_beyond_the_frame_are_filled_with_a_color(name, colorspace, color_range, codec):
    color_range = FULL if name.startswith("yuvj") else color_range
    colors = {"colorspace": colorspace, "color_range": color_range}
    frame = planar(stored_frame(name, SIZE_HW, **colors, centered=codec == "mjpeg"), codec)
    for box in BEYOND:
        out = np.zeros((3, 31, 28), dtype=np.uint8)
        assert frame.shrink(box, out, FILL)
        expected = np.empty_like(out)
        crop_frame(SourceFrame(frame.image), box, expected, fill=FILL)
        error = np.abs(out.astype(int) - expected)
        across, left_or_right = seen_alone(box[0], box[2], 28, SIZE_HW[1])
        down, over_or_under = seen_alone(box[1], box[3], 31, SIZE_HW[0])
        assert error[:, over_or_under].sum() == error[:, :, left_or_right].sum() == 0
        assert error[:, down][:, :, across].max(initial=0) <= 4  # as the reference errs by itself
        # between a sample of chroma in the frame and one beyond it
        assert error.max() <= (2 if name.startswith("yuv444") else 20)


@pytest.mark.parametrize(("mirrored", "turns"), [(True, 0), (False, 1), (True, 3)])
def test_turned_frames_are_filled_where_they_are_shown(mirrored, turns):
    frame = planar(stored_frame("yuv444p", SIZE_HW), orientation=Orientation(mirrored, turns))
    for box in BEYOND:
        out, expected = (np.empty((3, 24, 32), np.uint8) for _ in range(2))
        assert frame.shrink(box, out, FILL)
        crop_frame(SourceFrame(frame.image), box, expected, fill=FILL)
        assert np.abs(out.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("start", [None, 0.4])
@pytest.mark.parametrize(
    "name", ["h264_b.mp4", "mpeg4.avi", "turned_1.mp4", "odd.mp4", "transport.ts"]
)
def test_frames_of_files_are_cut_like_their_images(name, start, clip_folder):
    wanted = [0, 7, 30]
    seen: list[int] = []
    with open_video(clip_folder / name, start_seconds=start) as video:
        images = video.read_images(wanted)
        height, width = video.size_hw

        def visit(place: int, frame: SourceFrame) -> None:
            own, expected = np.empty((2, 3, 12, 16), dtype=np.uint8)
            box = (3, 1, width, height - 2)
            for mirror in (False, True):
                crop_frame(frame, box, own, mirror=mirror)
                crop_frame(SourceFrame(images[place]), box, expected, mirror=mirror)
                assert np.abs(own.astype(int) - expected).mean() < 2.5
            np.testing.assert_array_equal(frame.image, images[place])
            seen.append(place)

        video.visit_frames(wanted, visit)
    assert seen == [0, 1, 2]
