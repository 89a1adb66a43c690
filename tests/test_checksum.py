import doctest

import pytest

from stn_action import checksum as module
from stn_action.checksum import checksum, path_checksum


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(module).failed == 0


def test_a_file_is_known_by_its_bytes(tmp_path):
    for name, content in [("a", b"1"), ("b", b"1"), ("c", b"2")]:
        (tmp_path / name).write_bytes(content)
    a, b, c = (checksum(tmp_path / name) for name in "abc")
    assert a == b != c
    assert len(a) == 32
    with pytest.raises(OSError, match="No such file"):
        checksum(tmp_path / "none")


def test_a_folder_is_known_by_the_names_and_bytes_of_its_files(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a.csv").write_bytes(b"1")
    before = path_checksum(tmp_path)
    assert before == path_checksum(tmp_path)
    (tmp_path / "x/a.csv").write_bytes(b"2")
    changed = path_checksum(tmp_path)
    (tmp_path / "x/a.csv").rename(tmp_path / "x/b.csv")
    assert len({before, changed, path_checksum(tmp_path)}) == 3
    assert path_checksum(tmp_path / "x/b.csv") == checksum(tmp_path / "x/b.csv")
