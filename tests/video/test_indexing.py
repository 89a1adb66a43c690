"""Known files: the frames that a complete pass gives, from the nearest keyframe on."""

import zlib
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stn_action.video.backend_table import open_video
from stn_action.video.container import demux_packets, open_container
from stn_action.video.file_index import FileIndex
from stn_action.video.indexing import FilePass
from stn_action.video.orientation import Orientation
from stn_action.video.packets import FrameIndex, Start
from stn_action.video.pyav import PyAVReader
from tests.video.clips import CLIPS, REFRESH, Clip, write_clip

STREAMS = [
    Clip("mpeg2.ts", "mpeg2video", {"bf": "2", "g": "12"}),
    Clip("mpeg2.mpg", "mpeg2video", {"bf": "2", "g": "12"}),
    Clip("mpeg4_b.m4v", "mpeg4", {"bf": "2", "g": "12"}, container="m4v"),
]
LATE = ["h264_b.mp4", "h264_b.avi", "mpeg4_b.avi", "mpeg4.avi", "h264_raw.h264", "transport.ts"]
WITHOUT_GROUPS = {"h264_intra_refresh.mp4", "one_frame.mp4"}


def index_of(path: Path) -> FileIndex:
    container, stream = open_container(path)
    with container:
        file = FilePass(container, stream)
        for packet in chain(demux_packets(container, stream, path), [None]):
            if packet is not None:
                file.add_packet(packet)
            for frame in stream.decode(packet):
                file.add_frame(frame)
        index = file.index(path)
    assert index is not None
    return FileIndex.unpacked(index.packed())


@pytest.mark.parametrize("clip", CLIPS + STREAMS, ids=lambda clip: clip.name)
def test_a_known_file_gives_the_same_frames_at_the_same_times(clip, tmp_path):
    path = write_clip(tmp_path, clip)
    index = index_of(path)
    generator = np.random.default_rng(0)
    with open_video(path) as video:
        assert sum(1 for _ in video.stream()) == len(clip.times)  # a pass settles the times
        expected = video.read(range(len(clip.times)))
        facts = video.size_hw, video.fps, len(video)
    for count in (1, 3, 8):
        wanted = generator.choice(len(clip.times), min(count, len(clip.times)), replace=False)
        with open_video(path, known=index) as video:
            assert (video.size_hw, video.fps, len(video)) == facts
            found = video.read(wanted.tolist())
        assert (found.data == expected.data[wanted]).all()
        np.testing.assert_allclose(found.seconds, expected.seconds[wanted], rtol=0, atol=1e-9)
        assert video.numbering == 0
    assert (len(index.frames.starts) > 1) == (clip.name not in WITHOUT_GROUPS)


@pytest.mark.parametrize("name", LATE)
def test_a_late_frame_takes_no_more_than_its_group(name, tmp_path):
    path = write_clip(tmp_path, next(clip for clip in CLIPS if clip.name == name))
    with PyAVReader(path, known=index_of(path)) as video:
        video.read([57])
        assert video.num_decoded <= 14


def test_an_index_of_another_content_is_noticed_and_left(tmp_path):
    dense, sparse = (
        write_clip(tmp_path, Clip(f"{gop}.mp4", "mpeg4", {"bf": "0", "g": gop}))
        for gop in ("7", "12")
    )
    with open_video(sparse) as video:
        expected = video.read([30, 58]).data
    with open_video(sparse, known=index_of(dense)) as video:
        assert (video.read([30, 58]).data == expected).all()
        assert video.numbering == 1


def test_a_start_that_gives_other_frames_is_left_out(tmp_path):
    """Of a refresh in parts, the first frames of each pass show some of what was before."""
    path = write_clip(tmp_path, Clip("refresh.mp4", options=REFRESH))
    assert [start.rank for start in index_of(path).frames.starts] == [0]


numbers = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(numbers, max_size=30))
def test_numbers_that_make_no_sense_are_refused(values):
    data = zlib.compress(np.array([1, *values], "<i8").tobytes())
    with pytest.raises(ValueError, match=r"version|together|in order"):
        FileIndex.unpacked(data)


@given(
    times=st.sets(st.integers(-(2**40), 2**40), min_size=1, max_size=40).map(sorted),
    seed=st.integers(0, 99),
)
def test_an_index_is_unpacked_as_it_was(times, seed):
    generator = np.random.default_rng(seed)
    ranks = sorted({0, *generator.integers(0, len(times), 5).tolist()})
    places = generator.integers(0, 2**40, len(ranks)).tolist()
    starts = tuple(
        Start(rank, times[rank], place) for rank, place in zip(ranks, places, strict=True)
    )
    flags = [bool(flag) for flag in generator.integers(0, 2, 5)]
    frames = FrameIndex(times, starts, *flags[:3])
    index = FileIndex(frames, 23.976, (7, 9), Orientation(flags[0], seed % 4), *flags[3:])
    found = FileIndex.unpacked(index.packed())
    assert list(found.frames.display_pts) == times
    assert found.frames.starts == starts
    assert (found.orientation, found.fps, found.size_hw) == (index.orientation, 23.976, (7, 9))
    assert [found.frames.closed_groups, found.frames.is_counted, found.frames.by_bytes] == flags[:3]
    assert [found.times_are_exact, found.data_agree] == flags[3:]
