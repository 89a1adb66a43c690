import numpy as np
import pytest
import torch

from stn_action.disk.atomic_file import WriteError
from stn_action.video.backend_table import open_video
from stn_action.video.container import packet_index
from stn_action.video.reader import VideoError
from stn_action.video.writer import write_video
from tests.video.clips import images, number_shown


def read_back(path) -> np.ndarray:
    with open_video(path) as video:
        return video.read(range(len(video))).data.permute(0, 2, 3, 1).numpy()


def test_frames_come_back_in_order_and_nearly_equal(tmp_path):
    frames = list(images(30, (48, 64)))
    write_video(tmp_path / "out.mp4", frames, fps=30000 / 1001, crf=4)
    back = read_back(tmp_path / "out.mp4")
    assert [number_shown(image) for image in back] == list(range(30))
    assert np.abs(back.astype(int) - np.stack(frames)).mean() < 4
    with open_video(tmp_path / "out.mp4") as video:
        assert video.fps == pytest.approx(30000 / 1001, abs=1e-4)


@pytest.mark.parametrize("backend", ["pyav", "opencv", "decord"])
def test_colors_survive(backend, tmp_path):
    frame = np.full((32, 32, 3), (200, 30, 60), dtype=np.uint8)
    write_video(tmp_path / "red.mp4", [frame] * 3, fps=25)
    with open_video(tmp_path / "red.mp4", backend) as video:
        color = video.read([1]).data[0, :, 16, 16]
    np.testing.assert_allclose(color.numpy(), (200, 30, 60), atol=4)


def test_tensors_with_the_channels_first_are_taken(tmp_path):
    frames = list(images(4, (48, 64)))
    tensors = [torch.from_numpy(frame).permute(2, 0, 1) for frame in frames]
    write_video(tmp_path / "arrays.mp4", frames, fps=25)
    write_video(tmp_path / "tensors.mp4", iter(tensors), fps=25)
    assert (tmp_path / "arrays.mp4").read_bytes() == (tmp_path / "tensors.mp4").read_bytes()


def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path):
    frame = np.full((31, 45, 3), 40, dtype=np.uint8)
    frame[:, -1] = 220
    write_video(tmp_path / "odd.mp4", [frame] * 2, fps=25, crf=1)
    back = read_back(tmp_path / "odd.mp4")
    assert back.shape == (2, 32, 46, 3)
    assert (back[:, :, 45] > 180).all()
    assert (back[:, :, :42] < 80).all()


def test_the_distance_of_keyframes_is_bounded(tmp_path):
    frames = list(images(40, (48, 64)))
    write_video(tmp_path / "dense.mp4", frames, fps=25, gop=8)
    ranks = [start.rank for start in packet_index(tmp_path / "dense.mp4").starts]
    assert max(np.diff([*ranks, 40])) <= 8


def test_a_lower_crf_makes_a_larger_file(tmp_path):
    frames = list(images(10, (48, 64)))
    write_video(tmp_path / "good.mp4", frames, fps=25, crf=5)
    write_video(tmp_path / "bad.mp4", frames, fps=25, crf=40)
    assert (tmp_path / "good.mp4").stat().st_size > 1.5 * (tmp_path / "bad.mp4").stat().st_size


def test_equal_frames_give_equal_files(tmp_path):
    path = tmp_path / "new" / "out.mp4"
    contents = set()
    for _ in range(10):
        write_video(path, images(30, (49, 63)), fps=25)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")

    def broken():
        yield from images(3, (48, 64))
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_video(path, broken(), fps=25)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "there are no frames to write to .*out.mp4"),
        ([np.zeros((8, 8, 3))], r"frame 0 is float64 \(8, 8, 3\)"),
        ([np.zeros((8, 8), dtype=np.uint8)], r"must be uint8 \(H, W, 3\) or \(3, H, W\)"),
        ([np.zeros((s, 8, 3), dtype=np.uint8) for s in (8, 10)], r"frame 1 is \(10, 8\)"),
    ],
)
def test_unusable_frames_are_refused(frames, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "out.mp4", frames, fps=25)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("setting", [{"fps": 0}, {"fps": 25, "crf": 52}, {"fps": 25, "gop": 0}])
def test_impossible_settings_are_refused(setting, tmp_path):
    with pytest.raises(ValueError, match=r"fps must be in \[0.001, 100000\], crf in"):
        write_video(tmp_path / "out.mp4", images(2, (48, 64)), **setting)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9999])
def test_a_full_disk_leaves_the_old_file(tmp_path, file_size_limit, share):
    path, frames = tmp_path / "a.mp4", [np.full((32, 32, 3), 9 * n, np.uint8) for n in range(20)]
    write_video(path, frames, fps=25)
    before = path.read_bytes()
    file_size_limit(int(share * len(before)))
    with pytest.raises(WriteError, match=r"a\.mp4: cannot be written \(File too large\)"):
        write_video(path, frames, fps=25)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_frames_that_the_encoder_refuses_are_named(tmp_path):
    with pytest.raises(VideoError, match=r"a\.mp4: H\.264 cannot hold such frames \(.+\)"):
        write_video(tmp_path / "a.mp4", [np.zeros((2, 17_000, 3), np.uint8)], fps=25)
    assert not any(tmp_path.iterdir())


def test_another_container_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.mp4"):
        write_video(tmp_path / "out.avi", images(2, (48, 64)), fps=25)
