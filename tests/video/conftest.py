"""Generated clips, written once a session."""

from pathlib import Path

import pytest

from tests.video.clips import CLIPS, write_clip


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for clip in CLIPS:
        write_clip(folder, clip)
    return folder
