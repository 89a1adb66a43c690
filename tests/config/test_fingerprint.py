from stn_action.config.fingerprint import changes, differences, flat
from stn_action.config.schema import to_dict
from tests.tiny import tiny_config


def test_nested_settings_are_named_by_dotted_keys():
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_differences_name_the_key_and_both_values():
    was = {"a": {"b": 1, "same": 0}, "gone": 2}
    now = {"a": {"b": 3, "same": 0}, "new": {"x": "y"}}
    assert differences(was, now) == [
        "a.b was 1, is 3", "gone was 2, is None", "new.x was None, is 'y'",
    ]  # fmt: skip
    assert differences(was, now, but=("a.b", "gone", "new.x")) == []


def test_a_section_that_was_null_is_compared_key_by_key():
    found = differences({"focus": None}, {"focus": {"heads": 4}})
    assert found == ["focus.heads was None, is 4"]


def test_where_a_run_writes_and_how_it_loads_makes_no_difference(tmp_path):
    was = to_dict(tiny_config(tmp_path))
    harmless = "train.output_dir=elsewhere", "data.num_workers=5", "train.cache_folder=cache"
    assert changes(was, tiny_config(tmp_path, *harmless)) == ""
    other = tiny_config(tmp_path, "optim.lr=1", "train.epochs=7")
    assert changes(was, other) == "optim.lr was 0.003, is 1.0 (and 1 more)"
