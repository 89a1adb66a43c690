"""A folder of numbered images, each a frame, read like a video."""

import io
import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path, PurePath

import cv2
import numpy as np
from PIL import Image

from stn_action.video.reader import VideoError, VideoReader, too_large_error
from stn_action.video.suffixes import FRAME_SUFFIXES, FRAMES_IN_WORDS
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS

FLOW = "flow_"
"""Images whose names begin so are not frames but optical flow: tools that extract both write
`flow_x_00001.jpg` beside `img_00001.jpg`. Source: the layout of raw frames in MMAction2's
documentation; not seen on real files."""
KINDS_SHOWN = 3

_NUMBERED = re.compile(r"(.*?)([0-9]+)", re.DOTALL)
_JPEG, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


class FrameFolderReader(VideoReader):
    """A reader of a folder of frames: frame i is the image with the i-th number.

    Only the frames that are wanted are decoded, by OpenCV, and turned as their EXIF tells. A folder
    has no rate, so frame i is shown at i / `fps`.
    """

    backend = "frames"

    def __init__(
        self,
        path: Path,
        num_frames: int | None = None,
        max_pixels: int = MAX_PIXELS,
        fps: float = DEFAULT_FPS,
    ) -> None:
        """List the frames and decode the first.

        Args:
            path: the folder.
            num_frames: see `open_video`.
            max_pixels: see `open_video`.
            fps: frames per second.

        Raises:
            VideoError: see `frame_names`; or there are not `num_frames`, or the first frame cannot
                be decoded or is too large.
            OSError: the folder cannot be listed.
        """
        self.path, self.fps = path, fps
        self._max_pixels = max_pixels
        self._names = frame_names(path)
        self._closed = False
        if num_frames not in (None, len(self._names)):
            raise self._length_error(len(self._names), num_frames)
        height, width, _ = self._decoded(self._names[0]).shape
        self._size_hw = height, width

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
        return self._size_hw

    @property
    def first_frame(self) -> Path:
        """The file of frame 0."""
        return self.path / self._names[0]

    def __len__(self) -> int:
        return len(self._names)

    def close(self) -> None:
        """Refuse to read from now on; no file is open."""
        self._closed = True

    def seconds_at(self, index: int) -> float:
        """Return `index` / `fps`."""
        return index / self.fps

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        if self._closed:
            raise VideoError(f"{self.path}: the reader is closed; open the video again")
        image = self._decoded(self._names[index])
        if image.shape[:2] != self._size_hw:
            height, width = self._size_hw
            raise VideoError(
                f"{self.path}: {self._names[index]} is {image.shape[0]}x{image.shape[1]} pixels, "
                f"{self._names[0]} {height}x{width}; bring all frames to one size"
            )
        return image, self.seconds_at(index)

    def _decoded(self, name: str) -> np.ndarray:
        """Decode a frame to uint8 (H, W, 3) RGB, turned as it is meant to be shown."""
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            raise VideoError(f"{self.path}: {name} cannot be read ({error.strerror})") from error
        try:
            with Image.open(io.BytesIO(content)) as header:
                width, height = header.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise self._damaged(name) from None
        if height * width > self._max_pixels:
            raise too_large_error(self.path / name, (height, width), self._max_pixels)
        if not is_complete(content):
            raise self._damaged(name)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise self._damaged(name)
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _damaged(self, name: str) -> VideoError:
        return VideoError(
            f"{self.path}: {name} is no image that can be decoded; write this frame again"
        )


def is_frame(name: str) -> bool:
    """Return whether a file is a frame, by its name.

    >>> [is_frame(name) for name in ("00001.jpg", "img_7.PNG", "cover.jpg", "flow_x_00001.jpg")]
    [True, True, False, False]
    """
    stem, point, suffix = name.rpartition(".")
    numbered = stem.endswith(tuple("0123456789"))
    return numbered and point + suffix.lower() in FRAME_SUFFIXES and _is_shown(name)


def image_names(folder: Path) -> list[str]:
    """Return the names of a folder's images, sorted; hidden ones and optical flow are left out.

    Raises:
        OSError: the folder cannot be listed.
    """
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(FRAME_SUFFIXES)
            and _is_shown(entry.name)
            and entry.is_file()
        )


def frame_names(folder: Path) -> list[str]:
    """Return the names of a folder's frames in the order of their numbers, whichever is the first.

    Files that are no images do not count, nor do hidden ones and optical flow.

    Raises:
        VideoError: there is no frame, an image has no number, frames are named in several ways, a
            number is missing, or two frames have the same.
        OSError: the folder cannot be listed.
    """
    names = image_names(folder)
    if not names:
        raise VideoError(
            f"{folder}: a folder without frames is no video; expected {FRAMES_IN_WORDS}, such as "
            "00001.jpg or frame_000001.png"
        )
    numbered: list[tuple[int, str]] = []
    kinds: Counter[str] = Counter()
    for name in names:
        path = PurePath(name)
        found = _NUMBERED.fullmatch(path.stem)
        if found is None:
            raise VideoError(
                f"{folder}: the image {name} has no number at its end, as frames do; move it "
                "elsewhere"
            )
        numbered.append((int(found[2]), name))
        kinds[f"{found[1]}*{path.suffix.lower()}"] += 1
    if len(kinds) > 1:
        some = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(KINDS_SHOWN))
        raise VideoError(
            f"{folder}: its images are named in {len(kinds)} ways ({some}), expected the frames of "
            "one video, named in one; move the others elsewhere"
        )
    numbered.sort()
    _require_each_once(folder, numbered)
    return [name for _, name in numbered]


def is_complete(content: bytes) -> bool:
    """Return whether a JPEG is not cut off; of another image only decoding tells.

    Some versions of OpenCV show what a JPEG lacks as gray. The markers of a scan's start and of the
    end cannot be within a scan (ITU-T T.81, section B.1.1.2), nor is a photo's thumbnail behind it.
    """
    return not content.startswith(_JPEG) or content.rfind(_END) > content.rfind(_SCAN)


def _require_each_once(folder: Path, numbered: list[tuple[int, str]]) -> None:
    """Check that each number from the first to the last is there once."""
    for (number, name), (following, next_name) in pairwise(numbered):
        if following == number:
            raise VideoError(
                f"{folder}: {name} and {next_name} have the same number; remove one of them"
            )
        if following != number + 1:
            raise VideoError(
                f"{folder}: frame {number + 1} is missing: {next_name} comes after {name}; get "
                "the lost frames, or number the others without gaps"
            )


def _is_shown(name: str) -> bool:
    return not name.startswith((".", FLOW))
