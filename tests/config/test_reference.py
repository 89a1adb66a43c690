"""The JSON schema and the page of all settings: up to date, and right about what is accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from stn_action.config.fingerprint import flatten
from stn_action.config.reference import SCHEMA_NAME
from stn_action.config.renamed_keys import RENAMED
from stn_action.config.schema import Config, load_config, to_dict
from tools.write_reference import main as write_reference

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
MINIMAL = """
data: {name: sample, root: data/sample}
model: {backbone: small3d, focus: {at: stage3}}
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads((ROOT / "configs" / SCHEMA_NAME).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def validator(schema) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def errors_of(validator: Draft202012Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def with_setting(dotted: str, value: Any) -> str:
    """The minimal file with one more setting."""
    tree = yaml.safe_load(MINIMAL)
    *sections, last = dotted.split(".")
    inner = tree
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[last] = value
    return yaml.safe_dump(tree)


def test_all_files_are_what_the_tool_writes(tmp_path, capsys):
    (tmp_path / "configs").mkdir()
    (tmp_path / "docs").mkdir()
    assert write_reference(["--root", str(tmp_path)]) == 0
    for name in ("configs/schema.json", "docs/configuration.md", "docs/data.md"):
        written = (tmp_path / name).read_text(encoding="utf-8")
        assert written == (ROOT / name).read_text(encoding="utf-8"), (
            f"{name} is out of date: run python tools/write_reference.py"
        )
    assert "configuration.md" in capsys.readouterr().out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_file_is_valid_and_names_the_schema_for_editors(validator, path):
    text = path.read_text(encoding="utf-8")
    assert errors_of(validator, text) == []
    start = "# yaml-language-server: $schema="
    first = text.splitlines()[0]
    assert first.startswith(start)
    named = path.parent / first.removeprefix(start)
    assert named.resolve() == (ROOT / "configs" / SCHEMA_NAME).resolve()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_file_with_all_settings_written_out_is_valid(validator, path):
    assert list(validator.iter_errors(to_dict(load_config(path)))) == []


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        ("data.crop.size", 96),
        ("data.crop.size", [96, 128]),
        ("data.fold", "all"),
        ("data.people", "data/people.sqlite"),
        ("data.people", None),
        ("model.weights", "none"),
        ("model.weights", None),
        ("model.weights", "weights/trunk.safetensors"),
        ("model.backbone", "timm/resnet18"),
        ("model.focus", None),
        ("model.focus.gain", "auto"),
        ("model.focus.gain", 100),
        ("model.focus.start_scale", None),
        ("optim.lr", 1e-4),
        ("train.output_dir", "runs/mine"),
        ("data.augment.hflip", 0),
    ],
)
def test_what_the_loader_accepts_is_valid(validator, tmp_path, dotted, value):
    text = with_setting(dotted, value)
    assert errors_of(validator, text) == []
    path = tmp_path / "own.yaml"
    path.write_text(text)
    assert isinstance(load_config(path), Config)


def test_a_file_with_a_base_may_leave_out_what_the_base_gives(validator):
    assert errors_of(validator, "base: other.yaml") == []
    assert errors_of(validator, "base: other.yaml\nmodel: {focus: {heads: 2}}") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "'data' is a required property"),
        ("data: {name: sample}\nmodel: {backbone: small3d}", "'root' is a required property"),
        (MINIMAL.replace("at: stage3", "heads: 2"), "'at' is a required property"),
        ("base: [other.yaml]", "is not of type 'string'"),
        ("base: a.yaml\noptim: {lrr: 1}", "'lrr' was unexpected"),
        (with_setting("data.crop.size", [96]), "is not valid under any of the given schemas"),
        (with_setting("data.crop.size", 0), "is not valid under any of the given schemas"),
        (with_setting("data.crop.smooth_window", 4), "should not be valid under"),
        (with_setting("data.name", "ucf"), "'ucf' is not one of ['ucf101'"),
        (with_setting("data.augment.hflip", True), "True is not of type 'number'"),
        (with_setting("data.augment.hflip", 1.5), "1.5 is greater than the maximum of 1"),
        (with_setting("data.augment.scale", [0, 1]), "less than or equal to the minimum of 0"),
        (with_setting("data.crop.box_jitter", 0.5), "greater than or equal to the maximum of 0.5"),
        (with_setting("model.backbone", "resnet18"), "is not valid under any of the given"),
        (with_setting("model.focus.heads", -1), "-1 is less than the minimum of 0"),
        (with_setting("optim.lr", 0), "0 is less than or equal to the minimum of 0"),
        (with_setting("train.epochs", 2.5), "2.5 is not of type 'integer'"),
        (with_setting("train.epochs", "ten"), "'ten' is not of type 'integer'"),
        (with_setting("train.cache_features", 1), "1 is not of type 'boolean'"),
        *[(with_setting(old, 1), f"'{old.split('.')[-1]}' was unexpected") for old in RENAMED],
    ],
)
def test_what_is_wrong_is_invalid(validator, tmp_path, text, message):
    found = errors_of(validator, text)
    whole = [error for error in found if message in error]
    inner = [
        deeper.message
        for error in validator.iter_errors(yaml.safe_load(text))
        for deeper in error.context or []
        if message in deeper.message
    ]  # what an optional section says of itself
    assert whole or inner, found


def test_every_setting_stands_in_the_page(schema):
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    settings = ["data.name=sample", "data.root=data/sample", "model.backbone=small3d"]
    known = flatten(to_dict(load_config(None, [*settings, "model.focus.at=stage3"])))
    for dotted in known:
        section, _, key = dotted.rpartition(".")
        table = page.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        assert f"\n| `{key}` | " in table, dotted
