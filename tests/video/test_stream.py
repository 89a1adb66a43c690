import warnings

import numpy as np
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.pyav import PyAVReader
from stn_action.video.reader import VideoError, VideoReader
from tests.video.clips import CLIPS, Clip, checksum, checksums, number_shown

EXACT_BACKENDS = ["pyav", "opencv"]
by_clip = pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)


def check(video: VideoReader, expected: list[int], every: int) -> None:
    indices = []
    for index, image, _ in video.stream(every):
        assert checksum(image) == expected[index], f"{video.backend}: frame {index} is another"
        assert image.shape == (*video.size_hw, 3)
        indices.append(index)
    assert indices == list(range(0, len(expected), every))


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@by_clip
def test_a_stream_gives_every_nth_frame_of_decoding_from_the_start(
    clip: Clip, backend, every, clip_folder
):
    expected = checksums(clip_folder / clip.name, clip.quarter_turns)
    with open_video(clip_folder / clip.name, backend) as video:
        check(video, expected, every)
        assert len(video) == len(expected)


@by_clip
def test_a_stream_decodes_once_and_then_knows_the_length(clip: Clip, clip_folder):
    with PyAVReader(clip_folder / clip.name) as video:
        for _ in video.stream(100):
            pass
        decoded = video.num_decoded
        assert len(video) == len(clip.times)
        assert video.num_decoded == decoded
        if clip.name != "h264_intra_refresh.mp4":
            assert decoded <= len(clip.times) + 1  # the first one is decoded when opening


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
def test_real_clips_stream_as_they_are_read(backend, shared):
    for path in sorted((shared / "data" / "smoke_clips").glob("*.[am][vp]*"))[::2]:
        with open_video(path, backend) as video:
            streamed = {index: checksum(image) for index, image, _ in video.stream(9)}
            images = video.read([*streamed]).data.permute(0, 2, 3, 1).numpy()
            assert [checksum(image) for image in images] == [*streamed.values()]
            assert len(streamed) == -(-len(video) // 9)


@pytest.mark.parametrize("name", ["h264_b.mp4", "mpeg4.avi"])
def test_decord_streams_too(name, clip_folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_video(clip_folder / name, "decord") as video:
            shown = [(index, number_shown(image)) for index, image, _ in video.stream(7)]
    assert shown == [(index, index) for index in range(0, 60, 7)]


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@pytest.mark.parametrize("name", ["h264_open_gop.mp4", "mpeg4_b.avi", "h264_raw.h264"])
def test_reading_between_does_not_disturb_a_stream(name, backend, clip_folder):
    expected = checksums(clip_folder / name)
    elsewhere = np.random.default_rng(0).permutation(60)
    with open_video(clip_folder / name, backend) as video:
        for index, image, _ in video.stream(5):
            assert checksum(image) == expected[index]
            other = int(elsewhere[index])
            read = video.read([other]).data[0].permute(1, 2, 0).numpy()
            assert checksum(read) == expected[other]


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
def test_a_streamed_image_belongs_to_the_caller(backend, clip_folder):
    expected = checksums(clip_folder / "mpeg4.avi")
    with open_video(clip_folder / "mpeg4.avi", backend) as video:
        for index, image, _ in video.stream(59):
            image[:] = 0
            assert checksum(video.read([index]).data[0].permute(1, 2, 0).numpy()) == expected[index]


def test_times_are_the_files_where_its_packets_tell_them(clip_folder):
    uneven = next(clip for clip in CLIPS if clip.name == "uneven.mp4")
    with PyAVReader(clip_folder / "uneven.mp4") as video:
        seconds = [second for _, _, second in video.stream()]
    np.testing.assert_allclose(seconds, uneven.seconds, atol=1e-3)


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
def test_other_times_are_equally_spaced(backend, clip_folder):
    with open_video(clip_folder / "mpeg4_b.avi", backend) as video:
        seconds = [second for _, _, second in video.stream(20)]
    np.testing.assert_allclose(seconds, [0, 0.8, 1.6], atol=1e-3)


@pytest.mark.parametrize("share", [0.6, 0.97])
@pytest.mark.parametrize("name", ["h264_b.mp4", "h264_open_gop.mkv", "mpeg4.avi", "mpeg4_b.avi"])
def test_a_cut_video_streams_the_frames_that_are_left(name, share, clip_folder, tmp_path):
    path = tmp_path / name
    whole = (clip_folder / name).read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    expected = checksums(path)
    with open_video(path) as video:
        check(video, expected, 1)
        assert len(video) == len(expected)


@pytest.mark.parametrize("backend", [*EXACT_BACKENDS, "decord"])
def test_a_stream_of_a_closed_reader_says_so(backend, clip_folder):
    with open_video(clip_folder / "h264_b.mp4", backend) as video:
        stream = video.stream()
        next(stream)
    with pytest.raises(VideoError, match=r"the reader is closed"):
        next(stream)


def test_a_step_below_one_is_refused_before_anything_is_decoded(clip_folder):
    with (
        open_video(clip_folder / "h264_b.mp4") as video,
        pytest.raises(ValueError, match=r"every must be at least 1, got 0"),
    ):
        video.stream(0)
