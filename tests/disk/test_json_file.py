"""JSON files: what is read, and what is called damaged."""

import pytest

from stn_action.disk.json_file import read_json
from stn_action.errors import InputError


def test_what_is_written_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, null, "é"]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json", remedy="delete it") == {"a": [1, None, "é"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a":\n 1', "line 2 is no JSON"),
        ("", "line 1 is no JSON"),
        ("9" * 5000, "its values are beyond all bounds"),
        ("[" * 100_000, "its values are beyond all bounds"),
    ],
)
def test_damage_is_one_message_with_the_remedy(tmp_path, text, reason):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=rf"a\.json: damaged: {reason}; delete it$"):
        read_json(tmp_path / "a.json", remedy="delete it")


def test_what_is_not_there_or_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json: no such JSON file"):
        read_json(tmp_path / "gone.json", remedy="delete it")
    with pytest.raises(InputError, match="it is a folder, expected a regular file"):
        read_json(tmp_path, remedy="delete it")
