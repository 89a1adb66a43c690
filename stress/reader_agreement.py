"""What a sequential decode gives of a file, and whether the readers agree with it."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition

from stn_action.errors import InputError
from stn_action.video.backend_table import open_video
from stn_action.video.video_choices import Backend

Images = list[np.ndarray]
Matrix = tuple[int, int, int, int]

MAX_PIXELS = 50_000_000
"""Of a frame; larger ones are not decoded here."""
BACKENDS: tuple[Backend, ...] = ("pyav", "opencv", "decord")
TOLERANCE = 3.0
"""Mean difference of two images of the same frame, in levels: decoders differ a little."""
DAMAGE = 0.5
"""Mean difference from the frame of the intact file, in levels, if parts are lost."""


@dataclass
class Decoded:
    """What a sequential decode gives of a file."""

    frames: int = 0
    oddities: list[str] = field(default_factory=list)
    """What is wrong with it; without frames why it cannot be read."""
    size_hw: tuple[int, int] = (0, 0)

    @property
    def readable(self) -> bool:
        """There are frames of one size."""
        return self.frames > 0 and not {"sizes change", "too large"} & set(self.oddities)


@dataclass(frozen=True)
class Agreement:
    """The readers beside the sequential decode of one file."""

    decoded: Decoded
    faults: list[str]
    """Of streams, and of readers that are given the number of frames, as by a manifest."""
    fresh_faults: list[str]
    """Of readers by index that know nothing about the file."""
    num_damaged: int = 0
    """Frames that decode, but with parts made up, which are not compared."""


@dataclass(frozen=True)
class SequentialFrames:
    """The frames of a sequential decode, as they are to be shown."""

    images: Images
    damaged: set[int]
    """Those of which parts are lost: what is made up in their place depends on what was decoded
    before."""

    def shows(self, image: np.ndarray, index: int) -> bool:
        """Return whether an image is this frame, and not another one."""
        if index >= len(self.images) or image.shape != self.images[index].shape:
            return False
        if image.size > 3_000_000 or index in self.damaged:
            return True  # large images were not kept
        if np.array_equal(image, self.images[index]):
            return True
        distances = [_distance(image, other) for other in self.images]
        return distances[index] == min(distances) <= TOLERANCE


def compare_readers(item: tuple[Path, Path, Matrix | None, bool]) -> Agreement:
    """Read a file with each backend in several orders, and compare with a sequential decode.

    Args:
        item: the file, the intact one it was made of, the display matrix if it is one that turns
            or flips, and whether all frames decode as they were.
    """
    path, intact, matrix, keeps_frames = item
    decoded, images = decode(path)
    if matrix is not None:
        images = [oriented(image, matrix) for image in images]
    if not decoded.readable:
        faults = [fault for backend in BACKENDS for fault in _unreadable_faults(path, backend)]
        return Agreement(decoded, [] if decoded.frames else faults, [])
    damaged = set() if keeps_frames else _damaged_frames(images, intact)
    frames = SequentialFrames(images, damaged)
    with open_video(path, "pyav") as reader:
        faults = _stream_faults(reader, frames, "pyav")
    fresh_faults = []
    for backend in BACKENDS:
        faults += _reader_faults(path, backend, decoded, frames, decoded.frames)
        fresh_faults += _reader_faults(path, backend, decoded, frames, None)
    return Agreement(decoded, faults, fresh_faults, len(damaged))


def decode(path: Path) -> tuple[Decoded, Images]:
    """Decode a file from its start to its end, and note all that is odd."""
    found, images = Decoded(), []
    if not path.is_file():
        found.oddities.append("is not a file")
        return found, images
    try:
        container = av.open(f"file:{path}", metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        found.oddities.append(f"cannot be opened: {error}")
        return found, images
    with container:
        stream = _video_stream(container)
        if stream is None or stream.codec_context is None or container.format.name == "tty":
            found.oddities.append("no video stream")
            return found, images
        stream.codec_context.thread_count = 1
        for frame in _frames(container, stream, found):
            if frame.width * frame.height > MAX_PIXELS:
                found.oddities.append("too large")
                break
            images.append(
                frame.to_ndarray(format="rgb24", interpolation="BICUBIC", threads=1)
                if not images or frame.width * frame.height < 1_000_000
                else images[0]
            )
        found.frames = len(images)
    if len({image.shape for image in images}) > 1:
        found.oddities.append("sizes change")
    if images:
        found.size_hw = images[0].shape[:2]
    elif not found.oddities:
        found.oddities.append("no frames")
    return found, images


def oriented(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Return an image as a display matrix shows it.

    Args:
        image: (H, W, 3).
        matrix: a, b, c, d of x' = ax + cy, y' = bx + dy.
    """
    a, b, c, d = matrix
    if a == 0:
        image, flip_x, flip_y = image.swapaxes(0, 1), c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return image[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _video_stream(container) -> av.VideoStream | None:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    return best if best in streams else next(iter(streams), None)


def _frames(container, stream: av.VideoStream, found: Decoded) -> Iterator[av.VideoFrame]:
    packets = 0
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        except (FFmpegError, ValueError) as error:
            found.oddities.append(f"cannot be read on: {error}")
            packet = None
        if packet is not None and packet.size == 0:
            continue
        packets += packet is not None
        try:
            frames = stream.decode(packet)
        except (FFmpegError, ValueError) as error:
            found.oddities.append(f"packet {packets} cannot be decoded: {error}")
            frames = []
        for frame in frames:
            if frame.is_corrupt:
                found.oddities.append(f"a frame of packet {packets} is damaged")
            yield frame
        if packet is None:
            break
    if stream.frames > packets:
        found.oddities.append(f"{packets} packets of {stream.frames}")


def _reader_faults(
    path: Path, backend: Backend, decoded: Decoded, frames: SequentialFrames, number: int | None
) -> list[str]:
    """Return how a reader that is given the number of frames, or None, contradicts the decode."""
    random = np.random.default_rng(list(path.name.encode()))
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            with open_video(path, backend, num_frames=number) as reader:
                found = len(reader)
                if backend != "pyav" and (decoded.oddities or warned):
                    return _only_read(reader, found)
                if found != decoded.frames:
                    return [f"{backend}: {found} frames, sequentially {decoded.frames}"]
                orders = [sorted(random.integers(found, size=4).tolist()), [found - 1, 0]]
                faults = _order_faults(reader, frames, orders, backend)
                return faults or _stream_faults(reader, frames, backend)
    except InputError as error:
        odd = (decoded.oddities and number is None) or backend != "pyav"
        return [] if odd else [f"{backend} refuses a file that decodes: {error}"]


def _unreadable_faults(path: Path, backend: Backend) -> list[str]:
    """Return a fault if PyAV gives a frame of a file of which a decode gives none."""
    try:
        with open_video(path, backend) as reader:
            reader.read([0])
    except InputError:
        return []
    return [f"{backend}: a frame where a decode gives none"] if backend == "pyav" else []


def _only_read(reader, found: int) -> list[str]:
    """Read a file that another decoder conceals differently: there may be errors, no crash."""
    reader.read([0, found // 2, found - 1])
    return []


def _order_faults(
    reader, frames: SequentialFrames, orders: Sequence[Sequence[int]], backend: str
) -> list[str]:  # fmt: skip
    for order in orders:
        for index, image in zip(order, reader.read_images(order), strict=True):
            if not frames.shows(image, index):
                return [f"{backend}: frame {index} of {list(order)} is another one"]
    return []


def _stream_faults(reader, frames: SequentialFrames, backend: str) -> list[str]:
    number = 0
    for index, image, _ in reader.stream():
        if index != number or not frames.shows(image, number):
            return [f"{backend}: frame {number} of a stream is another one"]
        number += 1
    return [] if number == len(frames.images) else [f"{backend}: a stream of {number} frames"]


def _damaged_frames(images: Images, intact: Path) -> set[int]:
    """Return which images look like no frame of the intact video."""
    _, originals = decode(intact)
    return {
        index
        for index, image in enumerate(images)
        if min(_distance(image, original) for original in originals) > DAMAGE
    }


def _distance(image: np.ndarray, other: np.ndarray) -> float:
    if image.shape != other.shape:
        return float("inf")
    return float(np.abs(image.astype(int) - other).mean())
