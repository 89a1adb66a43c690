"""Indices beside a manifest: rows by content, and what damage says."""

import pickle
import sqlite3

import pytest

from stn_action.data.index_file import IndexFile
from stn_action.errors import InputError
from stn_action.video.file_index import FileIndex
from stn_action.video.orientation import Orientation
from stn_action.video.packets import FrameIndex, Start

INDEX = FileIndex(
    FrameIndex([5, 6, 9], (Start(0, 5, 48), Start(2, 9, 900)), False, by_bytes=True),
    fps=29.97,
    size_hw=(240, 320),
    orientation=Orientation(mirrored=True, quarter_turns=3),
    times_are_exact=True,
    data_agree=False,
)


@pytest.fixture
def file(tmp_path) -> IndexFile:
    file = IndexFile.create(tmp_path / "m.tsv.index")
    file.add("ab", INDEX.packed())
    file.add("cd", None)
    return file


def test_a_content_is_known_with_an_index_known_without_one_or_unknown(file):
    for opened in (file, IndexFile.create(file.path), pickle.loads(pickle.dumps(file))):
        found = opened.find("ab")
        assert found.frames.starts == INDEX.frames.starts
        assert found.frames.display_pts.tolist() == [5, 6, 9]
        assert (found.fps, found.size_hw) == (29.97, (240, 320))
        assert found.orientation == INDEX.orientation
        flags = found.times_are_exact, found.data_agree, found.frames.is_counted
        assert (*flags, found.frames.by_bytes) == (True, False, False, True)
        assert [opened.find("cd"), opened.find("ef")] == [None, None]
        assert [opened.has(name) for name in ("ab", "cd", "ef")] == [True, True, False]


@pytest.mark.parametrize("packed", [b"", b"no zlib", INDEX.packed()[:-3], 7, "text"])
def test_a_damaged_row_is_named(file, packed):
    with sqlite3.connect(file.path) as connection:
        connection.execute("UPDATE files SET packed = ? WHERE checksum = 'ab'", (packed,))
    connection.close()
    with pytest.raises(InputError, match=r"m.tsv.index: the row of ab is damaged \(.*\); delete"):
        file.find("ab")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "m.tsv.index"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(InputError, match=r"m.tsv.index: .*; is it a frame index\?"):
        IndexFile(path)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE files (name TEXT)")
    connection.close()
    with pytest.raises(InputError, match="a database, but not a frame index: its tables are files"):
        IndexFile(path)
    path.unlink()
    IndexFile.create(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE about SET value = 'stn_action index 9'")
    connection.close()
    with pytest.raises(InputError, match="its format is 'stn_action index 9', expected"):
        IndexFile(path)
