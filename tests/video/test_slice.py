"""Slices of files, against reading the whole file and keeping the frames of the span."""

import math
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from stn_action.errors import InputError
from stn_action.video.backend_table import open_video
from stn_action.video.pyav import PyAVReader
from stn_action.video.reader import VideoError, VideoReader
from stn_action.video.slice import SliceReader
from tests.video.clips import CLIPS, Clip, checksum, number_shown, write_clip

LONG = [clip for clip in CLIPS if len(clip.times) == 60]
EXACT_BACKENDS = ["pyav", "opencv"]
READ = [
    (clip, backend)
    for clip in LONG
    for backend in [*EXACT_BACKENDS, *(["decord"] if clip.decord == "exact" else [])]
]
SAME = [
    (clip, backend)
    for clip, backend in READ  # decord takes its false keyframes for true ones
    if (clip.name, backend) != ("h264_intra_refresh.mp4", "decord")
]


def by_clip_and_backend(pairs):
    ids = [f"{clip.name}-{backend}" for clip, backend in pairs]
    return pytest.mark.parametrize(("clip", "backend"), pairs, ids=ids)


@contextmanager
def opened(path: Path, backend: str, start: float | None, end: float | None, **settings):
    with open_video(path, backend, start_seconds=start, end_seconds=end, **settings) as video:
        assert isinstance(video, SliceReader)
        yield video


@cache
def whole(path: Path, backend: str) -> tuple[list[int], np.ndarray]:
    """Checksum and time of every frame of a file, read from its start."""
    with open_video(path, backend) as video:
        frames = video.read(range(len(video)))
    return [checksum(p) for p in frames.data.permute(0, 2, 3, 1).numpy()], frames.seconds.numpy()


def kept(seconds: np.ndarray, start: float, end: float) -> list[int]:
    """The slow obvious reference: numbers of the frames shown from `start` to before `end`."""
    return [i for i, t in enumerate(seconds.tolist()) if start <= round(t, 5) < end]


def read_checksums(video: VideoReader, indices: Sequence[int]) -> list[int]:
    return [checksum(image) for image in video.read_images(indices)]


@by_clip_and_backend(SAME)
def test_a_slice_reads_as_the_whole_file_cut_at_both_ends(clip: Clip, backend, clip_folder):
    path = clip_folder / clip.name
    images, seconds = whole(path, backend)
    times = clip.seconds.tolist()
    generator = np.random.default_rng(0)
    for start, end in [(times[13], times[41]), (0.5, 1.01), (times[52], 99.0)]:
        numbers = kept(clip.seconds, start, end)
        with opened(path, backend, start, end) as video:
            assert video.file_frames == range(numbers[0], numbers[-1] + 1)
            assert len(video) == len(numbers)
            for _ in range(2):
                indices = generator.integers(0, len(video), 5).tolist()
                frames = video.read(indices)
                found = [checksum(p) for p in frames.data.permute(0, 2, 3, 1).numpy()]
                assert found == [images[numbers[i]] for i in indices]
                expected = [seconds[numbers[i]] - seconds[numbers[0]] for i in indices]
                np.testing.assert_allclose(frames.seconds, expected, atol=1e-9)
                assert frames.size_hw == video.size_hw
            edges = [0, len(video) - 1]
            assert read_checksums(video, edges) == [images[numbers[i]] for i in edges]


@by_clip_and_backend(SAME)
def test_the_numbers_in_the_images_are_those_of_the_span(clip: Clip, backend, clip_folder):
    start, end = clip.seconds[20], clip.seconds[23]
    with opened(clip_folder / clip.name, backend, start, end) as video:
        upright = [np.rot90(p, -clip.quarter_turns) for p in video.read_images(range(len(video)))]
    assert [number_shown(image) for image in upright] == [20, 21, 22]


@pytest.mark.parametrize("every", [1, 7])
@by_clip_and_backend(SAME)
def test_a_slice_streams_as_it_is_read(clip: Clip, backend, every, clip_folder):
    path = clip_folder / clip.name
    images, _ = whole(path, backend)
    with opened(path, backend, clip.seconds[21], clip.seconds[52]) as video:
        streamed = {index: (checksum(p), second) for index, p, second in video.stream(every)}
        assert [*streamed] == [*range(0, 31, every)]
        seconds = video.read([*streamed]).seconds.tolist()
    for (index, (found, second)), expected in zip(streamed.items(), seconds, strict=True):
        assert found == images[21 + index]
        assert second == expected


@by_clip_and_backend(READ)
def test_slices_that_touch_share_the_frames_of_the_file_out(clip: Clip, backend, clip_folder):
    bounds = [None, 0.32, 0.321, 1.0, 1.72, None]
    found = []
    for start, end in pairwise(bounds):
        try:
            with opened(clip_folder / clip.name, backend, start, end) as video:
                found += [*video.file_frames]
        except VideoError:
            assert (start, end) == (0.32, 0.321)  # a file with uneven times shows none there
    assert found == [*range(60)]


@pytest.mark.parametrize(
    "clip", [clip for clip in LONG if clip.seekable], ids=lambda clip: clip.name
)
def test_a_late_slice_is_reached_by_seeking(clip: Clip, clip_folder):
    start, end = clip.seconds[50], clip.seconds[55]
    for read in (lambda video: video.read(range(5)), lambda video: [*video.stream()]):
        with opened(clip_folder / clip.name, "pyav", start, end) as video:
            read(video)
            assert isinstance(video.video, PyAVReader)
            # a group of 12 or, in open ones, two; and the last group, where it tells the length
            assert video.video.num_decoded <= 40


def test_a_slice_of_an_indexed_file_opens_without_decoding(clip_folder):
    with opened(clip_folder / "h264_b.mp4", "pyav", 0.5, 1.0) as video:
        assert isinstance(video.video, PyAVReader)
        assert video.video.num_decoded == 0


def test_reading_between_does_not_disturb_the_stream_of_a_slice(clip_folder):
    for name in ("h264_open_gop.mp4", "mpeg4_b.avi"):
        images, _ = whole(clip_folder / name, "pyav")
        with opened(clip_folder / name, "pyav", 0.8, 2.0) as video:
            for index, image, _ in video.stream(4):
                assert checksum(image) == images[20 + index]
                assert read_checksums(video, [29 - index]) == [images[49 - index]]


def test_one_bound_is_enough_and_none_is_the_whole_file(clip_folder):
    path = clip_folder / "h264_b.mp4"
    with opened(path, "auto", None, 0.4) as video:
        assert video.file_frames == range(10)
    with opened(path, "auto", 2.2, None) as video:
        assert video.file_frames == range(55, 60)
    for start in (None, 0, 0.0):
        with open_video(path, start_seconds=start, num_frames=60) as video:
            assert not isinstance(video, SliceReader)


def test_rate_size_and_path_are_those_of_the_file(clip_folder):
    with opened(clip_folder / "turned_1.mp4", "pyav", 1.0, 2.0) as video:
        assert video.size_hw == (98, 62)
        assert video.fps == 25
        assert video.path == clip_folder / "turned_1.mp4"
        assert video.backend == "pyav"
        assert video.seconds_at(3) == pytest.approx(0.12)


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@pytest.mark.parametrize(
    ("start", "end"), [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (0.0, math.nan)]
)
def test_a_span_without_length_is_refused(backend, start, end, clip_folder):
    with pytest.raises(
        VideoError,
        match=rf"h264_b.mp4: expected a slice with 0 <= start_seconds < end_seconds, got "
        rf"start_seconds {start} and end_seconds {end}; correct the video's entry",
    ):
        open_video(clip_folder / "h264_b.mp4", backend, start_seconds=start, end_seconds=end)


@pytest.mark.parametrize("backend", [*EXACT_BACKENDS, "decord"])
@pytest.mark.parametrize(
    ("start", "end", "told"),
    [(0.41, 0.43, "0.41 s to 0.43 s"), (7, 8, "7 s to 8 s"), (2.4, None, "2.4 s to the end")],
)
def test_a_slice_without_frames_is_refused(backend, start, end, told, clip_folder):
    message = (
        rf"h264_b.mp4: no frame is shown from {told}, expected a slice of its 60 frames, shown "
        r"from 0 to 2.36 s; correct start_seconds and end_seconds"
    )
    with pytest.raises(VideoError, match=message):
        open_video(clip_folder / "h264_b.mp4", backend, start_seconds=start, end_seconds=end)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_refused_slice_leaves_no_file_open(clip_folder):
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        with pytest.raises(InputError, match="no frame is shown"):
            open_video(clip_folder / "h264_b.mp4", start_seconds=9)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


@pytest.mark.parametrize("backend", [*EXACT_BACKENDS, "decord"])
def test_an_index_outside_the_slice_is_refused(backend, clip_folder):
    message = r"h264_b.mp4: frame 10 does not exist: the slice has 10 frames"
    with opened(clip_folder / "h264_b.mp4", backend, 0.4, 0.8) as video:
        with pytest.raises(VideoError, match=message):
            video.read([0, 10])
        with pytest.raises(VideoError, match=r"frame -1 does not exist"):
            video.read_images([-1])
        assert video.read([]).data.shape == (0, 3, 48, 64)


@pytest.mark.parametrize("name", ["h264_b.mp4", "mpeg4_b.avi"])
def test_a_given_length_is_that_of_the_slice(name, clip_folder):
    with opened(clip_folder / name, "pyav", 0.4, 0.8, num_frames=10) as video:
        assert len(video) == 10
    with pytest.raises(VideoError, match=r"the slice has 10 frames that can be decoded, not 60"):
        open_video(clip_folder / name, start_seconds=0.4, end_seconds=0.8, num_frames=60)


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
def test_a_closed_slice_says_so(backend, clip_folder):
    with opened(clip_folder / "h264_b.mp4", backend, 0.4, 0.8) as video:
        stream = video.stream()
        next(stream)
    with pytest.raises(VideoError, match=r"the reader is closed"):
        video.read([0])
    with pytest.raises(VideoError, match=r"the reader is closed"):
        next(stream)


@pytest.fixture
def damaged(tmp_path) -> Path:
    """A file with two damaged places, frames 16 and 40 in decoding order and what needs them."""
    pyramid = "keyint=20:min-keyint=20:scenecut=0:bframes=3:b-adapt=0"
    path = write_clip(tmp_path, Clip("damaged.mp4", options={"x264-params": pyramid}))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for broken in (packets[5], packets[45]):
        data[broken.pos : broken.pos + broken.size] = b"\xff" * broken.size
    path.write_bytes(data)
    return path


def decoded(path: Path) -> list[tuple[int, float]]:
    """Checksum and time of what a plain decode from the start gives."""
    frames = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        for packet in container.demux(stream):
            try:
                frames += stream.decode(packet if packet.size else None)
            except av.error.InvalidDataError:
                continue
    images = [frame.to_ndarray(format="rgb24", interpolation="BICUBIC") for frame in frames]
    times = [float(frame.pts * base) for frame in frames]
    return [*zip(map(checksum, images), times, strict=True)]


@pytest.mark.parametrize(
    ("start", "end"), [(None, 1.0), (0.2, 2.2), (0.4, None), (1.2, 2.2), (1.6, None), (1.8, 2.2)]
)
def test_a_slice_of_a_damaged_file_gives_the_frames_left_in_its_span(start, end, damaged):
    frames = decoded(damaged)
    assert 40 < len(frames) < 60
    left = [found for found, time in frames if (start or 0) <= time < (end or math.inf)]
    with opened(damaged, "pyav", start, end) as video:
        assert [checksum(image) for _, image, _ in video.stream()] == left
        assert len(video) == len(left)
    with opened(damaged, "pyav", start, end) as video:
        assert read_checksums(video, range(len(left))) == left


@pytest.mark.parametrize("name", ["h264_b.mp4", "h264_open_gop.mkv", "mpeg4.avi", "mpeg4_b.avi"])
def test_a_slice_of_a_cut_file_ends_where_the_file_does(name, clip_folder, tmp_path):
    path = tmp_path / name
    data = (clip_folder / name).read_bytes()
    path.write_bytes(data[: int(len(data) * 0.75)])
    images, seconds = whole(path, "pyav")
    numbers = kept(seconds, 0.8, math.inf)
    with opened(path, "pyav", 0.8, 99.0) as video:
        assert read_checksums(video, range(len(video))) == [images[i] for i in numbers]


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
def test_real_clips_are_sliced_exactly(backend, shared):
    folder = shared / "data/smoke_clips"
    for path in (folder / "yowov2_v_Basketball_g01_c02.mp4", folder / "v_Basketball_g01_c01.avi"):
        images, seconds = whole(path, backend)
        numbers = kept(seconds, 0.5, 1.5)
        with opened(path, backend, 0.5, 1.5) as video:
            assert video.file_frames == range(numbers[0], numbers[-1] + 1)
            indices = [*range(0, len(video), 7), len(video) - 1]
            assert read_checksums(video, indices) == [images[numbers[i]] for i in indices]


@pytest.mark.parametrize(
    ("start", "end", "frames"), [(0.2, None, 48), (None, 1.0, 17), (0.1, 0.5, 2), (1.0, 2.0, 25)]
)
def test_slices_of_a_damaged_file_have_the_length_that_a_pass_gives(start, end, frames, shared):
    path = shared / "cases" / "damaged_middle" / "damaged_mid.mp4"
    with open_video(path, start_seconds=start, end_seconds=end) as video:
        streamed = [checksum(image) for _, image, _ in video.stream()]
        assert len(streamed) == len(video) == frames
    with open_video(path, num_frames=frames, start_seconds=start, end_seconds=end) as video:
        assert [checksum(image) for image in video.read_images([frames - 1, 0])] == [
            streamed[-1], streamed[0],
        ]  # fmt: skip
    with pytest.raises(VideoError, match=rf"the slice has {frames} frames .* not {frames + 9}"):
        open_video(path, num_frames=frames + 9, start_seconds=start, end_seconds=end)
