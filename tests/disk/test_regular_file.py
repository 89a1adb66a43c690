"""Regular files: what a path may lead to besides one, and how much of it is read."""

import os
import socket
from pathlib import Path

import pytest

from stn_action.disk.regular_file import (
    open_regular,
    path_of_text,
    read_regular,
    read_text_file,
    reason_not_read,
)
from stn_action.errors import InputError


def read(path, max_bytes: int = 10) -> bytes:
    return read_regular(path, max_bytes=max_bytes, what="list")


def text(path) -> str:
    return read_text_file(path, max_bytes=100, what="list")


def test_a_file_and_a_link_to_it_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("a")
    assert read(tmp_path / "a") == read(str(tmp_path / "link")) == b"0123456789"
    with open_regular(tmp_path / "a") as file:
        assert file.read(3) == b"012"


def test_a_larger_file_is_refused_with_its_size(tmp_path):
    (tmp_path / "a").write_bytes(bytes(11))
    with pytest.raises(InputError, match=r"a: 11 bytes or more, a list has at most 10; is this"):
        read(tmp_path / "a")


def test_what_is_no_regular_file_is_named_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opened plainly, it would block
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        kinds = {"pipe": "a pipe", "socket": "a socket", "/dev/zero": "a device", ".": "a folder"}
        for name, kind in kinds.items():
            with pytest.raises(InputError, match=f"cannot be read: it is {kind}, expected a reg"):
                read(tmp_path / name)


def test_what_is_not_there_is_named(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    for name, reason in {
        "gone": "gone: no such list$",
        "file/below": "a part of its path is a file and no folder",
        "loop": "its links lead in a circle",
        "x" * 300: "the name is too long for one",
        "nul\0": "a path cannot contain the character NUL",
    }.items():
        with pytest.raises(InputError, match=reason):
            read(tmp_path / name)


def test_an_error_while_reading_is_named():
    with pytest.raises(InputError, match=r"^/proc/self/mem: cannot be read: Input/output error"):
        read("/proc/self/mem")


def test_a_file_that_must_not_be_read_tells_how_to_change_it(tmp_path):
    path = tmp_path / "a"
    path.write_text("")
    path.chmod(0)
    if os.access(path, os.R_OK):
        reason = reason_not_read(PermissionError(13, "Permission denied"))
    else:
        with pytest.raises(InputError, match=r"a: ") as caught:
            read(path)
        reason = str(caught.value).removeprefix(f"{path}: ")
    assert reason.startswith("cannot be read: permission denied; change its owner or mode")


def test_messages_can_name_the_setting(tmp_path):
    with pytest.raises(InputError, match=r"^data\.manifest: no such list"):
        read_regular(tmp_path / "gone", max_bytes=1, what="list", name="data.manifest")


def test_text_is_utf_8_with_or_without_its_mark(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfe\xcc\x81\n")
    assert text(path) == "e\N{COMBINING ACUTE ACCENT}\n"
    path.write_text("plain", encoding="utf-16")
    with pytest.raises(InputError, match="it is in UTF-16; save it as UTF-8"):
        text(path)
    path.write_bytes(b"one\ntw\xff\n")
    with pytest.raises(InputError, match="it must be text in UTF-8, line 2 is not"):
        text(path)


def test_a_path_is_its_text_and_a_tilde_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert path_of_text("r/exp #3 ") == Path("r/exp #3 ")
    assert path_of_text("None") == Path("None")
    assert path_of_text("~") == Path("/home/me")
    assert path_of_text("~/runs/~x") == Path("/home/me/runs/~x")
    assert path_of_text("./~x") == Path("~x")
    for wrong, reason in {"": "neither empty", "a\0b": "contains NUL"}.items():
        with pytest.raises(ValueError, match=reason):
            path_of_text(wrong)
    with pytest.raises(ValueError, match=r"~no such user/x starts with a home.*write \./~no such"):
        path_of_text("~no such user/x")
