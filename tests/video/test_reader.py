import doctest
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action.errors import InputError
from stn_action.video import reader
from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoError
from tests.video.clips import CLIPS, Clip, checksum, checksums, decode_all, number_shown

SUFFIXES = {".avi", ".mp4"}
EXACT_BACKENDS = ["pyav", "opencv"]


def by_name(clips=CLIPS):
    return pytest.mark.parametrize("clip", clips, ids=lambda clip: clip.name)


def check(video: reader.VideoReader, expected: list[int], indices) -> None:
    wanted = [int(i) for i in indices]
    got = [checksum(image) for image in video.read(wanted).data.permute(0, 2, 3, 1).numpy()]
    wrong = [i for i, found in zip(wanted, got, strict=True) if found != expected[i]]
    assert not wrong, f"{video.path.name}: {video.backend} gives other frames for {wrong}"


def real_clips(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)


reference = cache(checksums)


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(reader).failed == 0


@by_name()
def test_the_slow_reference_shows_the_frames_in_their_order(clip: Clip, clip_folder):
    shown = [number_shown(image) for image in decode_all(clip_folder / clip.name)]
    assert shown == list(range(len(clip.times)))


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@by_name()
def test_random_access_equals_decoding_from_the_start(clip: Clip, backend, clip_folder):
    expected = checksums(clip_folder / clip.name, clip.quarter_turns)
    generator = np.random.default_rng(0)
    with open_video(clip_folder / clip.name, backend) as video:
        assert len(video) == len(expected) == len(clip.times)
        check(video, expected, generator.permutation(len(video)))
        for _ in range(6):
            check(video, expected, generator.integers(0, len(video), 5))
        check(video, expected, [len(video) - 1])
        check(video, expected, [0])


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@by_name()
def test_frames_know_when_and_how_they_are_shown(clip: Clip, backend, clip_folder):
    with open_video(clip_folder / clip.name, backend) as video:
        seconds = video.read(range(len(video))).seconds.numpy()
        size_hw = clip.size_hw[::-1] if clip.quarter_turns % 2 else clip.size_hw
        assert video.size_hw == size_hw
        assert video.read([0]).size_hw == size_hw
        assert video.fps == pytest.approx(25, rel=0.2 if "uneven" in clip.name else 1e-3)
    np.testing.assert_allclose(seconds, clip.seconds, atol=1e-3)


@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@pytest.mark.parametrize(("folder", "count"), [("smoke_clips", 16), ("ut_interaction_set1", 60)])
def test_real_clips_are_read_exactly(folder, count, backend, shared):
    clips = real_clips(shared / "data" / folder)
    assert len(clips) == count
    generator = np.random.default_rng(0)
    for path in clips[:: count // 12]:  # the slow test below reads every frame of all
        expected = reference(path)
        last = len(expected) - 1
        with open_video(path, backend) as video:
            assert len(video) == len(expected)
            check(video, expected, [*generator.integers(0, last, 8), last, 0])
            check(video, expected, [last // 3])


@pytest.mark.slow
@pytest.mark.parametrize("backend", EXACT_BACKENDS)
@pytest.mark.parametrize("folder", ["smoke_clips", "ut_interaction_set1"])
def test_every_frame_of_every_real_clip_is_read_exactly(folder, backend, shared):
    generator = np.random.default_rng(1)
    for path in real_clips(shared / "data" / folder):
        expected = reference(path)
        with open_video(path, backend) as video:
            for indices in np.array_split(generator.permutation(len(video)), len(video) // 4):
                check(video, expected, indices)


@pytest.mark.parametrize("folder", ["smoke_clips", "ut_interaction_set1"])
def test_real_clips_open_with_the_default(folder, shared):
    for path in real_clips(shared / "data" / folder)[::4]:
        with open_video(path) as video:
            assert video.backend == "pyav"
            assert video.read([0]).size_hw == video.size_hw


def test_indices_may_be_a_tensor_a_range_or_empty(clip_folder):
    with open_video(clip_folder / "h264_b.mp4") as video:
        tensor = video.read(torch.tensor([3, 1]))
        assert torch.equal(tensor.data, video.read(range(3, 0, -2)).data)
        assert video.read([]).data.shape == (0, 3, 48, 64)


@pytest.mark.parametrize("backend", [*EXACT_BACKENDS, "decord"])
@pytest.mark.parametrize("index", [60, -1])
def test_an_index_outside_the_video_is_refused(backend, index, clip_folder):
    path = clip_folder / "h264_b.mp4"
    message = rf"h264_b.mp4: frame {index} .* has 60 frames"
    with open_video(path, backend) as video, pytest.raises(VideoError, match=message):
        video.read([0, index])


def test_an_index_that_is_no_whole_number_is_refused(clip_folder):
    path = clip_folder / "h264_b.mp4"
    with open_video(path) as video, pytest.raises(TypeError, match="float"):
        video.read([0.5])


@pytest.mark.parametrize("backend", ["auto", *EXACT_BACKENDS, "decord"])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.mp4", None, "missing.mp4: no such video file"),
        ("empty.mp4", b"", r"empty.mp4: the video file is empty \(0 bytes\)"),
        ("text.mp4", b"this is not a video\n" * 50, "text.mp4: .*(not a readable|no backend)"),
    ],
)
def test_files_that_are_no_videos_are_named(backend, name, content, message, tmp_path, capfd):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=message):
        open_video(tmp_path / name, backend)
    assert capfd.readouterr() == ("", "")


def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="is not a file"):
        open_video(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("backend", ["auto", *EXACT_BACKENDS])
def test_a_file_cut_before_its_table_of_contents_is_named(backend, clip_folder, tmp_path):
    whole = (clip_folder / "h264_b.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: whole.index(b"moov") + 200])
    with pytest.raises(
        VideoError, match=r"cut.mp4: .*(not a readable|no backend|no video stream|no frame)"
    ):
        open_video(tmp_path / "cut.mp4", backend)


@pytest.mark.parametrize("share", [0.6, 0.75, 0.97])
@pytest.mark.parametrize("name", ["h264_b.mp4", "h264_open_gop.mkv", "mpeg4.avi", "mpeg4_b.avi"])
def test_a_cut_video_gives_the_frames_that_are_left(name, share, clip_folder, tmp_path):
    whole = (clip_folder / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(len(whole) * share)])
    expected = checksums(path)
    assert 0 < len(expected) < 60 or share == 0.97
    with open_video(path) as video:
        check(video, expected, np.random.default_rng(0).integers(0, len(expected), 8))
        assert len(video) == len(expected)
        check(video, expected, range(len(expected)))
        with pytest.raises(VideoError, match=f"frame 60 .* has {len(expected)} frames"):
            video.read([60])


def test_a_wrong_backend_lists_the_right_ones(clip_folder):
    with pytest.raises(InputError, match="must be one of auto, pyav, opencv, decord; got 'ffmpeg'"):
        open_video(clip_folder / "h264_b.mp4", "ffmpeg")


@pytest.fixture
def without_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "stn_action.video.pyav", raising=False)


@pytest.mark.usefixtures("without_pyav")
def test_a_backend_that_is_not_installed_says_how_to_get_it(clip_folder):
    with pytest.raises(
        InputError,
        match=r"backend pyav: av is not installed: pip install 'stn_action\[video\]'; or choose",
    ):
        open_video(clip_folder / "h264_b.mp4", "pyav")


@pytest.mark.usefixtures("without_pyav")
def test_the_default_falls_back_to_the_next_backend(clip_folder):
    with open_video(clip_folder / "mpeg4_b.avi") as video:
        assert video.backend == "opencv"
        assert number_shown(video.read([17]).data[0].permute(1, 2, 0).numpy()) == 17


@pytest.mark.parametrize("backend", [*EXACT_BACKENDS, "decord"])
def test_a_closed_reader_says_so(backend, clip_folder):
    with open_video(clip_folder / "h264_b.mp4", backend) as video:
        pass
    video.close()
    with pytest.raises(VideoError, match="the reader is closed"):
        video.read([0])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("backend", [*EXACT_BACKENDS, "decord"])
def test_a_closed_reader_keeps_no_file_open(backend, clip_folder, tmp_path):
    readers = []
    for name in ["h264_b.mp4", "mpeg4.avi"] * 5:
        readers.append(open_video(clip_folder / name, backend))
        readers[-1].read([30, 2])
        readers[-1].close()
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match="not a readable"):
        open_video(tmp_path / "text.mp4", backend)
    targets = [link.resolve() for link in Path("/proc/self/fd").iterdir()]
    assert not [target for target in targets if target.parent in {clip_folder, tmp_path}]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs /proc")
@pytest.mark.parametrize("backend", EXACT_BACKENDS)
def test_memory_stays_flat_over_many_opens(backend, clip_folder):
    def resident_megabytes() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def open_often(times: int) -> float:
        for number in range(times):
            name = ["h264_b.mp4", "mpeg4_b.avi", "h264_open_gop.mkv"][number % 3]
            with open_video(clip_folder / name, backend) as video:
                video.read([50, 10, 30])
        return resident_megabytes()

    warm = open_often(100)
    assert open_often(1500) - warm < 20
