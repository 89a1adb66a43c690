import pytest

from stn_action.errors import InputError
from stn_action.person.formats.ava_lists import (
    read_ava_actions,
    read_ava_columns,
    read_ava_excluded,
    timestamp_text,
)

LINES = """1j20qq1JyX4,0902,0.002,0.118,0.714,0.977,12,1
1j20qq1JyX4,0902,0.002,0.118,0.714,0.977,79,1
1j20qq1JyX4,0902,0.444,0.054,0.992,0.990,12,0
1j20qq1JyX4,0903,0.020,0.069,0.985,1.003,17,2
"""
"""As `ava_val_v2.2.csv` starts, but for the last corner, which is a little outside."""


def stored(tmp_path, text: str, name: str = "ava.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "more",
    ["", "\n", "a,0904\n", "a,0904,,,,,,\n"],
    ids=["plain", "blank", "without a person", "empty cells"],
)
def test_lines_become_columns_at_once_or_one_by_one(tmp_path, more):
    text = LINES.replace("1j20qq1JyX4,0903", " 1j20qq1JyX4 , 0903") + more
    columns = read_ava_columns(stored(tmp_path, text))
    assert columns.videos == ["1j20qq1JyX4"] * 4
    assert columns.seconds.tolist() == [902, 902, 902, 903]
    assert columns.boxes[2:].tolist() == [[0.444, 0.054, 0.992, 0.99], [0.02, 0.069, 0.985, 1.003]]
    assert (columns.actions.tolist(), columns.persons.tolist()) == ([12, 79, 12, 17], [1, 1, 0, 2])


def test_quoted_cells_are_read_one_by_one(tmp_path):
    columns = read_ava_columns(stored(tmp_path, '"a,b",902,0,0,"1",1,12,3\n'))
    assert (columns.videos, columns.boxes.tolist()) == (["a,b"], [[0, 0, 1, 1]])


def test_a_list_without_a_person_has_no_lines_with_one(tmp_path):
    columns = read_ava_columns(stored(tmp_path, "a,0902\n"))
    assert (columns.videos, columns.boxes.shape) == ([], (0, 4))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,902,10,20,300,200,12,1", r"line 5: corners must be shares of the image .*in pixels"),
        ("a,902,0.5,0,0.5,1,12,1", r"line 5: x0 < x1 and y0 < y1 must hold"),
        ("a,902,0,0,1,inf,12,1", r"line 5: every corner must be finite"),
        ("a,902,0,0,1,1,12.5,1", r"line 5: action_id must be an integer from 1"),
        ("a,902,0,0,1,1,0,1", r"line 5: action_id must be an integer from 1"),
        ("a,902,0,0,1,1,12,-1", r"line 5: person_id must be an integer from 0"),
        (",902,0,0,1,1,12,1", r"line 5: eight cells"),
        ("a,902,0,0,1,1,12,1,0.9", r"line 5: eight cells .*, got 9"),
    ],
)
def test_a_line_that_is_wrong_is_named_whoever_reads_it(tmp_path, line, message):
    with pytest.raises(InputError, match=rf"ava\.csv, {message}"):
        read_ava_columns(stored(tmp_path, f"{LINES}{line}\n"))


def test_a_timestamp_has_four_digits_or_more():
    assert [timestamp_text(seconds) for seconds in (902.0, 1798, 4.5)] == ["0902", "1798", "04.5"]


def test_the_official_lists(shared):
    folder = shared / "data/annotations/ava"
    actions = read_ava_actions(folder / "ava_action_list_v2.2.pbtxt")
    assert list(actions) == list(range(1, 81))
    assert (actions[1], actions[80]) == ("bend/bow (at the waist)", "watch (a person)")
    subset = read_ava_actions(folder / "ava_action_list_v2.2_for_activitynet_2019.pbtxt")
    assert len(subset) == 60
    assert subset.items() <= actions.items()
    for part, count in (("train", 161), ("val", 37), ("test", 66)):
        excluded = read_ava_excluded(folder / f"ava_{part}_excluded_timestamps_v2.2.csv")
        assert len(excluded) == count
        assert all(902 <= seconds <= 1798 for _, seconds in excluded)
    assert ("-FLn0aeA6EU", 913) in excluded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the file has no action"),
        ("hello", r"line 1: expected an entry label \{ name"),
        ("\nlabel {\n name: ", r"line 2: expected an entry label \{ name"),
        ("label { }", r"line 1: an entry needs a name in quotes and a label_id or id"),
        ('label { name: "a" }', r"an entry needs a name in quotes"),
        ("label { name: a label_id: 1 }", r"an entry needs a name in quotes"),
        ('label { name: "a" label_id: x }', r"label_id must be a number, got 'x'"),
        ('label { name: "a" id: 1 ! }', r"an entry needs a name in quotes"),
        ('item { name: "a" id: 1 }\n' * 2, r"line 2: the action 1 or the name 'a' is duplicated"),
    ],
)
def test_a_broken_list_of_actions_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"list\.pbtxt.*{message}"):
        read_ava_actions(stored(tmp_path, text, "list.pbtxt"))


def test_a_broken_list_of_excluded_moments_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"excluded.csv, line 1: two cells .*, got 1"):
        read_ava_excluded(stored(tmp_path, "a0902\n", "excluded.csv"))
    with pytest.raises(InputError, match=r"excluded.csv, line 2: the timestamp must be a number"):
        read_ava_excluded(stored(tmp_path, "a,0902\na,x\n", "excluded.csv"))
    with pytest.raises(InputError, match=r"cannot be read: it is a folder, expected a reg"):
        read_ava_excluded(tmp_path)
