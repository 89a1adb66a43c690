"""The files of official lists, and what an entry of any of them is checked for."""

import pytest

from stn_action.data.datasets.list_file import (
    class_label,
    labels_by_name,
    read_csv_rows,
    read_json_list,
    read_json_records,
    read_list_lines,
    read_span,
    safe_name,
)
from stn_action.errors import InputError

COLUMNS = ("label", "id")
FIELDS = {"id": str, "label": int}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "list.txt"


def test_cells_are_found_by_their_titles_and_quotes_are_read(path):
    path.write_text('id,more,label\r\n7,x,"a, b"\r\n\r\n8,y,c\r\n', encoding="utf-8-sig")
    rows = list(read_csv_rows(path, COLUMNS, remedy="get it"))
    assert rows == [(f"{path}, line 2", ("a, b", "7")), (f"{path}, line 4", ("c", "8"))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n", r"list.txt: expected the columns label, id .*, which has no label; get it"),
        ("", r"expected the columns label, id in the first line, which has no label, id; get it"),
        ("id,more,label\n7,x\n", r"list.txt, line 2: expected 3 columns, got 2; get it"),
        ("id,label\n" + "x" * 200_000, r"list.txt, line 2: field larger than .*; get it"),
    ],
)
def test_another_table_is_refused(path, text, message):
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_csv_rows(path, COLUMNS, remedy="get it"))


def test_records_are_read_by_their_fields(path):
    path.write_text('[{"label": 3, "id": "x", "more": []}]')
    records = list(read_json_records(path, FIELDS, remedy="get it"))
    assert records == [(f"{path}, entry 1", ["x", 3])]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"list.txt: damaged: line 1 is no JSON; is this another file\?; get it"),
        ("{}", r"list.txt: expected a list \[...\] that is not empty; get it"),
        ("[]", r"expected a list \[...\] that is not empty"),
        ("[3]", r"entry 1: expected an object with id \(str\), label \(int\); get it"),
        ('[{"id": "x"}]', r"entry 1: expected an object with id \(str\), label \(int\)"),
        ('[{"id": "x", "label": true}]', r"entry 1: expected an object with id"),
    ],
)
def test_other_json_is_refused(path, text, message):
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_json_records(path, FIELDS, remedy="get it"))


@pytest.mark.parametrize("read", [read_list_lines, lambda p, **k: read_json_list(p, list, **k)])
def test_a_missing_list_and_one_in_another_encoding_end_with_the_remedy(path, read):
    with pytest.raises(InputError, match=r"list.txt: no such .*; get it"):
        read(path, remedy="get it")
    path.write_bytes(b"[\n\xff]")
    with pytest.raises(InputError, match=r"must be text in UTF-8, line 2 is not; .*; get it"):
        read(path, remedy="get it")


def test_a_name_may_have_folders_and_dots():
    for name in ("a/b..c", "-x", "走 [1]", "a:b"):
        assert safe_name(name, where="here") == name


@pytest.mark.parametrize(
    "name", ["", "/etc/x", "../x", "a/../../x", "C:/x", "C:\\x", "\\\\host\\x", "..\\x"]
)
def test_a_name_that_leaves_its_folder_is_refused(name):
    with pytest.raises(InputError, match=r"line 3: expected the name of a video or a class, be"):
        safe_name(name, where="line 3")


@pytest.mark.parametrize("name", ["\ud800", "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(InputError, match="line 3: no file can be called"):
        safe_name(name, where="line 3")


def test_an_unknown_class_is_refused():
    labels = labels_by_name(("a", "b"))
    assert class_label("b", labels, where="line 3", known="classes.txt") == 1
    with pytest.raises(InputError, match=r"line 3: the class 'c' is none of the 2 of classes.txt"):
        class_label("c", labels, where="line 3", known="classes.txt")


def test_a_span_is_two_whole_numbers():
    assert read_span("0", "010", where="here") == (0, 10)


@pytest.mark.parametrize(
    ("start", "end"),
    [("5", "5"), ("6", "5"), ("-1", "5"), ("1.5", "5"), ("", "5"), ("1", "9" * 9999)],
)
def test_a_span_that_is_none_is_refused(start, end):
    with pytest.raises(InputError, match=r"line 3: expected a start and an end after it"):
        read_span(start, end, where="line 3")
