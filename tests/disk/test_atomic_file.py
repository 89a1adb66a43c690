"""Files that are replaced: complete or as they were."""

import pytest

from stn_action.disk.atomic_file import replaced_file, write_file
from stn_action.errors import InputError


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "below" / "note.txt"
    write_file(path, "Stoß\n")
    assert path.read_bytes() == "Stoß\n".encode()
    write_file(path, b"\0")
    assert path.read_bytes() == b"\0"
    assert [file.name for file in path.parent.iterdir()] == ["note.txt"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, file_size_limit):
    path = tmp_path / "note.txt"
    write_file(path, "old")
    file_size_limit(1 << 16)
    message = r"note\.txt: cannot be written \(File too large\); make room, or give another folder"
    with pytest.raises(InputError, match=message):
        write_file(path, bytes(100_000))
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]


def fail_after_writing(path):
    with replaced_file(path) as file:
        file.write(b"new")
        (path.parent / "other.txt").read_text()


def test_an_error_of_the_block_leaves_the_old_file_and_names_what_it_could_not_read(tmp_path):
    path = tmp_path / "note.txt"
    write_file(path, "old")
    with pytest.raises(FileNotFoundError, match=r"other\.txt"):
        fail_after_writing(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]


def test_two_that_write_one_file_do_not_mix_and_the_last_one_wins(tmp_path):
    path = tmp_path / "note.txt"
    with replaced_file(path) as first, replaced_file(path) as second:
        second.write(b"second")
        first.write(b"first")
    assert path.read_bytes() == b"first"  # the outer block ends last
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".note.txt.tmp").write_bytes(bytes(1000))
    write_file(tmp_path / "note.txt", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "note.txt").mkdir()
    with pytest.raises(InputError, match=r"note\.txt: cannot be written \(Is a directory\); give"):
        write_file(tmp_path / "note.txt", "new", remedy="give another name")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(InputError, match=r"runs/note\.txt: cannot be written \(File exists\)"):
        write_file(tmp_path / "runs" / "note.txt", "new")
