"""Cameras, network streams and pipes: frames in the order in which they come, each once."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import ExitError, FFmpegError

from stn_action.video.container import frame_orientation, is_believed
from stn_action.video.reader import VideoError, too_large_error
from stn_action.video.timed_pipe import (
    TimedPipe,
    open_named_pipe,
    stalled_error,
    standard_input,
)
from stn_action.video.video_choices import DEFAULT_FPS, MAX_PIXELS

PIPE = "-"
"""The name of the standard input."""
PROTOCOLS = "crypto,hls,http,httpproxy,https,rtmp,rtmps,rtp,rtsp,rtsps,srt,srtp,tcp,tls,udp,udplite"
"""What a network stream may open; not files of this machine, which a playlist could name."""
WAIT_SECONDS = 20.0
"""A stream that gives nothing for longer has failed."""

Source = str | BinaryIO | TimedPipe
"""What FFmpeg reads: the URL of a network stream, or a pipe."""
TimedImage = tuple[int, np.ndarray, float]
"""Number of a frame, its image (H, W, 3) uint8 RGB and its time in seconds from the first frame."""


class Camera(Protocol):
    """What is needed of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, np.ndarray]:
        """Return whether there is one more image, and the image (H, W, 3) uint8 BGR."""
        ...

    def release(self) -> None:
        """Give the camera back."""


class FrameStream(NamedTuple):
    """An open camera, stream or file, which is read once."""

    name: str
    """As it was given, without a password."""
    fps: float
    """Frames per second, as the stream gives it; 25 if it does not."""
    frames: Iterator[TimedImage]
    """Ends with the stream; raises `VideoError` where the frames change their size, and where the
    stream gives nothing for too long."""


def is_live(name: str) -> bool:
    """Return whether a name is of a camera, a network stream or a pipe, and of no file.

    >>> is_live("0"), is_live("-"), is_live("rtsp://10.0.0.7/main"), is_live("walk.mp4")
    (True, True, True, False)
    """
    live = name == PIPE or re.fullmatch(r"[0-9]{1,3}|[a-z][a-z0-9+.-]*://.*", name)
    return Path(name).is_fifo() or (bool(live) and not Path(name).exists())


def open_live(
    name: str,
    *,
    max_pixels: int = MAX_PIXELS,
    wait_seconds: float = WAIT_SECONDS,
    pipe: BinaryIO | None = None,
) -> FrameStream:
    """Open a stream.

    Args:
        name: number of a camera, URL of a network stream, path of a named pipe, or "-" for the
            standard input.
        max_pixels: largest number of pixels of a frame.
        wait_seconds: how long it may give nothing.
        pipe: read in place of the standard input.

    Raises:
        VideoError: it cannot be opened, holds no video, or gave nothing for too long.
    """
    shown = re.sub(r"//[^/@]*@", "//", name)
    if Path(name).is_fifo():
        source = open_named_pipe(name, wait_seconds)
    elif name.isdigit():
        return _open_camera(int(name), wait_seconds)
    elif name == PIPE:
        shown = "standard input"
        source = pipe or standard_input(shown, wait_seconds)
    else:
        source = name
    try:
        container = _container(source, shown, max_pixels, wait_seconds)
    except VideoError:
        _close(source)
        raise
    rate = container.streams.video[0].average_rate
    fps = float(rate) if rate and is_believed(float(rate)) else DEFAULT_FPS
    frames = _decoded(container, shown, fps, max_pixels, wait_seconds)
    return FrameStream(shown, fps, _closing(frames, source))


def _container(source: Source, shown: str, max_pixels: int, wait_seconds: float) -> InputContainer:
    is_url = isinstance(source, str)
    options = {
        "max_pixels": str(max_pixels),
        "protocol_whitelist": PROTOCOLS if is_url else "pipe",
    }
    try:
        container = av.open(source, "r", options=options, timeout=wait_seconds)
    except ExitError:
        raise stalled_error(shown, wait_seconds) from None
    except VideoError:  # of the pipe
        raise
    except (FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = (
            "expected the URL of a video stream, as in rtsp://HOST/PATH"
            if is_url
            else "expected a format that needs no seeking: MPEG-TS, Matroska, or fragmented MP4"
        )
        raise VideoError(
            f"{shown}: cannot be opened ({reason}); {remedy}; frames of more than {max_pixels:,} "
            "pixels (data.max_pixels) are refused"
        ) from None
    if not container.streams.video:
        container.close()
        raise VideoError(f"{shown}: holds no video stream")
    return container


def _closing(frames: Iterator[TimedImage], source: Source) -> Iterator[TimedImage]:
    try:
        yield from frames
    finally:
        _close(source)


def _close(source: Source) -> None:
    if isinstance(source, TimedPipe):
        source.close()


def _decoded(
    container: InputContainer, name: str, fps: float, max_pixels: int, wait_seconds: float
) -> Iterator[TimedImage]:
    """Decode a stream to its end; times that do not increase are those of equal distances."""
    size_hw: tuple[int, int] | None = None
    first, last = None, 0.0
    with container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"max_pixels": str(max_pixels)}
        for index, frame in enumerate(_intact_frames(container, stream, name, wait_seconds)):
            if frame.height * frame.width > max_pixels:
                raise too_large_error(Path(name), (frame.height, frame.width), max_pixels)
            turned = frame_orientation(frame, Path(name)).shown(frame.to_ndarray(format="rgb24"))
            image = np.ascontiguousarray(turned)
            size_hw = _same_size(image, size_hw, index, name)
            first = frame.time if first is None else first
            seconds = None if frame.time is None or first is None else frame.time - first
            if index == 0:
                last = 0.0
            else:
                last = seconds if seconds is not None and seconds > last else last + 1 / fps
            yield index, image, last


def _intact_frames(
    container: InputContainer, stream: av.VideoStream, name: str, wait_seconds: float
) -> Iterator[av.VideoFrame]:
    """Yield the frames that can be decoded; a connection that breaks is the end of the stream."""
    try:
        for packet in container.demux(stream):
            try:
                yield from cast(list[av.VideoFrame], packet.decode())
            except FFmpegError:
                continue  # damage on the way
    except ExitError:
        raise stalled_error(name, wait_seconds) from None
    except FFmpegError:
        return


def _open_camera(number: int, wait_seconds: float) -> FrameStream:
    camera: Any = cv2.VideoCapture(number)
    if not camera.isOpened():
        raise VideoError(
            f"camera {number} cannot be opened; expected the number of a camera of this machine, "
            "the first is 0, which no other program uses"
        )
    rate = float(camera.get(cv2.CAP_PROP_FPS))
    fps, name = rate if is_believed(rate) else DEFAULT_FPS, f"camera {number}"
    return FrameStream(name, fps, camera_frames(camera, name, wait_seconds))


def camera_frames(camera: Camera, name: str, wait_seconds: float) -> Iterator[TimedImage]:
    """Read a camera until it ends; the time of a frame is when it was read.

    It is read by a thread, which is left behind if the camera never answers.

    Args:
        camera: released at the end.
        name: for messages.
        wait_seconds: how long it may give nothing.

    Raises:
        VideoError: it gave nothing for too long, or its frames change their size.
    """
    asked: SimpleQueue[bool] = SimpleQueue()
    answers: SimpleQueue[np.ndarray | None] = SimpleQueue()

    def read() -> None:
        while asked.get():
            found, bgr = camera.read()
            answers.put(bgr if found else None)
        camera.release()

    Thread(target=read, daemon=True).start()
    size_hw, index, start = None, 0, time.monotonic()
    try:
        while True:
            asked.put(True)
            bgr = answers.get(timeout=wait_seconds)
            if bgr is None:
                return
            image = np.ascontiguousarray(bgr[..., ::-1], dtype=np.uint8)
            size_hw = _same_size(image, size_hw, index, name)
            yield index, image, 0.0 if index == 0 else time.monotonic() - start
            index += 1
    except Empty:
        raise stalled_error(name, wait_seconds) from None
    finally:
        asked.put(False)


def _same_size(
    image: np.ndarray, size_hw: tuple[int, int] | None, index: int, name: str
) -> tuple[int, int]:
    found = image.shape[0], image.shape[1]
    if size_hw not in (None, found):
        raise VideoError(
            f"{name}: frame {index} is {found[1]}x{found[0]} pixels, the first "
            f"{size_hw[1]}x{size_hw[0]}; give the parts of one size one by one"
        )
    return found
