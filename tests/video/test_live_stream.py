"""Pipes, network streams and cameras: frames in order, and an end that is one."""

import socket
import threading
from io import BytesIO

import numpy as np
import pytest

from stn_action.video.ahead import batches_ahead
from stn_action.video.live_stream import is_live, open_live
from stn_action.video.reader import VideoError
from tests.person.scene import draw, standing
from tests.video.sent_streams import as_stream


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


def test_numbers_urls_and_the_dash_are_live_unless_a_file_has_the_name(tmp_path, monkeypatch):
    assert all(map(is_live, ("0", "-", "rtsp://10.0.0.7/main?a=b", "http://host/x.m3u8")))
    assert not any(map(is_live, ("walk.mp4", "C:/walk.mp4", "2024", "folder/0")))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert not is_live("0")
