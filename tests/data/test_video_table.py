import dataclasses
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action.data import video_columns
from stn_action.data.video_columns import VideoColumns
from stn_action.data.video_table import Video, VideoTable
from stn_action.video.writer import write_video

VIDEOS = [
    Video("wave/a", Path("/data/wave/a.mp4"), 3, "g1"),
    Video("", Path("x.avi"), 0, ""),
    Video("走/ä \udcff", Path("/data/走/ä \udcff.mkv"), 2**31 - 1, "group\n2"),
    Video("kick/b", Path("/data/kick/b.mp4"), 1, "g2"),
]


def test_videos_come_back_as_they_were():
    videos = VideoTable(iter(VIDEOS))
    assert len(videos) == 4
    assert list(videos) == VIDEOS
    assert [videos[index] for index in (-1, -4, 2)] == [VIDEOS[index] for index in (-1, -4, 2)]
    assert videos.targets.tolist() == [3, 0, 2**31 - 1, 1]
    assert VIDEOS[3] in videos


def test_a_slice_is_a_list_again():
    videos = VideoTable(VIDEOS)[::-2]
    assert isinstance(videos, VideoTable)
    assert list(videos) == VIDEOS[::-2]
    assert list(videos[5:]) == []


def test_a_list_may_be_empty():
    videos = VideoTable([])
    assert not videos
    assert list(videos) == []
    with pytest.raises(IndexError, match=r"index must be in \[-0, 0\), got 0"):
        videos[0]


def test_a_pickled_list_is_the_same():
    assert list(pickle.loads(pickle.dumps(VideoTable(VIDEOS)))) == VIDEOS


SLICES = [
    Video("a#0", Path("a.mp4"), (0, 2), "a", end_seconds=1.5),
    Video("a#1", Path("a.mp4"), (), "a", 1.5, 2.25),
    Video("b", Path("b.mp4"), (1,), "b"),
]


def test_the_rate_of_frames_goes_with_each_video():
    rates = [12.0, 25.0, 30.5]
    listed = [
        dataclasses.replace(video, frames_fps=fps)
        for video, fps in zip(VIDEOS, rates, strict=False)
    ]
    videos = VideoTable(listed)
    for same in (
        videos,
        videos[:1] + videos[1:],
        videos.select(range(3)),
        pickle.loads(pickle.dumps(videos)),
    ):
        assert [video.frames_fps for video in same] == rates
    assert [video.frames_fps for video in videos.with_frames_fps(12)] == [12.0] * 3
    assert list(videos) == listed


def test_slices_and_several_labels_come_back_as_they_were():
    videos = VideoTable(SLICES, num_classes=3)
    assert list(videos) == SLICES
    assert list(videos.select([2, 0, -3])) == [SLICES[2], SLICES[0], SLICES[0]]
    with pytest.raises(IndexError, match=r"index must be in \[-3, 3\), got 3"):
        videos.select([0, 3])
    assert list(videos[:1] + videos[1:]) == SLICES
    assert videos.targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert videos.targets.dtype == torch.float32
    assert [videos.target(index).tolist() for index in range(3)] == videos.targets.tolist()
    assert videos.start_seconds.nan_to_num(-1).tolist() == [-1, 1.5, -1]
    assert videos.end_seconds.nan_to_num(-1).tolist() == [1.5, 2.25, -1]


NUMBERS = [
    Video("1", Path("1.png"), (2, 0, 10), "1"),
    Video("2", Path("2.png"), (5, 10, 10), "2"),
]
"""At three positions; 10 stands for nothing."""


def test_a_class_at_each_position_comes_back_as_it_was():
    videos = VideoTable(NUMBERS, positions=3)
    assert list(videos) == NUMBERS
    assert videos.targets.tolist() == [[2, 0, 10], [5, 10, 10]]
    assert videos.targets.dtype == videos.target(0).dtype == torch.int64
    assert [videos.target(index).tolist() for index in range(2)] == videos.targets.tolist()
    for other in (videos.select([1, 0]), videos[::-1], videos[1:] + videos[:1]):
        assert (other.positions, other.targets.tolist()) == (3, [[5, 10, 10], [2, 0, 10]])
    assert VideoTable(positions=3).targets.shape == (0, 3)
    assert pickle.loads(pickle.dumps(videos)).positions == 3


def test_a_table_is_made_from_columns_without_objects():
    columns = VideoColumns()
    for some in (SLICES[:1], [], SLICES[1:]):
        columns.extend(
            [video.name for video in some],
            [str(video.path) for video in some],
            [video.group for video in some],
            [video.labels for video in some],
            [
                math.nan if second is None else second
                for video in some
                for second in (video.start_seconds, video.end_seconds)
            ],
        )
    assert len(columns) == 3
    table = VideoTable.from_columns(columns, num_classes=3)
    assert list(table) == SLICES
    assert table.labels() == [(0, 2), (), (1,)]
    assert list(VideoTable.from_columns(VideoColumns())) == []


def test_single_labels_are_integers():
    videos = VideoTable(VIDEOS)
    assert videos.targets.dtype == videos.target(0).dtype == torch.int64
    assert videos.target(3).item() == 1


def test_names_and_groups_are_read_alone():
    videos = VideoTable(VIDEOS)
    assert videos.names() == [video.name for video in VIDEOS]
    assert videos.groups() == [video.group for video in VIDEOS]
    assert VideoTable().names() == []


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_texts_come_some_at_a_time(at_once, monkeypatch):
    monkeypatch.setattr(video_columns, "AT_ONCE", at_once)
    texts = list(VideoTable(VIDEOS).texts("group"))
    assert [len(some) for some in texts] == {1: [1, 1, 1, 1], 2: [2, 2], 5: [4]}[at_once]
    assert [one for some in texts for one in some] == ["g1", "", "group\n2", "g2"]
    assert VideoTable(VIDEOS).paths()[2] == "/data/走/ä \udcff.mkv"


def test_videos_are_selected_in_any_order_and_more_than_once():
    videos = VideoTable(VIDEOS)
    for rows in ([2, 3, 0, 1, 1], [-1, -4], []):
        expected = [VIDEOS[row] for row in rows]
        assert list(videos.select(rows)) == list(videos.select(torch.tensor(rows))) == expected
    with pytest.raises(IndexError, match=r"index must be in \[-4, 4\), got -5"):
        videos.select([0, -5])


def test_one_kind_of_label_is_expected():
    with pytest.raises(TypeError, match=r"wave/a: target must be a tuple of indices, got 3"):
        VideoTable(VIDEOS, num_classes=4)
    with pytest.raises(TypeError, match=r"a#0: target must be an index, got \(0, 2\)"):
        VideoTable(SLICES)
    with pytest.raises(ValueError, match=r"must have the same labels, got None and 3 classes"):
        VideoTable(VIDEOS) + VideoTable(SLICES, num_classes=3)
    with pytest.raises(
        TypeError, match=r"1: target must be a tuple of 2 indices, got \(2, 0, 10\)"
    ):
        VideoTable(NUMBERS, positions=2)
    with pytest.raises(TypeError, match=r"wave/a: target must be a tuple of 2 indices, got 3"):
        VideoTable(VIDEOS, positions=2)
    with pytest.raises(ValueError, match=r"must have the same labels, got 3 and 1 positions"):
        VideoTable(NUMBERS, positions=3) + VideoTable(VIDEOS)
    with pytest.raises(ValueError, match=r"and 1 with several labels \(num_classes\), got 2"):
        VideoTable(NUMBERS, num_classes=11, positions=2)
    with pytest.raises(ValueError, match=r"positions must be at least 1, .*, got 0"):
        VideoTable(positions=0)


@pytest.mark.parametrize("slice_", [(-1, None), (2, 2), (None, 0), (3, 1)])
def test_a_slice_has_a_length(slice_):
    with pytest.raises(ValueError, match=r"x: expected 0 <= start_seconds < end_seconds, got"):
        Video("x", Path("x"), 0, "", *slice_)


def test_a_label_must_fit():
    with pytest.raises(OverflowError, match=r".*"):
        VideoTable([Video("a", Path("a"), 2**31, "")])


class Names(torch.utils.data.Dataset):
    def __init__(self, videos: VideoTable):
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> str:
        return f"{self.videos[index].name}:{self.videos[index].target}"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loader_workers_read_the_same_list(method):
    loader = torch.utils.data.DataLoader(
        Names(VideoTable(VIDEOS)), batch_size=4, num_workers=1, multiprocessing_context=method
    )
    assert next(iter(loader)) == [f"{video.name}:{video.target}" for video in VIDEOS]


def test_a_slice_opens_and_is_known_by_its_bounds(tmp_path):
    path = write_video_of(tmp_path)
    video = Video("x", path, 0, "", 0.4, 1.0)
    with video.open() as reader, Video("y", path, 0, "").open("opencv", num_frames=30) as whole:
        assert (len(reader), reader.backend) == (15, "pyav")
        assert (len(whole), whole.backend) == (30, "opencv")
    assert video.checksum() == f"{Video('y', path, 0, '').checksum()} 0.4:1.0"


def write_video_of(folder: Path) -> Path:
    frames = [np.full((32, 32, 3), 5 * number, dtype=np.uint8) for number in range(30)]
    write_video(folder / "a.mp4", frames, fps=25)
    return folder / "a.mp4"


@pytest.mark.parametrize("num_classes", [None, 3])
def test_joined_tables_hold_the_videos_of_all(num_classes):
    source = VIDEOS if num_classes is None else SLICES
    if num_classes is not None:
        source = [dataclasses.replace(video, target=(0, 2)) for video in source]
    empty = VideoTable(num_classes=num_classes)
    table = VideoTable(source, num_classes=num_classes)
    joined = empty + table + empty + table[:1] + table
    assert list(joined) == [*source, source[0], *source]
    assert joined.paths() == [str(video.path) for video in joined]
    assert torch.equal(joined.targets, torch.cat([table.targets, table[:1].targets, table.targets]))
    assert list(joined.select([len(source)])) == [source[0]]
