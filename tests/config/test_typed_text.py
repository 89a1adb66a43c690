"""Values by the declared type of their setting: on the command line and in files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.config.schema import config_from_dict, load_config, to_dict, to_yaml
from stn_action.config.typed_text import shown
from stn_action.config.yaml_text import parse_yaml
from stn_action.errors import InputError

MINIMAL = ["data.name=sample", "data.root=data/sample", "model.backbone=small3d"]
TREE = {"data": {"name": "sample", "root": "data/sample"}, "model": {"backbone": "small3d"}}
PATHS = [
    "runs/exp #3", "a: b", "[x", "{y}", " outer ", "2024", "010", "2024-01-31", "on", "true",
    "'quoted'", '"', "*x", "&x", "!!int 3", "a=b", "a,b", "%", "...", "- a", "1e9", "@", "|",
]  # fmt: skip


def load(*overrides: str):
    return load_config(None, [*MINIMAL, *overrides])


@pytest.mark.parametrize("text", PATHS)
def test_a_path_is_exactly_the_text(text):
    config = load(f"train.output_dir={text}", f"data.people={text}", f"model.weights={text}")
    assert config.train.output_dir == config.data.people == Path(text)
    assert config.model.weights == text


@pytest.mark.parametrize("text", ["null", "None", "none", "NULL", "Null", " none "])
def test_null_is_spelled_in_several_ways_where_it_is_admitted(text):
    config = load(
        "train.max_steps=3", f"data.people={text}", f"train.max_steps={text}",
        f"model.weights={text}", f"model.focus={text}", f"optim.clip_grad_norm={text}",
    )  # fmt: skip
    assert config.data.people is config.train.max_steps is config.model.weights is None
    assert config.model.focus is config.optim.clip_grad_norm is None


def test_null_is_a_name_where_it_is_not_admitted():
    assert load("data.root=null").data.root == Path("null")
    assert load("data.root=None", "data.people=./none").data.people == Path("none")
    with pytest.raises(InputError, match=r"train\.epochs: expected an integer, got 'None'"):
        load("train.epochs=None")


def test_a_text_or_a_list_of_them_is_a_list_in_brackets():
    heads = "model.focus={at: layer1}"
    assert load(heads, "model.focus.at=layer2").model.focus.stages == ("layer2",)
    assert load(heads, "model.focus.output=1").model.focus.output == 1
    assert load(heads, "model.focus.output=fine").model.focus.output == "fine"
    both = load(heads, "model.focus.at=[layer2, layer3]", "model.focus.output=[0, null]")
    assert both.model.focus.stages == ("layer2", "layer3")
    assert both.model.focus.output == (0, None)
    with pytest.raises(InputError, match=r"a list of stages with as many outputs"):
        load(heads, "model.focus.at=[layer2, layer3]", "model.focus.output=[0]")


@pytest.mark.parametrize(
    ("text", "fold"),
    [("010", 10), ("1_0", 10), ("+3", 3), ("'3", None), ("0x3", None), ("3.0", None)],
)
def test_numbers_are_decimal(text, fold):
    if fold is None:
        with pytest.raises(InputError, match=r"data\.fold=|not valid YAML"):
            load(f"data.fold={text}")
    else:
        assert load(f"data.fold={text}").data.fold == fold
        assert config_from_file(f"fold: {text}").data.fold == fold


def test_a_tilde_is_the_home_folder_on_the_command_line_and_in_files(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for config in (
        load("data.people=~/p", "model.weights=~/w.pt", "train.output_dir=./~x"),
        config_from_file("people: ~/p", "weights: ~/w.pt", "output_dir: ./~x"),
    ):
        assert config.data.people == Path("/home/me/p")
        assert config.model.weights == "/home/me/w.pt"
        assert config.train.output_dir == Path("~x")
    with pytest.raises(InputError, match=r"data\.people: expected a path: ~no such user starts"):
        load("data.people=~no such user")


def test_a_base_may_be_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "base.yaml").write_text(to_yaml(load("train.epochs=7")))
    (tmp_path / "a").mkdir()
    (tmp_path / "a/own.yaml").write_text("base: ~/base.yaml")
    assert load_config(tmp_path / "a/own.yaml").train.epochs == 7


def config_from_file(data: str, model: str = "", train: str = ""):
    text = f"data: {{name: sample, root: x, {data}}}\nmodel: {{backbone: small3d, {model}}}\n"
    return config_from_dict(parse_yaml(f"{text}train: {{{train}}}", "f"), "f.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2024", 'expected a path, got 2024; YAML reads it as int, quote it: people: "2024"'),
        ("true", 'expected a path, got True; YAML reads it as bool, quote it: people: "true"'),
        ("1e-4", 'got 0.0001; YAML reads it as float, quote it: people: "0.0001"'),
        ("[a]", "data.people: expected a path, got ['a']"),
    ],
)
def test_a_path_that_yaml_reads_otherwise_is_to_be_quoted(text, message):
    with pytest.raises(InputError, match="expected a path") as caught:
        config_from_file(f"people: {text}")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["on", "yes", "2024-01-31", "2024-13-45", "1:30", "'2024'"])
def test_what_is_text_in_yaml_1_2_is_a_path_without_quotes(text):
    assert config_from_file(f"people: {text}").data.people == Path(text.strip("'"))


def test_a_required_path_cannot_be_null_in_a_file():
    with pytest.raises(InputError, match=r"f: data\.root: expected a path, got None"):
        config_from_dict({**TREE, "data": {"name": "sample", "root": None}}, "f")


def test_other_settings_are_quoted_too():
    with pytest.raises(InputError, match=r'or a list, got 3; .* quote it: at: "3"'):
        config_from_file("", "focus: {at: 3}")


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12))
def test_any_path_survives_the_command_line_a_file_and_a_checkpoint(text):
    if text.startswith("~") or text.strip().lower() in ("null", "none"):
        text = f"./{text}"
    config = load(f"train.output_dir={text}")
    assert config.train.output_dir == Path(text)
    assert config_from_dict(parse_yaml(to_yaml(config), "x"), "x") == config
    assert config_from_dict(to_dict(config), "x") == config


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*to_dict(load("model.focus.at=stage3")), "other"]), JSON, JSON)
def test_a_checkpoint_may_hold_anything_as_its_settings(section, value, inner):
    tree = {**TREE, section: value, "eval": {"num_clips": inner}}
    try:
        config, message = config_from_dict(tree, "last.pt"), ""
    except InputError as error:
        config, message = None, str(error)
    assert config is None or config.data.name == "sample"
    assert len(message) < 3000


def test_settings_that_repeat_or_contain_themselves_are_refused():
    twice: dict = {"a": 1}
    for _ in range(15):
        twice = {"a": twice, "b": twice}
    endless: dict = {}
    endless["a"] = endless
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    for tree in (twice, endless, {"a": deep}, {"a": [0] * 3000}):
        with pytest.raises(InputError, match=r"last\.pt: its settings are damaged: more than 2000"):
            config_from_dict(tree, "last.pt")
    with pytest.raises(InputError, match=r"last\.pt: a setting is called 3, expected text"):
        config_from_dict({3: 4}, "last.pt")  # pyright: ignore


def test_values_of_any_size_are_shown_in_a_few_characters():
    assert shown("x" * 10_000) == "'" + "x" * 37 + "..." + "x" * 38 + "'"
    assert shown(10**5000) == "a number of 16610 bits"
    assert shown([10**5000]) == "[16610 bits]"
    assert shown({"a": [1, [2, [3]]]}) == "{'a': [1, [2, [...]]]}"
    assert shown(object()) == "a object"
    assert [shown(value) for value in (True, None, 0.5, "a")] == ["True", "None", "0.5", "'a'"]


def test_many_wrong_keys_are_counted(tmp_path):
    (tmp_path / "f.yaml").write_text("".join(f"key{n}: 1\n" for n in range(500)))
    with pytest.raises(InputError, match=r"\n\.\.\. and 482 more$") as caught:
        load_config(tmp_path / "f.yaml")
    assert str(caught.value).count("\n") == 20


def test_a_key_of_any_size_is_named_in_one_line(tmp_path):
    (tmp_path / "f.yaml").write_text(f'data:\n  "a\\nb": 1\n  ? {"x" * 100_000}\n  : 2')
    with pytest.raises(InputError, match=r"'data\.a\\nb': unknown key") as caught:
        load_config(tmp_path / "f.yaml")
    assert len(str(caught.value)) < 3000
