import hashlib
import json
import socket

import pytest

from stn_action.disk.download import DownloadError, download
from tests.range_server import Served

CONTENT = bytes(range(256)) * 4096
"""A megabyte: several pieces."""
NOW = (0.0, 0.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sets" / "a.zip"


def left_beside(path) -> list[str]:
    return sorted(other.name for other in path.parent.iterdir() if other != path)


def test_a_file_arrives_complete_and_leaves_nothing_beside_it(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT))
    there: list[int] = []
    md5 = hashlib.md5(CONTENT).hexdigest().upper()
    download(url, path, size=len(CONTENT), md5=md5, on_bytes=there.append)
    assert path.read_bytes() == CONTENT
    assert left_beside(path) == []
    assert there == sorted(there)
    assert there[-1] == len(CONTENT)


def test_a_file_that_is_there_is_checked_and_not_asked_for(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT))
    path.parent.mkdir()
    path.write_bytes(b"other")
    download(url, path, size=5)
    with pytest.raises(DownloadError, match=rf"{path}: expected 6 bytes, got 5; download it again"):
        download(url, path, size=6)
    assert range_server.asked == []
    assert path.read_bytes() == b"other"


def test_a_broken_connection_is_continued_where_it_broke(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT, break_after=[400_000, 300_000]))
    download(url, path, pauses=(0.0,))
    assert path.read_bytes() == CONTENT
    ranges = [wanted for _, wanted in range_server.asked]
    assert ranges == [None, "bytes=400000-", "bytes=700000-"]


def test_a_later_call_continues_and_says_what_is_kept(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT, break_after=[400_000]))
    message = rf"{url}: cannot be downloaded .*; 400000 bytes are kept, .* put it at {path}"
    with pytest.raises(DownloadError, match=message):
        download(url, path, pauses=())
    assert left_beside(path) == ["a.zip.part", "a.zip.part.json"]
    download(url, path, pauses=())
    assert path.read_bytes() == CONTENT
    assert range_server.asked[1:] == [("a.zip", "bytes=400000-")]


def break_off(range_server, path, **served) -> str:
    url = range_server.put("a.zip", Served(CONTENT, break_after=[400_000], **served))
    with pytest.raises(DownloadError, match="400000 bytes are kept"):
        download(url, path, pauses=())
    return url


@pytest.mark.parametrize("etag", ['"2"', 'W/"1"', ""], ids=["other", "weak", "none"])
def test_a_file_that_may_have_changed_is_begun_again(range_server, path, etag):
    first = '"1"' if etag == '"2"' else etag
    url = break_off(range_server, path, etag=first)
    range_server.put("a.zip", Served(CONTENT[::-1], etag=etag))
    download(url, path, pauses=())
    assert path.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_begins_again(range_server, path):
    url = break_off(range_server, path, ranges=False)
    download(url, path, pauses=())
    assert path.read_bytes() == CONTENT


def test_an_unreadable_note_or_another_address_begins_again(range_server, path):
    break_off(range_server, path)
    other = range_server.put("b.zip", Served(CONTENT[::-1]))
    download(other, path, pauses=())
    assert path.read_bytes() == CONTENT[::-1]
    path.unlink()
    url = break_off(range_server, path)
    path.with_name("a.zip.part.json").write_text("[]")
    download(url, path, pauses=())
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["shift", "size", "beyond"])
def test_a_range_that_does_not_fit_is_not_glued(range_server, path, fault):
    """Another part than was asked for, another length, and bytes beyond the end of the file."""
    url = break_off(range_server, path)
    if fault == "shift":
        range_server.files["a.zip"].shift = 7
    elif fault == "size":
        range_server.put("a.zip", Served(CONTENT[:-1]))
    else:
        range_server.put("a.zip", Served(CONTENT[:1000]))
    download(url, path, pauses=(0.0,))
    assert path.read_bytes() == range_server.files["a.zip"].content
    assert range_server.asked[-1] == ("a.zip", None)


def test_a_complete_part_is_not_asked_for_again(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT))
    path.parent.mkdir()
    path.with_name("a.zip.part").write_bytes(CONTENT)
    note = {"url": url, "validator": '"1"', "total": len(CONTENT)}
    path.with_name("a.zip.part.json").write_text(json.dumps(note))
    download(url, path)
    assert path.read_bytes() == CONTENT
    assert range_server.asked == []


@pytest.mark.parametrize("expected", [{"md5": "0" * 32}, {"size": 12}])
def test_a_wrong_file_is_kept_aside(range_server, path, expected):
    url = range_server.put("a.zip", Served(CONTENT))
    message = rf"{url}: expected .*, got .*; what came is in {path}.wrong"
    with pytest.raises(DownloadError, match=message):
        download(url, path, **expected)
    assert left_beside(path) == ["a.zip.wrong"]
    assert not path.exists()


def test_a_file_cut_off_by_a_server_that_tells_no_length_is_found_by_its_size(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT, length=False, break_after=[400_000]))
    with pytest.raises(DownloadError, match="expected 1048576 bytes, got 400000"):
        download(url, path, size=len(CONTENT))


def test_a_busy_server_is_asked_again_and_an_absent_file_is_not(range_server, path):
    url = range_server.put("a.zip", Served(CONTENT, statuses=[503, 429]))
    download(url, path, pauses=NOW)
    assert path.read_bytes() == CONTENT
    assert len(range_server.asked) == 3
    with pytest.raises(DownloadError, match=r"/b.zip: cannot be downloaded \(status 404 Not Found"):
        download(f"{range_server.address}/b.zip", path.with_name("b.zip"), pauses=NOW)
    assert len(range_server.asked) == 4


def test_a_web_page_is_no_archive(range_server, path):
    url = range_server.put("a.zip", Served(b"<html>", content_type="text/html; charset=utf-8"))
    with pytest.raises(DownloadError, match="sent a web page, which may ask to log in"):
        download(url, path, pauses=NOW)


def test_without_a_network_the_address_and_the_place_are_named(monkeypatch, path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip"
        message = rf"{url}: cannot be downloaded .*on another machine and put it at {path}"
        with pytest.raises(DownloadError, match=message):
            download(url, path, pauses=NOW)
