"""Pipes, network streams and cameras: frames in order, and an end that is one."""

import os
import socket
import subprocess
import sys
import threading
from io import BytesIO, TextIOWrapper
from pathlib import Path
from queue import SimpleQueue

import cv2
import numpy as np
import pytest

from stn_action.video.ahead import batches_ahead
from stn_action.video.live_stream import camera_frames, is_live, open_live
from stn_action.video.reader import VideoError
from tests.person.scene import draw, standing, write_scene
from tests.video.sent_streams import as_stream, http_stream

WAIT, SHORT_WAIT = 1.0, 0.3
"""Of streams that stall, seconds, after a content and without one."""
COPY = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, open(sys.argv[1], 'wb'))"


@pytest.fixture(scope="module")
def sent() -> list[np.ndarray]:
    return draw(standing(12))


def test_a_pipe_gives_its_frames_and_their_times(sent):
    stream = open_live("-", pipe=BytesIO(as_stream(sent)))
    assert (stream.name, round(stream.fps)) == ("standard input", 30)
    numbers, images, seconds = zip(*stream.frames, strict=True)
    assert numbers == tuple(range(12))
    assert np.diff(seconds) == pytest.approx([1 / 30] * 11, abs=1e-3)
    for image, original in zip(images, sent, strict=True):
        assert np.abs(image.astype(int) - original).mean() < 3


def test_a_stream_that_breaks_off_ends_there(sent):
    content = as_stream(sent)
    stream = open_live("-", pipe=BytesIO(content[: len(content) * 2 // 3]))
    assert 0 < len(list(stream.frames)) < 12


def test_a_network_stream_whose_sender_goes_away_ends(sent):
    server = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(as_stream(sent))

    sender = threading.Thread(target=send)
    sender.start()
    stream = open_live(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    assert len(list(stream.frames)) == 12
    sender.join()
    server.close()


def test_frames_of_another_size_are_an_error_behind_those_before(sent):
    larger = [np.pad(image, ((0, 8), (0, 16), (0, 0))) for image in sent]
    stream = open_live("-", pipe=BytesIO(as_stream(sent) + as_stream(larger)))
    read = []
    with pytest.raises(VideoError, match=r"standard input: frame 12 is 256x128 .* first 240x120"):
        read.extend(index for batch in batches_ahead(stream.frames, 5) for index, *_ in batch)
    assert read == list(range(12))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("-", "standard input: cannot be opened .* expected a format that needs no seeking"),
        ("tcp://name:secret@127.0.0.1:1", r"^tcp://127.0.0.1:1: cannot be opened"),
        ("99", "camera 99 cannot be opened; expected the number of a camera of this machine"),
        ("nowhere://host", "expected the URL of a video stream"),
        ("file:///etc/hostname", "cannot be opened"),
    ],
)
def test_what_is_no_stream_is_said(name, message):
    with pytest.raises(VideoError, match=message):
        open_live(name, pipe=BytesIO(b"no video\n" * 99))


def test_frames_above_the_limit_are_refused(sent):
    content = as_stream(sent[:2])
    with pytest.raises(VideoError, match=r"frames of more than 10,000 pixels .* are refused"):
        list(open_live("-", max_pixels=10_000, pipe=BytesIO(content)).frames)


def read_until_it_fails(stream) -> tuple[int, str]:
    """Number of frames, and the error behind them."""
    read = 0
    with pytest.raises(VideoError, match=r".") as found:
        for read, _ in enumerate(stream.frames, start=1):  # noqa: B007
            pass
    return read, str(found.value)


def test_an_http_stream_gives_its_frames_and_ends(sent):
    with http_stream(as_stream(sent)) as address:
        stream = open_live(address)
        assert (stream.name, len(list(stream.frames))) == (address, 12)
        with pytest.raises(VideoError, match=r"nothing: cannot be opened \(.*404 Not Found"):
            open_live(address.replace("live", "nothing"))


def test_an_http_stream_that_stalls_fails_behind_what_it_sent(sent):
    with http_stream(as_stream(sent), stalls=True) as address:
        read, message = read_until_it_fails(open_live(address, wait_seconds=WAIT))
    assert read >= 11  # the decoder may keep the last one
    assert message == f"{address}: gave nothing for 1 seconds; check that its sender is running"


def test_a_server_that_accepts_and_says_nothing_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://name:secret@127.0.0.1:{server.getsockname()[1]}/live"
        with pytest.raises(VideoError, match=r"^http://127[^@]*/live: gave nothing for 0.3 s"):
            open_live(address, wait_seconds=SHORT_WAIT)


@pytest.fixture
def fifo(tmp_path) -> str:
    path = tmp_path / "camera"
    os.mkfifo(path)
    return str(path)


def test_a_named_pipe_is_read_while_a_process_writes_it(sent, fifo):
    assert is_live(fifo)
    command = [sys.executable, "-c", COPY, fifo]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
        assert sender.stdin is not None
        sender.stdin.write(as_stream(sent))
        sender.stdin.close()
        stream = open_live(fifo)
        assert (stream.name, len(list(stream.frames))) == (fifo, 12)
    assert sender.returncode == 0


def test_a_named_pipe_without_a_writer_and_one_that_stalls_are_not_waited_for(sent, fifo):
    with pytest.raises(VideoError, match=r"camera: gave nothing for 0.3 seconds; check that"):
        open_live(fifo, wait_seconds=SHORT_WAIT)
    content = as_stream(sent * 20)  # more than what is looked into before the first frame
    with Path(fifo).open("r+b", buffering=0) as writer:
        sender = threading.Thread(target=writer.write, args=(content,), daemon=True)
        sender.start()
        read, message = read_until_it_fails(open_live(fifo, wait_seconds=WAIT))
        sender.join()
    assert 200 < read <= 240
    assert "camera: gave nothing for 1 seconds" in message


def test_a_standard_input_that_stalls_is_not_waited_for(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb"):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(pipe))
        with pytest.raises(VideoError, match=r"standard input: gave nothing for 0.3 seconds"):
            open_live("-", wait_seconds=SHORT_WAIT)


def test_a_camera_that_ends_is_a_stream_that_ends(tmp_path):
    path = write_scene(tmp_path / "seen.mp4", standing(12))
    camera = cv2.VideoCapture(str(path))
    images = [image for _, image, _ in camera_frames(camera, "camera 0", WAIT)]
    assert len(images) == 12
    x0, y0 = 150 + 12, 40 + 30  # in the middle of the person
    assert np.abs(images[5][y0, x0].astype(int) - (230, 60, 60)).max() < 20  # RGB


class StuckCamera:
    """A camera whose driver does not answer any more after a number of frames."""

    def __init__(self, images: list[np.ndarray]) -> None:
        self.images, self.never, self.released = images, SimpleQueue[None](), SimpleQueue[None]()

    def read(self) -> tuple[bool, np.ndarray]:
        if not self.images:
            self.never.get()
        return True, self.images.pop(0)

    def release(self) -> None:
        self.released.put(None)


def test_a_camera_that_stalls_fails_and_one_that_is_left_is_released(sent):
    frames = camera_frames(StuckCamera(sent[:3]), "camera 0", SHORT_WAIT)
    read = []
    with pytest.raises(VideoError, match=r"camera 0: gave nothing for 0.3 seconds"):
        read.extend(index for batch in batches_ahead(frames, 2) for index, *_ in batch)
    assert read == [0, 1, 2]
    camera = StuckCamera(sent[:3])
    left = camera_frames(camera, "camera 0", SHORT_WAIT)
    next(left)
    left.close()
    camera.released.get(timeout=20)


def test_a_camera_whose_frames_change_their_size_fails_there(sent):
    frames = camera_frames(StuckCamera([sent[0], sent[1][:100]]), "camera 0", WAIT)
    assert next(frames)[0] == 0
    with pytest.raises(VideoError, match=r"camera 0: frame 1 is 240x100 pixels, the first 240x120"):
        next(frames)


def test_numbers_urls_and_the_dash_are_live_unless_a_file_has_the_name(tmp_path, monkeypatch):
    assert all(map(is_live, ("0", "-", "rtsp://10.0.0.7/main?a=b", "http://host/x.m3u8")))
    assert not any(map(is_live, ("walk.mp4", "C:/walk.mp4", "2024", "folder/0")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert not is_live("0")
