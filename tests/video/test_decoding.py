"""What is left out on the way to the wanted frames, and that it changes no image."""

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from stn_action.video import plane_converter
from stn_action.video.pyav import PyAVReader
from tests.video.clips import CLIPS, Clip, checksum, checksums, write_clip

PYRAMID = "keyint=250:scenecut=0:bframes=7:b-adapt=0:b-pyramid=normal:ref=4"
LEAVES_OUT = [
    Clip("pyramid.mp4", options={"x264-params": PYRAMID}),
    Clip("open_pyramid.mkv", options={"x264-params": PYRAMID + ":keyint=16:open-gop=1"}),
    Clip("interlaced.mp4", options={"x264-params": PYRAMID + ":tff=1"}, size_hw=(64, 64)),
    Clip("mpeg4_b.mp4", "mpeg4", {"bf": "2", "g": "60"}),
]
by_clip = pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)


def read_checksums(video: PyAVReader, indices: list[int]) -> list[int]:
    images = video.read(indices).data.permute(0, 2, 3, 1).numpy()
    return [checksum(image) for image in images]


@pytest.fixture
def conversions(monkeypatch) -> list[int]:
    """Presentation times of the frames that were converted to RGB."""
    converted = []

    class Counting:
        def __init__(self):
            self.reformatter = VideoReformatter()

        def reformat(self, frame, **options):
            converted.append(frame.pts)
            return self.reformatter.reformat(frame, **options)

    monkeypatch.setattr(plane_converter, "VideoReformatter", Counting)
    return converted


@pytest.mark.parametrize("clip", LEAVES_OUT, ids=lambda clip: clip.name)
def test_frames_to_which_none_refers_are_left_out_and_the_others_stay_the_same(clip, tmp_path):
    path = write_clip(tmp_path, clip)
    expected = checksums(path)
    generator = np.random.default_rng(0)
    saved = 0
    for stride in (2, 3, 4, 7):
        for start in generator.integers(0, 60 - 6 * stride, 3).tolist():
            indices = [start + stride * step for step in range(7)]
            with PyAVReader(path) as video:
                assert read_checksums(video, indices) == [expected[i] for i in indices]
                start_index = video._decoder.index.start_before(start)
                saved += indices[-1] + 1 - start_index.rank > video.num_decoded
                # what was left out is there again when it is asked for
                assert read_checksums(video, [*range(60)]) == expected
    assert saved >= 6


@pytest.mark.parametrize("clip", LEAVES_OUT, ids=lambda clip: clip.name)
def test_reading_on_after_the_last_wanted_frame_needs_no_second_seek(clip, tmp_path):
    path = write_clip(tmp_path, clip)
    expected = checksums(path)
    with PyAVReader(path) as video:
        for first in range(0, 60, 6):
            indices = [first, first + 3]
            assert read_checksums(video, indices) == [expected[i] for i in indices]
        assert video.num_decoded <= 60


@pytest.mark.parametrize(
    "clip",
    [clip for clip in CLIPS if clip.name != "h264_intra_refresh.mp4"],  # read twice, see PyAVReader
    ids=lambda clip: clip.name,
)
def test_only_wanted_frames_are_converted_and_each_once(clip: Clip, clip_folder, conversions):
    wanted = [0] if len(clip.times) == 1 else [33, 7, 40, 7, 33, 59]
    with PyAVReader(clip_folder / clip.name) as video:
        assert video.size_hw
        assert len(video)
        assert not conversions
        video.read(wanted)
        assert len(conversions) == len(set(wanted))
        video.read_images(wanted)
        assert len(conversions) == 2 * len(set(wanted))


def test_a_stream_converts_only_every_nth_frame(clip_folder, conversions):
    with PyAVReader(clip_folder / "h264_b.mp4") as video:
        assert len([*video.stream(10)]) == 6
    assert len(conversions) == 6


def test_opening_a_file_that_tells_its_frames_decodes_nothing(clip_folder):
    with PyAVReader(clip_folder / "h264_b.mp4") as video:
        assert len(video) == 60
        assert video.num_decoded == 0
        video.read([0])
        assert video.size_hw == (48, 64)
        assert video.num_decoded <= 3


def test_a_damaged_frame_that_others_need_is_noticed_though_it_is_not_wanted(tmp_path):
    path = write_clip(tmp_path, LEAVES_OUT[0])
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    broken = packets[9]  # in decoding order the frame shown as number 16, then those that need it
    data = bytearray(path.read_bytes())
    data[broken.pos : broken.pos + broken.size] = b"\xff" * broken.size
    path.write_bytes(data)
    expected = checksums(path)
    assert len(expected) < 60
    with PyAVReader(path) as video:
        assert read_checksums(video, [3, 40]) == [expected[3], expected[40]]
        assert len(video) == len(expected)


@by_clip
def test_images_that_are_not_copied_are_the_same(clip: Clip, clip_folder):
    wanted = [0] if len(clip.times) == 1 else [33, 7, 7, 58]
    with PyAVReader(clip_folder / clip.name) as video:
        frames = video.read(wanted).data.permute(0, 2, 3, 1).numpy()
        images = video.read_images(wanted)
    assert len(images) == len(wanted)
    for frame, image in zip(frames, images, strict=True):
        np.testing.assert_array_equal(frame, image)
