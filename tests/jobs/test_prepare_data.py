"""From a server to a complete data set: J-HMDB of two clips, its archives on loopback."""

import importlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.datasets.source_record import SourceFile
from stn_action.data.datasets.source_table import SOURCES
from stn_action.disk.file_lock import FileLock
from stn_action.errors import InputError
from stn_action.jobs.prepare_data import LOCK, prepare_data
from tests.range_server import Served

MAIN = importlib.import_module("tools.prepare_data").main
LIST = b"a.avi 1\nb.avi 2\n"


def zip_bytes(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return file.getvalue()


VIDEOS = zip_bytes(**{f"ReCompress_Videos/run/{name}.avi": bytes(9000) for name in "ab"})
LISTS = zip_bytes(**{"splits/run_test_split1.txt": LIST})


@pytest.fixture
def server(range_server, monkeypatch):
    """The two archives, and the data set's row with them and without official numbers."""
    urls = [
        range_server.put("video.zip", Served(VIDEOS)),
        range_server.put("splits.zip", Served(LISTS)),
    ]
    files = (SourceFile(urls[0]), SourceFile(urls[1], "splits", size=len(LISTS), flat=True))
    monkeypatch.setitem(SOURCES, "jhmdb", replace(SOURCES["jhmdb"], files=files))
    spec = replace(DATASETS["jhmdb"], folds=(1,), official={})
    monkeypatch.setitem(DATASETS, "jhmdb", spec)
    return range_server


def prepared(root: Path, **options) -> tuple[bool, list[str]]:
    lines: list[str] = []
    quiet = Console(file=io.StringIO())
    return prepare_data("jhmdb", root, announce=lines.append, console=quiet, **options), lines


def test_a_data_set_is_fetched_unpacked_and_checked(server, tmp_path):
    root = tmp_path / "jhmdb"
    complete, lines = prepared(root)
    assert complete
    assert lines[:2] == [
        "J-HMDB-21 (2013): http://jhmdb.is.tue.mpg.de",
        "license or terms: none found; cut from HMDB51 (CC BY 4.0); size: unknown",
    ]
    assert lines[2:4] == [
        f"needs {server.address}/video.zip (size unknown)",
        f"needs {server.address}/splits.zip ({len(LISTS)} B)",
    ]
    assert lines[4:] == [
        f"video.zip: unpacked into {root}",
        f"splits.zip: unpacked into {root / 'splits'}",
        "jhmdb split 1: 2 of 2 videos are there",
        f"complete: set data.root={root}",
    ]
    assert sorted(path.name for path in root.iterdir()) == [
        "ReCompress_Videos", "downloads", "splits",
    ]  # fmt: skip
    assert prepared(root)[0]
    assert len(server.asked) == 2  # a complete set asks for nothing


def test_what_is_missing_is_fetched_alone(server, tmp_path):
    prepared(tmp_path, delete_archives=True)
    assert [path.name for path in sorted((tmp_path / "downloads").iterdir())] == [
        "splits.zip.unpacked", "video.zip.unpacked",
    ]  # fmt: skip
    (tmp_path / "ReCompress_Videos/run/b.avi").unlink()
    complete, lines = prepared(tmp_path)
    assert not complete
    assert len(server.asked) == 2
    assert "video.zip: unpacked before" in lines
    assert lines[-2:-1] == ["jhmdb split 1: 1 of 2 videos are there; missing: run/b"]
    assert "unless <archive>.unpacked beside them is deleted" in lines[-1]
    (tmp_path / "downloads/video.zip.unpacked").unlink()
    assert prepared(tmp_path)[0]
    assert [path for path, _ in server.asked] == ["video.zip", "splits.zip", "video.zip"]


def test_archives_put_there_by_hand_are_unpacked(server, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/video.zip").write_bytes(VIDEOS)
    (tmp_path / "downloads/splits.zip").write_bytes(LISTS)
    assert prepared(tmp_path)[0]
    assert server.asked == []


def test_a_list_of_archives_is_fetched_and_followed(server, tmp_path, monkeypatch):
    for number, name in enumerate("ab"):
        content = zip_bytes(**{f"run/{name}.avi": b"-"})
        server.put(f"part_{number}.zip", Served(content))
    text = "".join(f"{server.address}/part_{number}.zip\n" for number in (0, 1))
    url = server.put("paths.txt", Served(text.encode(), content_type="text/plain"))
    source = SOURCES["jhmdb"]
    parts = SourceFile(url, "ReCompress_Videos", lists_archives=True)
    monkeypatch.setitem(SOURCES, "jhmdb", replace(source, files=(parts, source.files[1])))
    complete, lines = prepared(tmp_path)
    assert complete
    assert (tmp_path / "downloads/ReCompress_Videos/part_1.zip.unpacked").exists()
    assert "part_0.zip: unpacked into" in lines[4]


def test_another_process_in_the_folder_is_named(server, tmp_path):
    with (
        FileLock(tmp_path / LOCK, "it", "wait"),
        pytest.raises(InputError, match="another process"),
    ):
        prepared(tmp_path)
    assert server.asked == []


def test_the_tool_ends_with_a_status(server, tmp_path, capsys):
    root = tmp_path / "jhmdb"
    check = ["jhmdb", "--root", str(root), "--check"]
    assert MAIN(check) == 2
    assert f"error: {root}: there is no such folder to check" in capsys.readouterr().err
    root.mkdir()
    assert MAIN(check) == 1
    assert capsys.readouterr().out.endswith("incomplete: give the same command without --check\n")
    assert server.asked == []
    assert MAIN(check[:-1]) == 0
    assert MAIN(check) == 0
    server.files.clear()
    assert MAIN(["jhmdb", "--root", str(tmp_path / "b"), "--files", "splits.zip"]) == 2
    assert "error: http" in capsys.readouterr().err


def test_the_tool_prints_the_table_of_all_sets(capsys):
    assert MAIN(["--list"]) == 0
    assert "| `ucf101` | 13,320 | 101 | 6.9 GB |" in capsys.readouterr().out
    for wrong, message in ((["sample"], "no source of 'sample'"), ([], "give the NAME")):
        with pytest.raises(SystemExit, match="2"):
            MAIN(wrong)
        assert message in capsys.readouterr().err
