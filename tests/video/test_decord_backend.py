import warnings

import numpy as np
import pytest

from stn_action.video.backend_table import open_video
from stn_action.video.reader import VideoError
from tests.video.clips import CLIPS, Clip, decode_all, write_clip

pytest.importorskip("decord", reason="decord has no wheel for this machine")


def clips_where(decord: str):
    chosen = [clip for clip in CLIPS if clip.decord == decord]
    return pytest.mark.parametrize("clip", chosen, ids=lambda clip: clip.name)


@clips_where("exact")
def test_files_without_a_warning_are_read_exactly(clip: Clip, clip_folder):
    path = clip_folder / clip.name
    expected = [np.rot90(p, clip.quarter_turns).astype(int) for p in decode_all(path)]
    indices = np.random.default_rng(0).permutation(len(expected))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_video(path, "decord") as video:
            assert len(video) == len(expected)
            frames = video.read(indices)
    # decord converts the colors of odd sizes by nearest neighbors
    tolerance = 40 if clip.name == "odd.avi" else 2
    for index, image in zip(indices, frames.data.permute(0, 2, 3, 1).numpy(), strict=True):
        assert np.abs(image - expected[index]).max() <= tolerance
    np.testing.assert_allclose(frames.seconds.numpy(), clip.seconds[indices], atol=1e-3)


@clips_where("refused")
def test_files_that_decord_reads_wrongly_are_refused(clip: Clip, clip_folder):
    message = rf"{clip.name}: decord cannot tell the order.*; use data.reader=pyav or opencv"
    with pytest.raises(VideoError, match=message):
        open_video(clip_folder / clip.name, "decord")


@clips_where("fails")
def test_raw_streams_are_refused(clip: Clip, clip_folder, capfd):
    with pytest.raises(VideoError, match=f"{clip.name}: decord cannot tell the order"):
        open_video(clip_folder / clip.name, "decord")
    assert capfd.readouterr() == ("", "")


def test_real_clips_with_b_frames_are_refused(shared):
    path = shared / "data" / "ut_interaction_set1" / "1_1_2.avi"
    with pytest.raises(VideoError, match=r"1_1_2.avi.*AVI with B-frames"):
        open_video(path, "decord")


def test_narrow_turned_videos_are_refused(tmp_path):
    path = write_clip(tmp_path, Clip("narrow.mp4", size_hw=(48, 64), quarter_turns=1))
    message = r"narrow.mp4: decord cannot turn frames that are so narrow; use data.reader=pyav"
    with pytest.raises(VideoError, match=message):
        open_video(path, "decord")
