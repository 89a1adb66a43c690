"""The videos of a tiny tree: empty files where a list is all that is read, else real ones."""

from collections.abc import Callable
from pathlib import Path

import av

from stn_action.video.suffixes import has_video_suffix
from tests.video.clips import images
from tests.video.frame_folders import write_frames

Put = Callable[[Path], object]
"""Puts a video at a path, in folders that may be missing; one without suffix is of frames."""
CODECS = {".avi": "mpeg4", ".mp4": "libx264", ".webm": "libvpx"}
FASTEST = {".webm": {"deadline": "realtime", "cpu-used": "8"}}
NUM_FRAMES, FPS, SIZE_HW = 30, 2, (48, 64)
"""15 seconds: every slice of the trees is within."""


def touch(path: Path) -> None:
    if has_video_suffix(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    else:
        path.mkdir(parents=True, exist_ok=True)
        (path / "00001.jpg").touch()


class LinkedClips:
    """Puts the same video everywhere: it is encoded once for each suffix."""

    def __init__(self, folder: Path) -> None:
        """Write into an empty folder what is linked to."""
        self.folder = folder

    def __call__(self, path: Path) -> None:
        if not has_video_suffix(path):
            write_frames(path, images(3, SIZE_HW), pattern="{:05}.jpg")
            return
        original = self.folder / f"clip{path.suffix}"
        if not original.exists():
            _encode(original)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(original)


def _encode(path: Path) -> None:
    with av.open(str(path), "w") as container:
        options = FASTEST.get(path.suffix, {})
        stream = container.add_stream(CODECS[path.suffix], rate=FPS, options=options)
        stream.height, stream.width, stream.pix_fmt = *SIZE_HW, "yuv420p"
        for image in images(NUM_FRAMES, SIZE_HW):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
