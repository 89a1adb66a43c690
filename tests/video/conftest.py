"""Generated clips, written once a session."""

from pathlib import Path

import cv2
import pytest

from tests.video.clips import CLIPS, write_clip


@pytest.fixture(autouse=True, scope="session")
def one_opencv_thread():
    """Tests that come later fork workers, which would wait for OpenCV's threads forever."""
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for clip in CLIPS:
        write_clip(folder, clip)
    return folder
