"""Every data set of videos, with folders of frames in place of its files."""

from pathlib import Path

import pytest

from stn_action.data.data_choices import IMAGE_SETS
from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.video.suffixes import without_video_suffix
from tests.dataset_trees import TREES
from tests.tree_files import touch

NAMED_BY_FILE = ("csv", "sample")
"""Their lists name files with their suffix."""


def put_frames(path: Path) -> None:
    touch(path.with_name(without_video_suffix(path.name)))


@pytest.mark.parametrize("name", sorted(TREES.keys() - {*IMAGE_SETS, *NAMED_BY_FILE}))
def test_frames_are_read_in_place_of_videos(name, tmp_path):
    of_files, of_frames = (
        load_dataset(name, TREES[name](tmp_path / kind, put), require_official=False)
        for kind, put in (("files", touch), ("frames", put_frames))
    )
    assert all(video.path.is_dir() for video in of_frames.all_videos)
    assert of_frames.name == of_files.name
    for part in ("train", "val", "test"):
        files, frames = getattr(of_files, part), getattr(of_frames, part)
        assert frames.names() == files.names()
        assert frames.groups() == files.groups()
        assert [frames.target(row).tolist() for row in range(len(frames))] == [
            files.target(row).tolist() for row in range(len(files))
        ]
