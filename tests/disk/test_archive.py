import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from stn_action.disk import archive as archives
from stn_action.disk.archive import is_unpacked, require_unpacker, unpack_once
from stn_action.errors import InputError

MEMBERS = {"lists/a.txt": b"a", "videos/run/b.avi": b"bb", "__MACOSX/._b.avi": b"-"}


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def write_tar(path: Path, members: Mapping[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as opened:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
        for info in others:
            opened.addfile(info)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(("write", "name"), [(write_zip, "a.zip"), (write_tar, "a.tgz")])
def test_an_archive_is_unpacked_once(tmp_path, write, name):
    archive, folder = write(tmp_path / name, MEMBERS), tmp_path / "data"
    assert not is_unpacked(archive)
    assert unpack_once(archive, folder)
    assert tree(folder) == {"lists/a.txt": b"a", "videos/run/b.avi": b"bb"}
    (folder / "lists/a.txt").write_bytes(b"mine")
    assert not unpack_once(archive, folder)
    assert tree(folder)["lists/a.txt"] == b"mine"
    archive.unlink()
    assert is_unpacked(archive)
    write(tmp_path / name, {"lists/a.txt": b"a newer one of another size"})
    assert unpack_once(archive, folder)
    assert tree(folder)["lists/a.txt"].startswith(b"a newer")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.unpacked", "data"]


def test_files_join_those_of_another_archive(tmp_path):
    folder = tmp_path / "data"
    for number in (1, 2):
        unpack_once(write_zip(tmp_path / f"{number}.zip", {f"run/{number}.avi": b"-"}), folder)
    assert list(tree(folder)) == ["run/1.avi", "run/2.avi"]


def test_what_an_interrupted_call_left_is_not_used(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.txt": b"a"})
    left = tmp_path / ".a.zip.unpacking"
    left.mkdir()
    (left / "half.avi").write_bytes(b"-")
    assert unpack_once(archive, tmp_path / "data")
    assert tree(tmp_path / "data") == {"a.txt": b"a"}
    assert not left.exists()


def test_a_flat_folder_takes_all_files_but_those_left_out(tmp_path):
    members = {"set1/0_1_4.avi": b"-", "run/lena_run1.avi": b"1", "run/lena_run2.avi": b"2"}
    archive = write_zip(tmp_path / "a.zip", members)
    unpack_once(archive, tmp_path / "data", flat=True, left_out=("lena_run2.avi",))
    assert list(tree(tmp_path / "data")) == ["0_1_4.avi", "lena_run1.avi"]
    twice = write_zip(tmp_path / "b.zip", {"run/a.avi": b"1", "walk/a.avi": b"2"})
    with pytest.raises(InputError, match=r"b.zip: it holds two files a.avi"):
        unpack_once(twice, tmp_path / "other", flat=True)
    assert not (tmp_path / "other").exists()


def test_archives_in_an_archive_are_unpacked_too(tmp_path):
    inner = write_zip(tmp_path / "run.zip", {"run/a.avi": b"-"}).read_bytes()
    unpack_once(write_zip(tmp_path / "all.zip", {"hmdb/run.zip": inner}), tmp_path / "data")
    assert list(tree(tmp_path / "data")) == ["run/a.avi"]


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def zip_with_link(path: Path) -> Path:
    info = zipfile.ZipInfo("a/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(info, "/etc")
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_zip(folder / "a.zip", {"good.txt": b"", "../bad.txt": b""}),
        lambda folder: write_zip(folder / "a.zip", {"/bad.txt": b""}),
        lambda folder: write_zip(folder / "a.zip", {"a\\..\\..\\bad.txt": b""}),
        lambda folder: zip_with_link(folder / "a.zip"),
        lambda folder: write_tar(folder / "a.tar.gz", {"good.txt": b"", "a/../../bad.txt": b""}),
        lambda folder: write_tar(folder / "a.tar.gz", {"/bad.txt": b""}),
        lambda folder: write_tar(folder / "a.tar.gz", {}, link("a", "b")),
    ],
    ids=["zip ..", "zip /", "zip backslash", "zip link", "tar ..", "tar /", "tar link"],
)
def test_members_outside_and_links_are_refused(tmp_path, write):
    (tmp_path / "in").mkdir()
    archive = write(tmp_path / "in")
    with pytest.raises(
        InputError, match=r"its member .* is (outside|a link).*nothing was unpacked"
    ):
        unpack_once(archive, tmp_path / "in/data")
    assert [path.name for path in (tmp_path / "in").iterdir()] == [archive.name]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(("write", "name"), [(write_zip, "a.zip"), (write_tar, "a.tgz")])
def test_an_archive_that_grows_beyond_its_bound_is_refused(tmp_path, monkeypatch, write, name):
    monkeypatch.setattr(archives, "MAX_SLACK_BYTES", 1000)
    archive = write(tmp_path / name, {"a.avi": bytes(2**20)})
    with pytest.raises(InputError, match=r"unpacks to 1048576 bytes or more, expected \d+ at most"):
        unpack_once(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.zip", b"<html>"), ("a.tgz", b"<html>"), ("b.zip", None), ("b.tgz", None), ("a.7z", b"")],
)
def test_a_damaged_archive_is_refused(tmp_path, name, content):
    archive = tmp_path / name
    if content is None:  # a complete one, cut off
        write = write_zip if name.endswith("zip") else write_tar
        content = write(archive, {"a.avi": bytes(range(256)) * 40}).read_bytes()[:150]
    archive.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: (damaged, or no|expected one of \.zip)"):
        unpack_once(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_rar_file_needs_a_program(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    archive = tmp_path / "UCF101.rar"
    with pytest.raises(InputError, match=r"UCF101.rar: .*unrar or bsdtar, none is installed"):
        require_unpacker(archive)  # before it is downloaded
    require_unpacker(tmp_path / "a.zip")
    archive.write_bytes(b"Rar!")
    with pytest.raises(InputError, match=r"UCF101.rar: .*unrar or bsdtar, none is installed"):
        unpack_once(archive, tmp_path / "data")


def install(folder: Path, name: str, script: str) -> None:
    """A program that stands for one of those that unpack RAR files."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_program_for_rar_files_is_called_and_what_it_left_is_checked(tmp_path, monkeypatch):
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    if any(shutil.which(name) for name in archives.RAR_TOOLS):
        pytest.skip("a real program for RAR files would be called")
    archive = tmp_path / "UCF101.rar"
    archive.write_bytes(b"Rar!")
    install(tools, "bsdtar", 'mkdir "$5/UCF-101" && cp "$3" "$5/UCF-101/v.avi"')
    unpack_once(archive, tmp_path / "data")
    assert tree(tmp_path / "data") == {"UCF-101/v.avi": b"Rar!"}
    archive.write_bytes(b"Rar! new")
    install(tools, "unrar", 'ln -s /etc "${6}link"')  # comes before bsdtar
    with pytest.raises(InputError, match=r"its member 'link' is a link or a device"):
        unpack_once(archive, tmp_path / "data")
    install(tools, "unrar", "echo; echo UCF101.rar is not RAR archive >&2; exit 10")
    with pytest.raises(
        InputError, match=r"unrar cannot unpack it \(UCF101.rar is not RAR archive\)"
    ):
        unpack_once(archive, tmp_path / "data")
