from pathlib import Path

import pytest

from stn_action.disk.numbered_lines import read_numbered_lines, require_same_numbers
from stn_action.errors import InputError


def lines_of(path: Path, text: str):
    path.write_bytes(text.encode())
    return read_numbered_lines(path, what="list", expected="<id> <text>")


def test_lines_are_found_by_their_numbers_in_the_order_of_the_file(tmp_path):
    lines = lines_of(tmp_path / "a.txt", "\ufeff7 seven and more \r\n\r\n 03\tthree")
    assert list(lines) == [7, 3]
    assert lines[7].text == "seven and more"
    assert (lines[3].text, lines[3].where) == ("three", f"{tmp_path / 'a.txt'}, line 3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a.txt: there is no line '<id> <text>' in it"),
        ("1 a\n2", r"a.txt, line 2: expected '<id> <text>', got '2'"),
        ("1 a\n-2 b", r"a.txt, line 2: expected '<id> <text>', got '-2 b'"),
        ("\u0662 b", r"a.txt, line 1: expected '<id> <text>'"),
        (f"{'1' * 5000} b", r"a.txt, line 1: expected a number of at most 9 digits"),
        ("1 a\n\n1 b", r"a.txt, line 3: 1 is the number of line 1 already"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        lines_of(tmp_path / "a.txt", text)


def test_files_of_one_data_set_have_the_same_numbers(tmp_path):
    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    first = lines_of(a, "1 x\n2 x")
    require_same_numbers({a: first, b: lines_of(b, "2 y\n1 y")})
    with pytest.raises(InputError, match=r"a.txt, line 2: b.txt has no line of 2 \(1 of 2 numbers"):
        require_same_numbers({a: first, b: lines_of(b, "1 y\n3 y")})
    more = "".join(f"{number} y\n" for number in range(1, 9))
    with pytest.raises(InputError, match=r"b.txt, line 3: a.txt has no line of 3, 4, 5, ... \(6"):
        require_same_numbers({a: first, b: lines_of(b, more)})
