"""The number of frames, given by a caller who knows it."""

import av
import numpy as np
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.pyav import PyAVReader
from stn_action.video.reader import VideoError
from tests.video.clips import CLIPS, Clip, checksum, checksums

UNCOUNTED = ["mpeg4_b.avi", "h264_b.avi", "mpeg4_raw.mp4", "h264_raw.h264", "transport.ts"]
BACKENDS = ["pyav", "opencv"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_a_known_length_changes_no_image(clip: Clip, backend, clip_folder):
    path = clip_folder / clip.name
    expected = checksums(path, clip.quarter_turns)
    indices = np.random.default_rng(0).permutation(len(expected))[:9].tolist()
    with open_video(path, backend, num_frames=len(expected)) as video:
        assert len(video) == len(expected)
        images = video.read(indices).data.permute(0, 2, 3, 1).numpy()
        assert [checksum(image) for image in images] == [expected[i] for i in indices]
        assert sum(1 for _ in video.stream()) == len(expected)


@pytest.mark.parametrize("name", UNCOUNTED)
def test_a_known_length_spares_the_counting(name, clip_folder):
    with PyAVReader(clip_folder / name, num_frames=60) as video:
        video.read([10, 4])
        assert len(video) == 60
        assert video.num_decoded <= 14


@pytest.mark.parametrize("backend", BACKENDS)
def test_times_are_equally_spaced_until_the_end_was_seen(backend, clip_folder):
    with open_video(clip_folder / "mpeg4_b.avi", backend, num_frames=60) as video:
        np.testing.assert_allclose(video.read([0, 25, 50]).seconds, [0, 1, 2], atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [*UNCOUNTED, "h264_b.mp4", "h264_open_gop.mkv", "mpeg4.avi"])
def test_a_length_that_is_too_large_ends_in_an_error(name, backend, clip_folder):
    message = rf"{name}: the video has 60 frames that can be decoded, not 70 as given"
    with open_video(clip_folder / name, backend, num_frames=70) as video:
        with pytest.raises(VideoError, match=message):
            video.read([3, 65])
        with pytest.raises(VideoError, match=message):
            [*video.stream(7)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", UNCOUNTED)
def test_a_length_that_is_too_small_is_noticed_by_a_stream(name, backend, clip_folder):
    with open_video(clip_folder / name, backend, num_frames=50) as video:
        with pytest.raises(VideoError, match=r"frame 50 does not exist: the video has 50 frames"):
            video.read([50])
        with pytest.raises(VideoError, match=r"has 60 frames that can be decoded, not 50"):
            [*video.stream()]


@pytest.mark.parametrize("given", [59, 61])
def test_a_container_that_counts_other_frames_refutes_a_wrong_number(given, clip_folder):
    for use in (len, lambda video: video.read([0]), lambda video: [*video.stream()]):
        with (
            open_video(clip_folder / "h264_b.mp4", num_frames=given) as video,
            pytest.raises(VideoError, match=rf"has 60 frames that can be decoded, not {given}"),
        ):
            use(video)


def test_a_file_that_counts_other_frames_than_a_pass_is_read_forwards(clip_folder, tmp_path):
    path = tmp_path / "damaged.mp4"
    data = bytearray((clip_folder / "h264_b.mp4").read_bytes())
    with av.open(str(clip_folder / "h264_b.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for packet in packets[20:28]:
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    expected = checksums(path)
    assert len(expected) == 50  # some need those that are lost
    for indices in ([47, 2], [49], [19, 20, 21]):
        for backend in BACKENDS:
            with open_video(path, backend, num_frames=50) as video:
                assert len(video) == 50
                images = video.read(indices).data.permute(0, 2, 3, 1).numpy()
                assert [checksum(image) for image in images] == [expected[i] for i in indices]
    with open_video(path) as video:
        assert sum(1 for _ in video.stream()) == len(video) == 50


def test_a_damaged_file_has_one_length(shared):
    path = shared / "cases" / "damaged_middle" / "damaged_mid.mp4"
    expected = checksums(path)
    for backend in BACKENDS:
        with open_video(path, backend, num_frames=52) as video:
            assert checksum(video.read_images([51])[0]) == expected[51]
            assert sum(1 for _ in video.stream()) == len(video) == len(expected) == 52


@pytest.mark.parametrize("given", [59, 61])
def test_decord_refuses_another_number_when_it_opens(given, clip_folder):
    message = rf"decord cannot count its frames, 60 of {given} that decode"
    with pytest.raises(VideoError, match=message):
        open_video(clip_folder / "h264_b.mp4", "decord", num_frames=given)


@pytest.mark.parametrize("num_frames", [0, -3])
def test_a_number_below_one_is_refused(num_frames, clip_folder):
    with pytest.raises(ValueError, match=rf"num_frames must be at least 1, got {num_frames}"):
        open_video(clip_folder / "h264_b.mp4", num_frames=num_frames)
