import pickle
from pathlib import Path

import pytest
import torch

from stn_action.data.listing import Video
from stn_action.data.video_table import VideoList

VIDEOS = [
    Video("wave/a", Path("/data/wave/a.mp4"), 3, "g1"),
    Video("", Path("x.avi"), 0, ""),
    Video("走/ä \udcff", Path("/data/走/ä \udcff.mkv"), 2**31 - 1, "group\n2"),
    Video("kick/b", Path("/data/kick/b.mp4"), 1, "g2"),
]


def test_videos_come_back_as_they_were():
    videos = VideoList(iter(VIDEOS))
    assert len(videos) == 4
    assert list(videos) == VIDEOS
    assert [videos[index] for index in (-1, -4, 2)] == [VIDEOS[index] for index in (-1, -4, 2)]
    assert videos.labels.tolist() == [3, 0, 2**31 - 1, 1]
    assert VIDEOS[3] in videos


def test_a_slice_is_a_list_again():
    videos = VideoList(VIDEOS)[::-2]
    assert isinstance(videos, VideoList)
    assert list(videos) == VIDEOS[::-2]
    assert list(videos[5:]) == []


def test_a_list_may_be_empty():
    videos = VideoList([])
    assert not videos
    assert list(videos) == []
    with pytest.raises(IndexError, match=r"index must be in \[-0, 0\), got 0"):
        videos[0]


def test_a_pickled_list_is_the_same():
    assert list(pickle.loads(pickle.dumps(VideoList(VIDEOS)))) == VIDEOS


def test_a_label_must_fit():
    with pytest.raises(OverflowError, match=r".*"):
        VideoList([Video("a", Path("a"), 2**31, "")])


class Names(torch.utils.data.Dataset):
    def __init__(self, videos: VideoList):
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> str:
        return f"{self.videos[index].name}:{self.videos[index].label}"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loader_workers_read_the_same_list(method):
    loader = torch.utils.data.DataLoader(
        Names(VideoList(VIDEOS)), batch_size=4, num_workers=1, multiprocessing_context=method
    )
    assert next(iter(loader)) == [f"{video.name}:{video.label}" for video in VIDEOS]
