"""YAML of configurations: which scalars are text, and what is refused before it grows."""

import math
import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.config.schema import load_config
from stn_action.config.yaml_text import MAX_DEPTH, MAX_NODES, dump_yaml, parse_yaml
from stn_action.errors import InputError

LEVELS = [(chr(98 + level), chr(97 + level)) for level in range(20)]
"""Names of anchors, and of those each repeats."""
ALIASES = "a: &a [1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n" for name, below in LEVELS
)
MERGES = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{below}'] * 9)}]}}\n" for name, below in LEVELS
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PIECES = st.lists(
    st.sampled_from([*"[]{}&*!|>?:,-#%@`'\"\\~ \n\t", "<<: ", "a: ", "&x ", "*x", "!!int ", "2024-",
                     "0x", "\\U", "FFFFFFFF", "---\n", "  ", "\0", "\ufeff", "1e9", *"aé9"]),
    max_size=60,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-0017", -17),
        ("1_000", 1000),
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.Inf", -math.inf),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("0o10", "0o10"),
        ("on", "on"),
        ("No", "No"),
        ("2024-01-31", "2024-01-31"),
        ("2024-13-45", "2024-13-45"),
        ("=", "="),
        ("True", True),
        ("~", None),
        ("", None),
        ("'010'", "010"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text, value):
    assert parse_yaml(text, "x") == value
    assert type(parse_yaml(f"a: {text}", "x")["a"]) is type(value)


def test_keys_are_text_whatever_they_look_like():
    assert parse_yaml("{1: a, on: b, null: c, 010: d}", "x") == {
        "1": "a", "on": "b", "null": "c", "010": "d",
    }  # fmt: skip


def test_anchors_and_merges_mean_what_they_do_in_yaml():
    text = "a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: [*b, {z: 5}], x: 4}\nd: *b"
    assert parse_yaml(text, "x") == {
        "a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}, "c": {"x": 4, "y": 2, "z": 5},
        "d": {"x": 3, "y": 2},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!int abc", r"the tag \S+int: a configuration has none.*\(line 1, column 4\)"),
        ("a: !!python/name:os.system x", "the tag .*a configuration has none"),
        ("a: " + "9" * 5000, r"a number of 5000 digits, expected 30 at most \(line 1, column 4"),
        ("b: 1\na: " + "[" * 100_000, rf"more than {MAX_DEPTH} sections or lists.*\(line 2"),
        ("\n".join("  " * depth + "a:" for depth in range(3000)), f"more than {MAX_DEPTH} sec"),
        ("- " * 50_000, f"more than {MAX_DEPTH} sections or lists inside each other"),
        ("a: &x [*x]", r"\*x is inside &x itself \(line 1, column 8\)"),
        ("a: &x {b: {c: *x}}", r"\*x is inside &x itself"),
        ("a: *" + "x" * 5000, r"found undefined alias 'x{100,200}\.\.\. \(line 1"),
        (ALIASES, rf"more than {MAX_NODES} keys and values, with those that aliases repeat"),
        (MERGES, rf"more than {MAX_NODES} keys and values, with those that aliases repeat"),
        ("".join(f"k{i}: 1\n" for i in range(3000)), f"more than {MAX_NODES} keys"),
        ("a: {<<: 3}", "expected a mapping or list of mappings for merging"),
        ("a: 1\nb: 2\na: 3", r"the key 'a' is given twice \(line 3, column 1\)"),
        ("1: 1\n'1': 2", "the key '1' is given twice"),
        ("a: {<<: {}, <<: {}}", "the key '<<' is given twice"),
        ("? [a]\n: b", "a key must be text, this is a list or a section"),
        ("a: 1\n---\nb: 2", r"expected a single document in the stream, but found another"),
        ("a: b\n\0c: d", r"the character #x0 is not allowed.*\(line 2\)"),
        ('a: 1\nb: "\\UFFFFFFFF"', r"a number out of range in an escape sequence.*\(line 2\)"),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1", "a number out of range in an escape sequence"),
    ],
)
def test_what_is_wrong_or_would_grow_is_one_message(text, message):
    with pytest.raises(InputError, match=rf"^f\.yaml: not valid YAML: .*{message}") as caught:
        parse_yaml(text, "f.yaml")
    assert len(str(caught.value)) < 400


@settings(max_examples=150, deadline=None)
@given(st.one_of(PIECES.map("".join), TEXT))
def test_any_text_is_read_or_refused(text):
    try:
        value = parse_yaml(text, "x")
    except InputError:
        return
    assert isinstance(value, dict | list | str | int | float | None)


LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False), TEXT,
    st.from_regex(r"[-+.0-9eE_:]{1,8}", fullmatch=True),
    st.sampled_from(["010", "1e-4", "on", "2024-01-31", "null", "~", "<<", "=", "a #b", "'"]),
)  # fmt: skip
NAMES = st.text(string.ascii_letters + string.digits + "_.~ ", max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(NAMES, st.one_of(LEAF, st.dictionaries(NAMES, LEAF, max_size=3)), max_size=4)
)
def test_what_is_written_is_read_back(tree):
    assert parse_yaml(dump_yaml(tree), "x") == tree


def test_what_is_written_is_the_same_for_readers_of_yaml_1_1():
    tree = {"a": "010", "b": "on", "c": "1e-4", "d": "2024-01-31", "e": 10, "f": 0.5, "g": None}
    assert yaml.safe_load(dump_yaml(tree)) == tree


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\n" * 60_000, r"300000 bytes or more, a configuration file has at most 262144"),
        ("data: 1".encode("utf-16"), "it is in UTF-16; save it as UTF-8"),
        (b"data: 1\nmodel: \xff", "it must be text in UTF-8, line 2 is not"),
        (b"data: {name: sample\0}", r"not valid YAML: the character #x0 is not allowed"),
    ],
)
def test_a_file_of_something_else_is_one_message(tmp_path, content, message):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"f\.yaml: .*{message}"):
        load_config(path)


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(
        b"\xef\xbb\xbfdata: {name: sample, root: 010}\nmodel: {backbone: small3d}".replace(
            b"010", b"'010'"
        )
    )
    assert str(load_config(path).data.root) == "010"
